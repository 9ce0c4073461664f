"""The gate before a run: an admin's own rules on what may be submitted, in a file, and a program of theirs that looks.

Made by the composition root, asked by the scheduler through the `Gate` port.
"""

from cluster_bot.gate.checker import Checker
from cluster_bot.gate.gate import AdminsGate, closed

__all__ = ["AdminsGate", "Checker", "closed"]
