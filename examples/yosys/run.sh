#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Synthesises the designs on a running network (`millrace up`), then with the npm package's own program on V8, and
# compares byte for byte. Flags go to `millrace run`; `run.sh --local` needs no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
millrace=${MILLRACE_BIN:-$root/build/release/bin/millrace}
out=$root/build/yosys-out
expected=$root/build/yosys-expected
if [ ! -x "$millrace" ]; then
    echo "error: $millrace is not there; build it first (./quickstart), or set MILLRACE_BIN" >&2
    exit 1
fi
"$here/install.sh"
rm -rf "$out" "$expected"
"$millrace" run --job "$here/job.toml" --out "$out" "$@"
mkdir -p "$expected"
for design in "$here"/designs/*.v; do
    name=$(basename "$design" .v)
    node "$here/native.mjs" "$name" >"$expected/$name.json"
done
node "$root/test/interop/compare_trees.mjs" "$expected" "$out"
