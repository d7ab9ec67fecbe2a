#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes the table of JSON-RPC methods in docs/rpc.md anew, from the program.
#   tools/update_rpc_table.sh [BUILD]           default build/release
#   tools/update_rpc_table.sh --check [BUILD]   fails when the table is out of date
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=0
if [ "${1:-}" = --check ]; then check=1; shift; fi
program=${1:-build/release}/bin/millrace
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
{
    sed '/<!-- methods -->/q' docs/rpc.md
    "$program" node methods
    sed -n '/<!-- end of methods -->/,$p' docs/rpc.md
} >"$fresh"
if [ "$check" = 1 ]; then
    diff -u docs/rpc.md "$fresh" || {
        echo "docs/rpc.md is out of date; run tools/update_rpc_table.sh" >&2
        exit 1
    }
else
    cat "$fresh" >docs/rpc.md
fi
