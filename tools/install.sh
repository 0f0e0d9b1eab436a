#!/bin/bash
# Makes everything ready on Debian 12 or 13: packages, .venv, the locked Python packages.
# Run it as often as you like: what is there is skipped. Needs root or sudo for the packages only.
set -euo pipefail
cd "$(dirname "$0")/.."

# The system's Python: one from elsewhere may lack parts, and the images have this one.
python=/usr/bin/python3
venv=.venv
stamp=$venv/roamdesk-stamp

say() { printf '[install] %s\n' "$*"; }
fail() { printf '[install] %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "packages must be installed by root: run this as root, or install sudo"
    fi
}

# For packages whose service is not to run here: the tests start the program in a namespace by
# themselves. Debian starts it when the package comes in, unless policy-rc.d forbids it
# (policy-rc.d(8)).
install_without_service() {
    local policy=/usr/sbin/policy-rc.d package
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT  # however this ends
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
        apt_install "$@"
        as_root rm -f "$policy"
        trap - EXIT
    else
        apt_install "$@"
    fi
    for package in "$@"; do
        as_root systemctl disable --quiet "$package" 2>/dev/null || true
    done
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# PulseAudio is for sessions, terminals and tests, PipeWire for tests; they start their own. A desktop
# that has PipeWire keeps it (pipewire-audio and pulseaudio exclude each other), and nobody gets a
# sound server at the next login that was not there before.
install_sound() {
    local package unit
    for package in "$@"; do
        if ! apt-get -s --no-remove install --no-install-recommends "$package" >/dev/null 2>&1; then
            say "    without $package: another package would have to go; what needs it has no sound here"
            continue
        fi
        apt_install "$package"
        for unit in "$package.service" "$package.socket"; do
            as_root systemctl --global --quiet disable "$unit" 2>/dev/null || true
        done
    done
}

install_packages() {
    local wanted missing=() quiet=() sound=() package
    command -v dpkg-query >/dev/null || fail "this is not Debian: install the packages of tools/packages.txt by hand, then say 'make install PACKAGES=no'"
    wanted=$(sed 's/#.*//' tools/packages.txt)
    for package in $wanted; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed \
            || case $package in
                pulseaudio | pipewire | wireplumber) sound+=("$package") ;;
                kea-dhcp4-server) quiet+=("$package") ;;
                *) missing+=("$package") ;;
            esac
    done
    if [ ${#missing[@]} -eq 0 ] && [ ${#quiet[@]} -eq 0 ] && [ ${#sound[@]} -eq 0 ]; then
        say "1/3 Debian packages: all are there"
        return
    fi
    say "1/3 Debian packages: installing ${missing[*]} ${quiet[*]} ${sound[*]}"
    as_root apt-get update -q
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
    [ ${#quiet[@]} -eq 0 ] || install_without_service "${quiet[@]}"
    [ ${#sound[@]} -eq 0 ] || install_sound "${sound[@]}"
}

make_venv() {
    [ -x "$python" ] || fail "$python is missing: install python3"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    lock=tools/requirements/python-$version.txt
    [ -f "$lock" ] || fail "there is no lock for Python $version; known: $(ls tools/requirements)"
    if [ "$($venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
        say "2/3 Python $version environment: is there"
        return
    fi
    say "2/3 Python $version environment: making $venv"
    "$python" -m venv --clear "$venv"
}

install_python_packages() {
    local state log
    # The path is part of it: a tree that was moved has an environment that points elsewhere.
    state=$({ cat "$lock" pyproject.toml; pwd; } | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
        say "3/3 Python packages: as locked"
        return
    fi
    say "3/3 Python packages: installing $(grep -c '^[a-z0-9]' "$lock") from $lock (some are compiled: 1 to 5 minutes)"
    # The lock is complete, so pip has nothing to resolve; asked to, Debian 12's pip finds that a newer
    # coverage would also do for coverage[toml], and stops because that one has no hash here.
    # pip says much; its progress is what a person needs, its errors go to the terminal as they are.
    "$venv/bin/pip" install --disable-pip-version-check --progress-bar off --no-deps --require-hashes -r "$lock" \
        | sed -u -n -E '/^ *(Collecting|Building|Installing)/p' \
        || fail "pip failed; its words are above"
    log=$(mktemp)
    "$venv/bin/pip" install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e . 2>"$log" \
        || { cat "$log" >&2; rm "$log"; fail "this tree could not be installed into $venv"; }
    rm "$log"
    printf '%s\n' "$state" >"$stamp"
}

[ "${PACKAGES:-yes}" = no ] || install_packages
make_venv
install_python_packages
say "ready: 'make demo' plays the story, 'make test' runs all tests"
