#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Builds lua.wasm and the same program for this machine, lua-native, into a folder, from Debian's source package
# (tools/sources.sh). Beside them stays Lua's library as objects, lua-core.wasm.o and lua-core.o, for the bench.
#   examples/lua/build.sh [FOLDER]        default: build/release/examples
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/release/examples}
source=$root/examples/sources/lua5.4
"$root/tools/sources.sh"
mkdir -p "$out/lua-include"
cc="$(command -v ccache || true) clang-19"
# Two headers that the sources include: Debian's build makes the first; nothing of the second is used.
echo '#define DEB_HOST_MULTIARCH "none"' >"$out/lua-include/lua5.4-deb-multiarch.h"
: >"$out/lua-include/setjmp.h"
flags="-O2 -ffp-contract=off -w -ffunction-sections -I$out/lua-include -I$source"
wasm="--target=wasm32-wasi -mno-simd128 -msign-ext -mnontrapping-fptoint -mbulk-memory -D_WASI_EMULATED_SIGNAL"
# shellcheck disable=SC2086
{
    $cc $wasm $flags -c "$here/core.c" -o "$out/lua-core.wasm.o"
    $cc $wasm $flags -c "$source/lua.c" -o "$out/lua-main.wasm.o"
    $cc $flags -fPIC -fvisibility=hidden -c "$here/core.c" -o "$out/lua-core.o"
    $cc $flags -c "$source/lua.c" -o "$out/lua-main.o"
}
clang-19 --target=wasm32-wasi -Wl,--strip-all -Wl,-z,stack-size=1048576 "$out/lua-core.wasm.o" "$out/lua-main.wasm.o" \
    -lwasi-emulated-signal -o "$out/lua.wasm"
clang-19 "$out/lua-core.o" "$out/lua-main.o" -lm -o "$out/lua-native"
echo "$out/lua.wasm"
