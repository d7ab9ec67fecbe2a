#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Measures again and renews the tables of docs/benchmarks.md. On a quiet machine: some minutes.
#   tools/update_benchmarks.sh [--only wasm|checkpoints|render|task|evm|node|block] [FOLDER]     of the build; default build/release
# The programs of `evm` are ipsilon/evm-benchmarks; EVM_BENCHMARKS names their folder.
set -eu
cd "$(dirname "$0")/.."
tables="wasm checkpoints render task evm node block"
if [ "${1:-}" = --only ]; then
    tables=$2
    shift 2
fi
build=${1:-build/release}
programs=${EVM_BENCHMARKS:-build/suites/evm/benchmarks/benchmarks}
page=docs/benchmarks.md
table=$(mktemp)
trap 'rm -f "$table" "$page.new"' EXIT
machine="$(date -u +%Y-%m-%d), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores."

for name in $tables; do
    if [ "$name" = evm ] && [ ! -d "$programs" ]; then
        echo "evm is left out: there is no $programs" >&2
        continue
    fi
    case $name in
        wasm | node) set -- --markdown ;;
        checkpoints) set -- --seconds 4 ;;
        evm) set -- "$programs" ;;
        *) set -- ;;
    esac
    {
        echo
        "$build/bin/millrace-bench" "$name" "$@"
        printf '\n%s\n\n' "$machine"
    } >"$table"
    # Everything between the two marks gives way to the new table.
    sed -e "/<!-- $name -->/r $table" -e "/<!-- $name -->/,/<!-- \/$name -->/{/<!--/!d}" "$page" >"$page.new"
    mv "$page.new" "$page"
done
