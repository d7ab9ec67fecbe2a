#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Builds sqlite-csv.wasm and the same program for this machine, sqlite-csv-native, into a folder, from Debian's source
# package (tools/sources.sh). Beside them stays SQLite itself as objects, sqlite3.wasm.o and sqlite3.o, for the bench.
#   examples/sqlite/build.sh [FOLDER]        default: build/release/examples
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/release/examples}
source=$root/examples/sources/sqlite3
"$root/tools/sources.sh"
mkdir -p "$out"
cc="$(command -v ccache || true) clang-19"
flags="-O2 -ffp-contract=off -w -ffunction-sections -I$source"
wasm="--target=wasm32-wasi -mno-simd128 -msign-ext -mnontrapping-fptoint -mbulk-memory"
sqlite="-DSQLITE_OS_OTHER=1 -DSQLITE_THREADSAFE=0 -DSQLITE_TEMP_STORE=3 -DSQLITE_OMIT_LOAD_EXTENSION
    -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_OMIT_WAL -DSQLITE_OMIT_DEPRECATED -DSQLITE_DEFAULT_MEMSTATUS=0
    -DSQLITE_DQS=0 -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_CORE"
# shellcheck disable=SC2086
{
    $cc $wasm $flags $sqlite -c "$source/sqlite3.c" -o "$out/sqlite3.wasm.o"
    $cc $wasm $flags $sqlite -c "$here/vfs.c" -o "$out/sqlite3-vfs.wasm.o"
    $cc $wasm $flags $sqlite -c "$source/csv.c" -o "$out/sqlite3-csv.wasm.o"
    $cc $wasm $flags $sqlite -c "$here/main.c" -o "$out/sqlite3-main.wasm.o"
    $cc $flags $sqlite -fPIC -fvisibility=hidden -c "$source/sqlite3.c" -o "$out/sqlite3.o"
    $cc $flags $sqlite -fPIC -fvisibility=hidden -c "$here/vfs.c" -o "$out/sqlite3-vfs.o"
    $cc $flags $sqlite -c "$source/csv.c" -o "$out/sqlite3-csv.o"
    $cc $flags $sqlite -c "$here/main.c" -o "$out/sqlite3-main.o"
}
clang-19 --target=wasm32-wasi -Wl,--strip-all -Wl,-z,stack-size=1048576 \
    "$out/sqlite3.wasm.o" "$out/sqlite3-vfs.wasm.o" "$out/sqlite3-csv.wasm.o" "$out/sqlite3-main.wasm.o" \
    -o "$out/sqlite-csv.wasm"
clang-19 "$out/sqlite3.o" "$out/sqlite3-vfs.o" "$out/sqlite3-csv.o" "$out/sqlite3-main.o" -lm -o "$out/sqlite-csv-native"
echo "$out/sqlite-csv.wasm"
