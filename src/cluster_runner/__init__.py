"""The program that travels to the GPU machine: it executes one run and sends events home.

Standard library only and Python 3.9 or newer, because it runs wherever a GPU is. `cluster_bot` imports
`cluster_runner.wire` and nothing else of it; this package never imports `cluster_bot`.
"""
