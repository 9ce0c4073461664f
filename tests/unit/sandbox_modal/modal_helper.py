"""Imported by the function in the container: it came with `add_local_python_source`."""

ANSWER = 42
