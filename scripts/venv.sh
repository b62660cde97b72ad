#!/usr/bin/env bash
# Install the package with some of its extras into a virtual environment, made if need be.
# usage: scripts/venv.sh INTERPRETER ENVIRONMENT EXTRA[,EXTRA...]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 venv=$2 extras=$3

runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# pyenv keeps interpreters off PATH until they are selected.
if ! runs "$python"; then
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/"$python"; do
        if runs "$candidate"; then python=$candidate; fi
    done
fi
if ! runs "$python"; then
    echo "$python is not a Python of version 3.11 or later: install one, or name it:" \
        "PYTHON=/path/to/python make ..." >&2
    exit 1
fi
if ! runs "$venv/bin/python"; then
    if ! "$python" -m venv --clear "$venv"; then
        echo "$python cannot make virtual environments: apt-get install python3-venv" >&2
        exit 1
    fi
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --editable ".[$extras]"
touch "$venv/.ready-${extras##*,}"
