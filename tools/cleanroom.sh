#!/bin/sh
# cleanroom.sh - proves `make run` and `make test` in a Debian 12 that has nothing but git and make
#
# Use:      tools/cleanroom.sh [GOAL...]     (default: run test)
# Job:      debootstraps a root under build/cleanroom from this machine's own mirror, clones HEAD
#           into it, runs each goal there in name spaces of its own, and removes the root again.
# Not here: what set-up does (setup.sh). What is not committed is not tested.
# Needs:    root, a network, about 3 GB of disk. CLEANROOM_SECONDS bounds each goal.
set -eu
cd "$(dirname "$0")/.."

ROOM=$(pwd)/build/cleanroom
ROOT=$ROOM/root
LIMIT=${CLEANROOM_SECONDS:-5400}

say() { printf 'cleanroom: %s\n' "$*"; }
die() { printf 'cleanroom: error: %s\n' "$*" >&2; exit 1; }

# Mounts live in the name space of a goal, so nothing can be mounted below ROOT here.
remove_room() {
    if grep -q " $ROOT/" /proc/self/mounts; then die "something is mounted below $ROOT"; fi
    rm -rf --one-file-system "$ROOM"
}

check() {
    [ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap and chroot"
    command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install debootstrap"
    git rev-parse -q --verify HEAD >/dev/null || die "nothing is committed yet"
    [ -z "$(git status --porcelain)" ] || say "note: what is not committed is left out"
}

# The machine's own mirrors as they serve Debian 12, as deb lines.
mirrors() { python3 tools/apt_sources.py bookworm | sed 's/^deb-src /deb /'; }

make_root() {
    uri=$(mirrors | sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) bookworm main$/\2/p')
    include=git,make
    case $uri in https:*) include=$include,ca-certificates ;; esac
    say "debootstrap from $uri"
    mkdir -p "$ROOM"
    debootstrap --variant=minbase --include="$include" bookworm "$ROOT" "$uri" \
        >"$ROOM/debootstrap.log" 2>&1 || { tail -n 20 "$ROOM/debootstrap.log" >&2; die "debootstrap failed"; }
}

# What the machine knows about its network and its mirror, and nothing else of it.
furnish() {
    mirrors >"$ROOT/etc/apt/sources.list"
    mirrors | sed -n 's/^deb \[signed-by=\([^]]*\)\].*/\1/p' | tr ',' '\n' | sort -u |
        while read -r key; do
            [ -e "$ROOT$key" ] || install -D -m 644 "$key" "$ROOT$key"
        done
    apt-config dump Acquire 2>/dev/null | grep -E '^Acquire::(https?::Proxy|Check-|http::No)' \
        >"$ROOT/etc/apt/apt.conf.d/99machine" || true
    cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
    git clone -q --no-local --depth 1 "file://$(pwd)" "$ROOT/root/pinpost"
}

# in_room COMMAND: in mount and process name spaces that end, with all in them, with it.
in_room() {
    timeout --kill-after=30 "$LIMIT" unshare --mount --pid --fork --kill-child sh -eu -c '
        mount --make-rprivate /
        mount -t proc proc "$1/proc"
        mkdir -p "$1/dev/shm"
        mount -t tmpfs tmpfs "$1/dev/shm"
        mkdir -p "$1/dev/pts"
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
        ln -sf pts/ptmx "$1/dev/ptmx"
        exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
            sh -c "$2"
    ' room "$ROOT" "cd /root/pinpost && $1"
}

main() {
    check
    remove_room
    trap remove_room EXIT
    trap 'exit 130' HUP INT TERM
    make_root
    furnish
    for goal in "$@"; do
        began=$(date +%s)
        say "make $goal"
        in_room "make $goal" || die "make $goal failed"
        say "make $goal passed in $(($(date +%s) - began)) s"
    done
    say "all passed"
}

if [ $# -eq 0 ]; then set -- run test; fi
main "$@"
