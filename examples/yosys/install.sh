#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Installs the pinned npm package (31 MB of WebAssembly) and unpacks its cell libraries into examples/yosys/share/.
# Does nothing, and needs no network, when both are there.
set -eu
cd "$(dirname "$0")"
stamp=node_modules/.millrace-stamp
want=$(cat package.json package-lock.json extract.mjs | sha256sum | cut -d' ' -f1)
[ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ] || exit 0
command -v npm >/dev/null || {
    echo "error: npm is not installed; install nodejs 18 or newer with npm" >&2
    exit 1
}
npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error || {
    echo "error: npm ci failed in examples/yosys/; check the npm registry settings and the network" >&2
    exit 1
}
rm -rf share
node extract.mjs share
printf '%s\n' "$want" >"$stamp"
