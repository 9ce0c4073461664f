"""Stand-ins for the services Cluster Bot talks to, on loopback, for the demo, the tests and the benchmarks.

Nothing here knows Cluster Bot: the product reaches a stand-in only through its ordinary API address.
"""
