#!/bin/sh
# setup.sh - brings what the build needs and this machine lacks
#
# Use:      tools/setup.sh build|test [OUT]
#             build  the compiler and the sources: enough for `make run`
#             test   that, and what `make test` needs: cmocka, clang, Postfix, Dovecot, linters
#           OUT is a makefile fragment, rewritten only when a source changed.
# Job:      Debian packages that are missing; the sources of mbedTLS 3.6, lwIP 2.2 and inih as
#           Debian source packages, signatures checked by apt, unpacked into build/src/.
# Not here: which mirror serves Debian 13 (tools/apt_sources.py), compiling (Makefile).
# Takes:    MBEDTLS_DIR, LWIP_DIR, INIH_DIR, UTHASH_DIR: trees to use in place of a download.
#
# A second run fetches nothing. A run that was interrupted is mended by the next.
set -eu
cd "$(dirname "$0")/.."

BUILD=build
SRC=$BUILD/src
APT=$BUILD/apt
LOG=$BUILD/setup.log
MBEDTLS_DIR=${MBEDTLS_DIR:-$SRC/mbedtls}
LWIP_DIR=${LWIP_DIR:-$SRC/lwip}
INIH_DIR=${INIH_DIR:-$SRC/inih}
UTHASH_DIR=${UTHASH_DIR:-}

BUILD_PACKAGES="gcc libc6-dev make binutils dpkg-dev patch xz-utils bzip2 ca-certificates
                debian-archive-keyring python3 openssl libjsmn-dev"
TEST_PACKAGES="libcmocka-dev clang libclang-rt-14-dev postfix dovecot-core strace mount procps
               clang-tidy clang-format cppcheck swaks libnet-ssleay-perl libauthen-sasl-perl
               msmtp curl python3-dkim libsasl2-modules libssl-dev unbound ldnsutils"
# The first keyring of Debian 12 that knows Debian 13's keys.
KEYRING_VERSION=2023.3+deb12u2

say() { printf 'set-up: %s\n' "$*" >&2; }

die() {
    printf 'set-up: error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '        %s\n' "$line" >&2; done
    exit 1
}

# Run a command, keep its output in the log, show the end of it when it fails.
logged() {
    printf '$ %s\n' "$*" >>"$LOG"
    "$@" >>"$LOG" 2>&1 </dev/null && return 0
    tail -n 15 "$LOG" >&2
    return 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# ---- packages ----

installed_version() { dpkg-query -W -f='${db:Status-Status} ${Version}' "$1" 2>/dev/null |
    sed -n 's/^installed //p'; }

# Those of "$@" that are not installed (or, for the keyring, too old).
missing_packages() {
    for package in "$@"; do
        version=$(installed_version "$package")
        if [ -z "$version" ]; then
            echo "$package"
        elif [ "$package" = debian-archive-keyring ] &&
            dpkg --compare-versions "$version" lt "$KEYRING_VERSION"; then
            echo "$package"
        fi
    done
}

# Services of packages that are about to be installed must not start: neither now
# (policy-rc.d, unless the machine has one) nor at the next boot.
POLICY=/usr/sbin/policy-rc.d
policy_is_ours=no

hold_services() {
    [ -e "$POLICY" ] && return 0
    policy_is_ours=yes
    trap release_services EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\n# written for one installation by pinpost set-up\nexit 101\n' |
        as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}

release_services() {
    [ "$policy_is_ours" = no ] || as_root rm -f "$POLICY"
    policy_is_ours=no
}

disable_new_services() {
    for service in postfix dovecot; do
        case " $* " in
        *" $service "* | *" $service-core "*)
            as_root update-rc.d "$service" disable >>"$LOG" 2>&1 || true ;;
        esac
    done
}

