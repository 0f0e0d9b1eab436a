#!/bin/bash
# Writes tools/requirements/python-3.11.txt and -3.13.txt: every package with its version and hashes,
# resolved for the Python of Debian 12 and that of Debian 13. Names no index: pip uses its own.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
written=0
for version in 3.11 3.13; do
    # A launcher of pyenv is there for every version, and fails for those it has not.
    python=$(command -v "python$version" || true)
    if [ -z "$python" ] || ! "$python" -c '' 2>/dev/null; then
        echo "lock: no Python $version here, its file stays as it is (name it on PATH to renew it)"
        continue
    fi
    echo "lock: Python $version"
    "$python" -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet 'pip-tools>=7.4'
    CUSTOM_COMPILE_COMMAND="make lock" "$work/$version/bin/pip-compile" --quiet \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --generate-hashes --allow-unsafe --strip-extras --no-annotate "$@" \
        --extra firmware --extra server --extra bench --extra dev \
        --output-file "tools/requirements/python-$version.txt" pyproject.toml 2>"$work/log" \
        || { cat "$work/log" >&2; exit 1; }
    written=$((written + 1))
done
[ "$written" -gt 0 ]
