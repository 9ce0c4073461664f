# Sourced by the other scripts: finds the repository and a Python, and hands the set-up to bootstrap.py.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# set_up demo|test: returns when the environments of that command are ready; ends the script with 2 if they can't be.
set_up() {
    local candidate
    for candidate in "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -I "$root/script/bootstrap.py" "$1" || exit 2
            return
        fi
    done
    echo "Cluster Bot needs Python 3.11 or newer and found none on PATH: install it (on Debian and Ubuntu:" \
        "apt install python3) and run this again." >&2
    exit 2
}