install_packages() {
    missing=$(missing_packages "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
        die "packages are missing, and this is neither root nor has it sudo" \
            "as root: apt-get install --no-install-recommends $missing"
    say "installing $missing"
    logged as_root apt-get -q update ||
        die "apt-get update failed (see above)" "is there a network, and a Debian mirror in /etc/apt?"
    case " $missing " in
    *" postfix "*) echo 'postfix postfix/main_mailer_type select No configuration' |
        as_root debconf-set-selections ;;
    esac
    hold_services
    # shellcheck disable=SC2086 # a list of words
    logged as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        --no-remove -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install $missing ||
        die "apt-get install failed (see above): $missing" \
            "a package that would replace one of this machine's (another mail server) is refused"
    release_services
    disable_new_services "$missing"
    [ -z "$(missing_packages "$@")" ] ||
        die "still missing or too old: $(missing_packages "$@" | tr '\n' ' ')"
}

packages() {
    command -v dpkg-query >/dev/null || {
        say "not a Debian machine: packages are not looked after here"
        return 0
    }
    wanted=$BUILD_PACKAGES
    [ "$1" = build ] || wanted="$wanted $TEST_PACKAGES"
    [ -n "$UTHASH_DIR" ] || wanted="$wanted uthash-dev"
    # shellcheck disable=SC2086 # a list of words
    install_packages $wanted
}

# ---- sources ----

private_apt_is_ready=no

# An apt of our own in build/apt, with this machine's mirror, proxies and keys.
private_apt() {
    [ "$private_apt_is_ready" = no ] || return 0
    root=$(pwd)/$APT
    mkdir -p "$APT/etc" "$APT/state/lists/partial" "$APT/cache/archives/partial"
    cat >"$APT/apt.conf" <<CONF
Dir::Etc::sourcelist "$root/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$root/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$root/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "$(id -un)";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
CONF
    python3 tools/apt_sources.py trixie >"$APT/etc/sources.list.new" || exit 1
    mv "$APT/etc/sources.list.new" "$APT/etc/sources.list"
    say "reading Debian 13's list of sources ($(sed -n 's/.* \(http[^ ]*\) .*/\1/p' \
        "$APT/etc/sources.list" | head -n 1))"
    logged apt-get -q -c "$APT/apt.conf" --error-on=any update ||
        die "the list of Debian 13's sources could not be read (see above)" \
            "an unknown key: apt-get install debian-archive-keyring ($KEYRING_VERSION or newer)" \
            "no network: give MBEDTLS_DIR=, LWIP_DIR= and INIH_DIR= (see the README)"
    private_apt_is_ready=yes
}

