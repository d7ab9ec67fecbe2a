#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what Millrace needs and is missing on Debian 12. Does nothing, and needs no network, when
# all of it is there.
#   tools/install.sh build   what ./quickstart needs
#   tools/install.sh test    what ./check needs besides
#   tools/install.sh long    what ./check --long needs besides: a compiler and an emulator for arm64
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() { echo "install: $*" >&2; exit 1; }

build=(build-essential cmake ninja-build ccache mold git ca-certificates python3 procps
    libboost1.81-dev libssl-dev libsecp256k1-dev libsodium-dev libgmp-dev libsqlite3-dev
    libseccomp-dev libfmt-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev
    libjemalloc-dev libpng-dev librocksdb-dev pkg-config
    clang-19 lld-19 wasi-libc libc++-19-dev-wasm32 libc++abi-19-dev-wasm32
    libclang-rt-19-dev-wasm32 llvm-19-dev)
# tcl joins SQLite's source files to one (tools/sources.sh).
test_packages=(libgtest-dev libgmock-dev clang-tidy-19
    clang-format-14 libclang-rt-19-dev zstd wabt shellcheck tcl)
long_packages=(g++-aarch64-linux-gnu qemu-user)

case "${1:-build}" in
    build) wanted=("${build[@]}") ;;
    test) wanted=("${build[@]}" "${test_packages[@]}") ;;
    long) wanted=("${build[@]}" "${test_packages[@]}" "${long_packages[@]}") ;;
    *) die "unknown set '$1'; use 'build', 'test' or 'long'" ;;
esac
# Node.js runs the development chain and the contract compiler. An existing one is kept.
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || wanted+=(nodejs npm)

missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            die "missing packages: ${missing[*]}; run this as root, or install sudo"
        as_root=(sudo)
    fi
    echo "install: ${#missing[@]} Debian packages: ${missing[*]}"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y \
            --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "apt-get could not install the packages above; is the network up, and is this Debian 12?"
    fi
fi
contracts/install.sh
if [ "${1:-build}" != build ] && ! tools/sources.sh; then
    echo "install: going on without; the examples sqlite, lua and bzip2 and two kernels of the bench are left out"
fi
