#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Installs the pinned npm packages into contracts/node_modules. Does nothing, and needs no network, when
# the packages there are those of package-lock.json (node_modules/.millrace-stamp holds its hash).
set -eu
cd "$(dirname "$0")"
stamp=node_modules/.millrace-stamp
want=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi
command -v npm >/dev/null || {
    echo "error: npm is not installed; install nodejs 18 or newer with npm" >&2
    exit 1
}
# No install scripts: solc, ethers and the rest are plain JavaScript, anvil comes as a package per
# platform, and what hardhat would compile has a JavaScript twin.
# anvil is a program for x86-64; elsewhere the development chain is hardhat's (contracts/test/run.sh hardhat).
force=
[ "$(uname -m)" = x86_64 ] || force=--force
# shellcheck disable=SC2086  # empty, or one word
npm ci $force --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error || {
    echo "error: npm ci failed in contracts/; check the npm registry settings and the network" >&2
    exit 1
}
printf '%s\n' "$want" >"$stamp"
