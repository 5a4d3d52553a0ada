#!/usr/bin/env bash
# Tests a report in headless Chromium, with a browser from Debian's packages and an environment of
# its own that is removed at the end.
#
#     tests/browser/run.sh REPORT [PYTEST ARGUMENTS]
set -euo pipefail

report=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
user=$(id -u)

install_debian() {
    if [ "$user" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "tests/browser: chromium and chromedriver are needed: install them" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver fonts-dejavu-core
}

command -v chromium >/dev/null && command -v chromedriver >/dev/null || install_debian >/dev/null

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
packages() { "$folder/venv/bin/python" -m pip install --disable-pip-version-check -q "$@"; }
grep -v '^#\|^axe' "$here/requirements.txt" >"$folder/rest.txt"
grep '^axe' "$here/requirements.txt" >"$folder/axe.txt"
packages -r "$folder/rest.txt"
# Without what it depends on: only its script is used.
packages --no-deps -r "$folder/axe.txt"

REPORT=$report "$folder/venv/bin/python" -m pytest -q -p no:cacheprovider -c /dev/null \
    --rootdir "$here" "$here" "$@"
