#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Minifies preact with esbuild on a running network (`millrace up`), runs the same module on the same files under
# node's WASI, and compares byte for byte. Flags go to `millrace run`; `run.sh --local` needs no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
millrace=${MILLRACE_BIN:-$root/build/release/bin/millrace}
out=$root/build/esbuild-out
expected=$root/build/esbuild-expected
if [ ! -x "$millrace" ]; then
    echo "error: $millrace is not there; build it first (./quickstart), or set MILLRACE_BIN" >&2
    exit 1
fi
"$root/contracts/install.sh"
rm -rf "$out" "$expected"
"$millrace" run --job "$here/job.toml" --out "$out" "$@"
node "$root/test/interop/esbuild_node.mjs" "$here/job.toml" "$expected"
node "$root/test/interop/compare_trees.mjs" "$expected" "$out"
