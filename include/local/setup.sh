#!/bin/sh
# Creates .venv from what a server runs (requirements.txt) and what the demo and the tests need on top
# (tests/requirements.txt), or finds in an instant that it is there already.
# In: the environment's folder, its locks (in one word), the newest Python it can use (3.x), where they are others; PYTHON
# (optional)
# names the interpreter to use. Out: nothing, or one line on stderr and exit 1.
# pip reads the user's own configuration; no package index is named here.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
name=${1:-.venv}
locks=${2:-requirements.txt tests/requirements.txt}
newest=${3:-13}
venv="$root/$name"
stamp="$venv/.complete"
versions="3.12, 3.11 or 3.13"
[ "$newest" -ge 13 ] || versions="3.12 or 3.11"
log="$root/.local/logs/setup$name.log"
needed_kb=3145728 # 3 GB: 2 for the packages, the rest for pip's work and the first runs

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# What a complete environment's stamp says: the locks it was made from and the Python it runs.
stamp_for() {
    # shellcheck disable=SC2086 # several locks in one word
    printf '%s %s\n' "$(cd "$root" && cat $locks | cksum)" "$("$1" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null)"
}

# An interpreter is tried, not just found: version managers leave names in PATH that fail when called.
check='import sys
if not (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])): sys.exit(3)
try: import ensurepip, sqlite3, ssl, venv
except ImportError: sys.exit(4)'

find_python() {
    incomplete=""
    for candidate in ${PYTHON:+"$PYTHON"} ${PYTHON:-python3.12 python3.11 python3.13 python3 python}; do
        if "$candidate" -c "$check" "$newest" >/dev/null 2>&1; then
            python=$candidate
            return
        elif [ $? -eq 4 ]; then
            incomplete=$candidate
        fi
    done
    if [ -n "$incomplete" ]; then
        fail "$incomplete lacks its venv module (Debian, Ubuntu: install the package python3-venv), or its ssl or sqlite3 module"
    elif [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is not a working Python $versions"
    fi
    fail "no working Python $versions found: install one, or name it with PYTHON=/path/to/python"
}

require_disk() {
    free_kb=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    if [ "${free_kb:-$needed_kb}" -lt "$needed_kb" ]; then
        fail "only $((free_kb / 1024)) MB free on the disk of $root, $((needed_kb / 1024)) MB are needed: free some space"
    fi
}

build() {
    (umask 066 && mkdir -p "$root/.local/logs")
    version=$("$python" -c 'import sys; print(sys.version.split()[0])')
    printf 'setting up %s with Python %s, one to three minutes …\n' "$name" "$version" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv" >"$log" 2>&1 || fail "$python could not create $name: $(tail -n 1 "$log") (log: $log)"
    # The locks are complete: nothing is resolved here. (Older pips can't tell that name[extra] is name, by hashes.)
    set --
    for lock in $locks; do set -- "$@" --requirement "$root/$lock"; done
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps \
        --require-hashes "$@" >>"$log" 2>&1 ||
        fail "pip could not install the locks: $(grep -i error "$log" | tail -n 1) (log: $log)"
    stamp_for "$venv/bin/python" >"$stamp"
}

if [ -f "$stamp" ] && [ -x "$venv/bin/python" ]; then
    have=$(cat "$stamp")
    if [ "$have" = "$(stamp_for "$venv/bin/python")" ]; then
        # PYTHON= asks for another version than the one at hand: build again.
        if [ -z "${PYTHON:-}" ] || [ "$have" = "$(stamp_for "$PYTHON")" ]; then
            exit 0
        fi
    fi
fi
find_python
require_disk
build
