#!/usr/bin/env bash
# Install packages of npm, with what they need and without running their scripts, into a folder.
# usage: scripts/npm.sh FOLDER PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
shift

command -v npm >/dev/null || { echo "npm is needed: apt-get install npm" >&2; exit 1; }
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --loglevel=error "$@" >&2
touch "$folder/.ready"
