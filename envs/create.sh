#!/bin/sh
# Makes the virtual environment VENV from LOCK, a requirements file with hashes, with this project
# installed editable in it. Does nothing when VENV is already that environment.
#
#     envs/create.sh LOCK VENV
#
# PYTHON names the interpreter to make it with; without it, the first that fits of python3.13,
# python3.12, python3.11 and python3 is taken.
set -eu

needed="Python 3.11, 3.12 or 3.13"

fail() {
    echo "envs/create.sh: $*" >&2
    exit 1
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi |
        cut -d ' ' -f 1
}

# Sets $python. An interpreter that lacks the venv module is passed over for one that has it.
find_python() {
    found=
    without_venv=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.13 python3.12 python3.11 python3
    fi
    for candidate; do
        version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) ||
            continue
        case $version in
        3.11.* | 3.12.* | 3.13.*)
            if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                python=$candidate
                return
            fi
            without_venv="$candidate ($version)"
            ;;
        *) found="$candidate is $version" ;;
        esac
    done
    [ -z "$without_venv" ] ||
        fail "$without_venv lacks the venv module: install it (Debian and Ubuntu: apt install python3-venv)"
    [ -z "$found" ] || fail "$needed is needed, but $found: install one, or name it with PYTHON=..."
    [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON does not run: name $needed"
    fail "$needed is needed, and none was found: install one, or name it with PYTHON=..."
}

# Only one process at a time may make an environment. A lock whose process is gone is void.
take_turn() {
    until ln -s "$$" "$turn" 2>/dev/null; do
        holder=$(readlink "$turn") || {
            [ -w "$(dirname "$turn")" ] || fail "$(dirname "$turn") cannot be written to"
            sleep 1
            continue
        }
        if kill -0 "$holder" 2>/dev/null; then
            [ -n "${waiting:-}" ] || echo "Waiting for process $holder, which is making $venv (if it is not: remove $turn)"
            waiting=yes
            sleep 1
        else
            rm -f "$turn"
        fi
    done
    trap 'rm -f "$turn"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
}

# Renamed first, so that a removal that is interrupted leaves nothing under the name.
remove_environment() {
    rm -rf "$venv.removed"
    rmdir "$venv" 2>/dev/null || :
    [ -e "$venv" ] || return 0
    [ -f "$venv/pyvenv.cfg" ] || fail "$venv is there and is no virtual environment: remove it"
    echo "Removing $venv: it is unfinished, was moved or was made from another lock"
    mv "$venv" "$venv.removed"
    rm -rf "$venv.removed"
}

# pip compiles on one core what it installs: a third of its time.
pip_install() {
    echo "+ pip install $*" >>"$log"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile "$@" \
        >>"$log" 2>&1
}

# Some packages bring files that no Python compiles, such as templates.
compile_packages() {
    "$venv/bin/python" -m compileall -q -j 0 "$venv"/lib/python3*/site-packages >>"$log" 2>&1 || :
}

give_up() {
    tail -n 20 "$log" >&2
    fail "$1: the lines above end $log"
}

# Packages without a wheel are built with the lock's own setuptools, so nothing comes in without a
# hash.
install_lock() {
    sed -n '/^setuptools==/,/[^\]$/p' "$lock" >"$venv/setuptools.txt"
    pip_install --require-hashes -r "$venv/setuptools.txt" &&
        pip_install --require-hashes --no-build-isolation -r "$lock"
}

install_project() {
    pip_install --no-deps --no-build-isolation -e .
}

# The stamp says what a finished environment was made from. The path is part of it because the
# scripts of a virtual environment hold it: a moved environment does not run.
stamp_lock() {
    echo "lock $(sha256 "$lock") $venv"
}

stamp_project() {
    echo "project $(sha256 pyproject.toml)"
}

holds() {
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && grep -qxF "$1" "$stamp"
}

[ $# -eq 2 ] || fail "usage: envs/create.sh LOCK VENV"
[ -f "$1" ] || fail "no lock file $1"
lock=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$(dirname "$2")"
venv=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
cd "$(dirname "$0")/.."
stamp=$venv/created-from
log=$venv.log
turn=$venv.turn

if holds "$(stamp_lock)" && holds "$(stamp_project)"; then
    exit 0
fi

# Packages and settings of the caller's own must not be taken for the environment's.
unset PYTHONPATH PYTHONHOME
PIP_USER=0
export PIP_USER

take_turn
if holds "$(stamp_lock)" && holds "$(stamp_project)"; then
    exit 0
fi
: >"$log"
if ! holds "$(stamp_lock)"; then
    find_python
    case $lock in
    *gpu.lock) size="7 GB" ;;
    *) size="2.8 GB" ;;
    esac
    remove_environment
    echo "Making $venv from $(basename "$lock") with $python ($version): a few minutes, $size"
    "$python" -m venv "$venv" >>"$log" 2>&1 || give_up "$python -m venv failed"
    install_lock || {
        echo "Installing failed; trying once more"
        install_lock
    } || give_up "cannot install $lock"
    compile_packages
fi
install_project || give_up "cannot install the project"
{
    stamp_lock
    stamp_project
} >"$stamp.new"
mv "$stamp.new" "$stamp"
echo "$venv is ready"
