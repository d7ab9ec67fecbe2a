#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Measures again and renews the tables of docs/benchmarks.md. On a quiet machine: about two minutes.
#   tools/update_benchmarks.sh [--only wasm|render|task|node] [FOLDER]     of the build; default build/release
set -eu
cd "$(dirname "$0")/.."
tables="wasm render task node"
if [ "${1:-}" = --only ]; then
    tables=$2
    shift 2
fi
build=${1:-build/release}
page=docs/benchmarks.md
table=$(mktemp)
trap 'rm -f "$table" "$page.new"' EXIT
machine="$(date -u +%Y-%m-%d), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores."

for name in $tables; do
    flags=
    case $name in wasm | node) flags=--markdown ;; esac
    # shellcheck disable=SC2086
    {
        echo
        "$build/bin/millrace-bench" "$name" $flags
        printf '\n%s\n\n' "$machine"
    } >"$table"
    # Everything between the two marks gives way to the new table.
    sed -e "/<!-- $name -->/r $table" -e "/<!-- $name -->/,/<!-- \/$name -->/{/<!--/!d}" "$page" >"$page.new"
    mv "$page.new" "$page"
done
