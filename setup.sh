#!/bin/sh
# Makes this checkout runnable: system OpenGL, a virtual environment in .venv, locked packages.
# Run through `make setup`; does nothing when everything is already in place.
set -eu
cd "$(dirname "$0")"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "python3 is not installed."
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "Python 3.11, 3.12 or 3.13 is needed, this is $("$python" -V). Name another with: make setup PYTHON=python3.12"

need=""
has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || [ -n "$(find /usr/lib /usr/lib64 /lib -name "$1*" 2>/dev/null | head -n 1)" ]; }
has_library libEGL.so.1 || need="$need libegl1"
has_library libGL.so.1 || need="$need libgl1"
[ -n "$(find /usr/lib /usr/lib64 -name 'swrast_dri.so' -o -name 'libgallium*.so' 2>/dev/null | head -n 1)" ] || need="$need libgl1-mesa-dri"
if [ ! -x .venv/bin/python ] && ! command -v uv >/dev/null; then
    "$python" -c 'import ensurepip' 2>/dev/null || need="$need python3-venv"
fi
if [ -n "$need" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing system packages:$need"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need >/dev/null
    else
        fail "system packages are missing. Copy this line, then run make again:  sudo apt-get install -y$need"
    fi
fi

stamp=$(cat requirements.lock pyproject.toml setup.sh | cksum)
if [ -x .venv/bin/python ] && [ "$(cat .venv/.packshot-ready 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

# The path tracer compiles with LLVM 17 or newer. Without it light on the product is the rasteriser's.
has_llvm() { ldconfig -p 2>/dev/null | grep -Eq 'libLLVM(-|\.so\.)(1[7-9]|[2-9][0-9])'; }
if ! has_llvm && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    for version in 21 20 19 18 17; do
        if apt-cache show "libllvm$version" >/dev/null 2>&1; then
            say "installing system packages: libllvm$version"
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "libllvm$version" >/dev/null
            break
        fi
    done
fi
has_llvm || say "no LLVM 17 or newer: pictures will lack path-traced light. To have it: sudo apt-get install libllvm19"

uv=$(command -v uv || true)
if [ ! -x .venv/bin/python ]; then
    say "creating .venv ($("$python" -V))"
    if [ -n "$uv" ]; then "$uv" venv -q --python "$(command -v "$python")" .venv; else "$python" -m venv .venv; fi
fi
if [ -z "$uv" ]; then
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --clear .venv  # left by an interrupted set-up, or made by a uv that is gone
    fi
    say "installing uv into .venv"
    .venv/bin/python -m pip install -q --disable-pip-version-check uv
    uv=.venv/bin/uv
fi
say "installing $(grep -c '==' requirements.lock) locked packages (several GB the first time: torch)"
"$uv" pip install -q --python .venv/bin/python --require-hashes -r requirements.lock
"$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
printf '%s' "$stamp" > .venv/.packshot-ready
say "ready"
