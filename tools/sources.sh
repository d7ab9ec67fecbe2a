#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Fetches the Debian source packages of the programs in examples/ and in `millrace-bench wasm` into
# examples/sources/ (git ignores it): SQLite, Lua, bzip2. Does nothing, and needs no network, when they are there.
# Needs no root: it reads the package lists of this machine's own Debian mirrors into a folder of its own, and
# apt checks their signatures as always. Status 1 and one line where they cannot be had; what needs them is then
# left out of the build.
#   tools/sources.sh [--fresh]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
to=$PWD/examples/sources
packages=(sqlite3 lua5.4 bzip2)

die() { echo "sources: $*" >&2; exit 1; }

[ "${1:-}" = --fresh ] && rm -rf "$to"
missing=()
for package in "${packages[@]}"; do
    [ -f "$to/$package/.complete" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
for program in apt-get dpkg-source cc make; do
    command -v "$program" >/dev/null || die "$program is missing; run tools/install.sh build on Debian 12"
done

mkdir -p "$to"
work=$(mktemp -d "$to/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
# apt gives up root while it downloads.
chmod 755 "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"

# Where binary packages of section main come from, their sources do too.
apt-get indextargets --format '$(CREATED_BY) $(SIGNED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
    sed -n 's/^Packages \(.*\) main$/\1/p' | sort -u |
    while read -r key site release; do
        case "$key" in
            /*) echo "deb-src [signed-by=$key] $site $release main" ;;
            *) echo "deb-src $site $release main" ;;
        esac
    done >"$work/sources.list"
[ -s "$work/sources.list" ] || die "this machine's apt names no Debian mirror"
options=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
log=$work/log
if ! (cd "$work" && apt-get "${options[@]}" update && apt-get "${options[@]}" source "${missing[@]}") \
    >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    die "the Debian sources of ${missing[*]} could not be fetched; is the network up?"
fi

# take PACKAGE FILE...: what is needed of one package, with its version.
take() {
    local package=$1 new=$work/new-$1
    shift
    mkdir -p "$new"
    cp "$@" "$new/"
    sed -n 's/^Version: //p' "$work/${package}"_*.dsc | head -n 1 >"$new/VERSION"
    touch "$new/.complete"
    rm -rf "${to:?}/$package"
    mv "$new" "$to/$package"
    echo "sources: $package $(cat "$to/$package/VERSION")"
}

for package in "${missing[@]}"; do
    folders=("$work/$package"-*/)
    folder=${folders[0]%/}
    case "$package" in
        sqlite3)
            # SQLite's own makefile joins its files to one; that needs Tcl.
            command -v tclsh >/dev/null || die "tclsh is missing (package tcl); run tools/install.sh build"
            mkdir "$work/one"
            if ! make -C "$work/one" -f "$folder/Makefile.linux-gcc" TOP="$folder" BCC=cc TCC=cc sqlite3.c \
                >"$log" 2>&1; then
                tail -n 5 "$log" >&2
                die "sqlite3.c could not be made of SQLite's source files"
            fi
            take sqlite3 "$work/one/"sqlite3{.c,.h,ext.h} "$folder/ext/misc/csv.c"
            ;;
        lua5.4) take lua5.4 "$folder/src/"*.[ch] ;;
        bzip2) take bzip2 "$folder/"*.[ch] ;;
    esac
done
