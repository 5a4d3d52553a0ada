#!/bin/sh
# Makes every lock and conda environment in envs/ from pyproject.toml.
#
#     envs/lock.sh [--upgrade]
#
# Pins that still fit are kept; --upgrade takes the newest releases instead. Needs Python >= 3.11
# ($PYTHON, or python3) to install uv, which does the work, in a folder that is removed at the end.
set -eu

uv_version=0.13.9
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT HUP TERM

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version"

# Linux and macOS and every supported Python get the same versions.
compile() {
    "$work/venv/bin/uv" pip compile "$@" --universal --python-version 3.11 \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet >/dev/null
}

header='# Made by `make lock` from pyproject.toml: change that, not this.'

# All groups are solved at once; each lock is a part of that solution.
cat envs/*.lock >"$work/all.txt" 2>/dev/null || :
compile pyproject.toml --all-extras "$@" --output-file "$work/all.txt"

make_lock() {
    lock=$1
    shift
    echo "envs/$lock.lock"
    compile pyproject.toml "$@" --constraints "$work/all.txt" --generate-hashes \
        --output-file "$work/$lock.lock"
    { echo "$header" && cat "$work/$lock.lock"; } >"$work/new"
    mv "$work/new" "envs/$lock.lock"
}

# What the rules run, without Snakemake, which starts their jobs from outside.
make_conda_environment() {
    echo "envs/$1.yaml"
    "$work/venv/bin/python" - "$2" >"$work/$1.in" <<'PYTHON'
import sys, tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*(d for d in project["dependencies"] if not d.startswith("snakemake")), sep="\n")
print(*project["optional-dependencies"].get(sys.argv[1], ()), sep="\n")
PYTHON
    compile "$work/$1.in" --constraints "$work/all.txt" --output-file "$work/$1.txt"
    cat >"$work/new" <<YAML
$header
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
$(grep == "$work/$1.txt" | sed 's/^/      - /')
YAML
    mv "$work/new" "envs/$1.yaml"
}

make_lock cpu
make_lock gpu --extra gpu
make_lock slurm --extra slurm
make_lock slurm-gpu --extra slurm --extra gpu
make_lock dev --extra dev
make_conda_environment cpu ""
make_conda_environment gpu gpu
