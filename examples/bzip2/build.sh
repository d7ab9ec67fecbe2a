#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Builds bzip2.wasm into a folder, from Debian's source package (tools/sources.sh), unchanged.
#   examples/bzip2/build.sh [FOLDER]        default: build/release/examples
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/release/examples}
"$root/tools/sources.sh"
mkdir -p "$out"
cd "$root/examples/sources/bzip2"
# A task has no owners and no modes of files: what would copy them to the new file does nothing.
clang-19 --target=wasm32-wasi -O2 -w -mno-simd128 -msign-ext -mnontrapping-fptoint -mbulk-memory \
    -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS '-Dfchmod(file,mode)=0' '-Dfchown(file,user,group)=0' \
    blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c bzip2.c \
    -lwasi-emulated-signal -lwasi-emulated-process-clocks -Wl,--strip-all -o "$out/bzip2.wasm"
echo "$out/bzip2.wasm"
