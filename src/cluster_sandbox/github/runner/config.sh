#!/bin/sh
# The stand-in's, as `config.sh` of GitHub's runner: the same arguments, and nothing but them.
cd "$(dirname "$0")" || exit 1
exec python3 -I -S bin/runner.py configure "$@"
