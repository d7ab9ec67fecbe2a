#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# All tests of the contracts: the committed artefacts are what the sources compile to, then the tests on
# each development chain in turn (all, or those named: run.sh anvil). Ends with node's summary; exits
# non-zero when anything failed.
set -eu
cd "$(dirname "$0")/.."
./install.sh
node compile.mjs --check
[ $# -gt 0 ] || set -- anvil hardhat
for chain in "$@"; do
    echo "== $chain"
    node test/support/chain.mjs "$chain" node --test --test-concurrency=1 test/*.test.mjs
done
