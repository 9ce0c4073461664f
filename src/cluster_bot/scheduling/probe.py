"""The program that tries a machine somebody has lent: what is it, and which GPU does its driver see?

Submitted by `arrivals`. Python and its standard library, as nothing else is sure to be there.
"""

from cluster_bot.runs.spec import RunSpec

NAME = "try_machine.py"
TIME_LIMIT_S = 30
PROGRAM = '''\
"""Sent by the bot to a machine that was just connected: says what it is, and which GPUs its driver shows."""

import platform
import shutil
import subprocess

print(platform.node(), platform.platform(), "Python", platform.python_version(), flush=True)
found = False
for command in (["nvidia-smi", "-L"], ["rocm-smi", "--showproductname"]):
    if shutil.which(command[0]):
        found = True
        subprocess.run(command, timeout=20, check=True)
if not found:
    print("neither nvidia-smi nor rocm-smi is here")
'''


def probe(launcher: str, gpu: str) -> RunSpec:
    """The run that tries it."""
    return RunSpec({NAME: PROGRAM}, NAME, launcher, TIME_LIMIT_S, gpu=gpu)
