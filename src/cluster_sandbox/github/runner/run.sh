#!/bin/sh
# The stand-in's, as `run.sh` of GitHub's runner: connected while it runs.
cd "$(dirname "$0")" || exit 1
exec python3 -I -S bin/runner.py run "$@"
