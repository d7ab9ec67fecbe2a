#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
#
# Builds render.wasm (and, with --native, the same program for this machine) into a folder.
#   examples/render/build.sh [--native] [FOLDER]        default: build/release/examples
set -eu
here=$(cd "$(dirname "$0")" && pwd)
native=no
if [ "${1:-}" = --native ]; then
    native=yes
    shift
fi
out=${1:-$here/../../build/release/examples}
clang=$(command -v clang++-19 || command -v clang++ || true)
if [ -z "$clang" ]; then
    echo "build.sh: clang++-19 is missing; install: clang-19 lld-19 wasi-libc libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32" >&2
    exit 1
fi
mkdir -p "$out"
sources="main.cpp scene.cpp shape.cpp texture.cpp tile.cpp tracer.cpp tree.cpp"
flags="-std=c++20 -O2 -ffp-contract=off -fno-exceptions -fno-rtti -Wall -Wextra"
cd "$here"
# The module stays inside the det-1 profile: no SIMD, threads, tail calls or exceptions.
# shellcheck disable=SC2086
"$clang" --target=wasm32-wasi $flags -mno-simd128 -mno-tail-call -mno-atomics -mno-exception-handling \
    -msign-ext -mnontrapping-fptoint -mbulk-memory -Wl,--strip-all -Wl,-z,stack-size=262144 \
    $sources -o "$out/render.wasm.new"
mv "$out/render.wasm.new" "$out/render.wasm"
if [ "$native" = yes ]; then
    # shellcheck disable=SC2086
    "$clang" $flags $sources -o "$out/render-native"
fi
echo "$out/render.wasm"