# newest_source PACKAGE PATTERN: the highest version that matches, or nothing.
newest_source() {
    best=
    for version in $(apt-cache -c "$APT/apt.conf" showsrc --only-source "$1" 2>/dev/null |
        sed -n 's/^Version: //p'); do
        # shellcheck disable=SC2254 # the pattern is meant as one
        case ${version#*:} in $2) ;; *) continue ;; esac
        if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
    done
    echo "$best"
}

# mend NAME TREE: our patches for faults that a release has; one that mended them needs none.
mend() {
    for change in tools/patches/"$1"-*.patch; do
        [ -f "$change" ] || continue
        if patch -d "$2" -p1 -f --dry-run <"$change" >>"$LOG" 2>&1; then
            logged patch -d "$2" -p1 -f -i "$(pwd)/$change" || die "$change could not be applied"
            say "mended by $change"
        else
            say "$change does not fit this release: taken as mended there"
        fi
    done
}

# fetch_source NAME PACKAGE PATTERN: unpack the newest into build/src/NAME, all or nothing.
fetch_source() {
    [ ! -d "$SRC/$1" ] || return 0
    private_apt
    version=$(newest_source "$2" "$3")
    [ -n "$version" ] || die "no source package $2 of the branch $3 in Debian 13's lists" \
        "another branch is not used unseen: give a tree of it by hand (see make help)"
    say "fetching $2 $version"
    work=$SRC/.fetch-$1
    rm -rf "$work"
    mkdir -p "$work"
    (cd "$work" && LOG=../../../$LOG && logged apt-get -q -c "../../../$APT/apt.conf" source \
        --download-only --only-source "$2=$version") || die "$2 $version could not be fetched (see above)"
    logged dpkg-source -x "$work"/*.dsc "$work/tree" || die "$2 $version could not be unpacked"
    mend "$1" "$work/tree"
    printf '%s %s (Debian source package %s, signature checked by apt)\n' "$1" "$version" "$2" \
        >"$work/tree/.pinpost-version"
    mv "$work/tree" "$SRC/$1"
    rm -rf "$work"
}

# check_tree NAME DIR FILE WHAT: a tree of the user's must look like one.
check_tree() {
    [ -f "$2/$3" ] || die "$1=$2 is not a source tree of $4: there is no $3 in it"
}

mbedtls_version() {
    sed -n 's/^#define MBEDTLS_VERSION_STRING  *"\(.*\)"/\1/p' \
        "$1/include/mbedtls/build_info.h"
}

check_trees() {
    check_tree MBEDTLS_DIR "$MBEDTLS_DIR" include/mbedtls/build_info.h "mbedTLS 3.6"
    version=$(mbedtls_version "$MBEDTLS_DIR")
    case $version in
    3.6.*) ;;
    *) die "MBEDTLS_DIR=$MBEDTLS_DIR holds mbedTLS $version; pinpost is built with 3.6.x" ;;
    esac
    [ -f "$MBEDTLS_DIR/library/ssl_tls.c" ] || die "MBEDTLS_DIR=$MBEDTLS_DIR has no library/ssl_tls.c:" \
        "the sources are needed, not only an installed library's headers"
    check_tree LWIP_DIR "$LWIP_DIR" src/include/lwip/init.h "lwIP 2.2"
    version=$(sed -n 's/^#define LWIP_VERSION_M[AI][JN]OR  *\([0-9]*\).*/\1/p' \
        "$LWIP_DIR/src/include/lwip/init.h" | tr '\n' .)
    [ "$version" = 2.2. ] || die "LWIP_DIR=$LWIP_DIR does not hold lwIP 2.2.x"
    check_tree INIH_DIR "$INIH_DIR" ini.c inih
    [ -z "$UTHASH_DIR" ] || [ -f "$UTHASH_DIR/uthash.h" ] || [ -f "$UTHASH_DIR/src/uthash.h" ] ||
        [ -f "$UTHASH_DIR/include/uthash.h" ] ||
        die "UTHASH_DIR=$UTHASH_DIR holds no uthash.h, src/uthash.h or include/uthash.h"
}

sources() {
    mkdir -p "$SRC"
    [ "$MBEDTLS_DIR" != "$SRC/mbedtls" ] || fetch_source mbedtls mbedtls '3.6.*'
    [ "$LWIP_DIR" != "$SRC/lwip" ] || fetch_source lwip lwip '2.2.*'
    [ "$INIH_DIR" != "$SRC/inih" ] || fetch_source inih libinih '5[3-9]*'
    check_trees
}

# ---- what is in use, for people and for make ----

version_line() {
    if [ -f "$2/.pinpost-version" ]; then cat "$2/.pinpost-version"; else echo "$1 from $2"; fi
}

versions() {
    version_line mbedtls "$MBEDTLS_DIR"
    version_line lwip "$LWIP_DIR"
    version_line inih "$INIH_DIR"
    if [ -n "$UTHASH_DIR" ]; then
        echo "uthash from $UTHASH_DIR"
    else
        echo "uthash $(installed_version uthash-dev) (Debian package uthash-dev)"
    fi
}

# write_if_changed FILE: from standard input; an unchanged file keeps its date.
write_if_changed() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then rm -f "$1.new"; else mv "$1.new" "$1"; fi
}

main() {
    case ${1:-} in
    build | test) ;;
    *) die "use: tools/setup.sh build|test [OUT]" ;;
    esac
    mkdir -p "$BUILD"
    # Two makes at once: the second waits and finds everything done.
    exec 9>"$BUILD/.setup.lock"
    flock -w 1800 9 || die "another set-up has been running for half an hour"
    packages "$1"
    sources
    versions | write_if_changed "$SRC/VERSIONS"
    [ -z "${2:-}" ] || sed 's/^/# /' "$SRC/VERSIONS" | write_if_changed "$2"
}

main "$@"
