"""Cluster Bot: members type `/run`, their program runs on a GPU somewhere, a thread shows it line by line."""

__version__ = "0.1.0"
