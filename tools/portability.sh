#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whether the engine computes the same in every build: runs test/portability/main.cpp, the same sample of
# instructions, generated programs and tasks, as built in different ways, and compares what is printed.
#   tools/portability.sh          the release build and the sanitized one, which must be there
#   tools/portability.sh --long   besides: g++ and clang++ at -O0 and -O3, clang++ with sanitizers, and
#                                 arm64 under qemu-user (tools/install.sh long)
# Ends with 1 and the differing lines when a build differs from the release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '3,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
long=0
case "${1:-}" in
    "") ;;
    --long) long=1 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "portability: unknown option '$1'" >&2; usage >&2; exit 2 ;;
esac
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
out=build/portability
mkdir -p "$out"

# Modules that the release build made, if it did: a tile of the render example, the benchmarks' kernels.
built=$PWD/build/release
list=$PWD/$out/list
: >"$list"
if [ -f "$built/examples/render.wasm" ]; then
    echo "$built/examples/render.wasm $PWD/examples/render" \
        "--scene scene-quick.txt --tile 20 --tiles 48 --out tile" >>"$list"
fi
for kernel in gemm:2 nbody:20 sha256:8 lz:2 mandelbrot:100 json:2 chess:1; do
    module=$built/libexec/bench/${kernel%:*}.wasm
    if [ -f "$module" ]; then echo "$module - ${kernel#*:}" >>"$list"; fi
done

failed=0
# compare NAME PROGRAM...: runs it and compares with the release build's words.
compare() {
    local name=$1 begin
    shift
    begin=$(date +%s)
    if ! "$@" "$list" >"$out/$name.txt"; then
        echo "$name: the program failed" >&2
        failed=1
    elif ! diff "$out/release.txt" "$out/$name.txt" >"$out/$name.diff"; then
        echo "$name: computes something else than the release build (< release, > $name):" >&2
        head -n 20 "$out/$name.diff" >&2
        failed=1
    else
        echo "$name: the same, $(($(date +%s) - begin)) s"
    fi
}

# build NAME FLAGS [CMake arguments]: the floors F0 to F3 alone.
build() {
    local name=$1 flags=$2 log=$out/$1.log
    shift 2
    if ! { cmake -S test/portability -B "$out/$name" -G Ninja -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_CXX_FLAGS="$flags" "$@" && cmake --build "$out/$name" -j "$(nproc)"; } >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "portability: the build '$name' failed; the whole log is in $log" >&2
        exit 1
    fi
}

"$built/test/portable-run" "$list" >"$out/release.txt"
echo "release: $(wc -l <"$out/release.txt") lines, $(grep -c '^task\|^call' "$out/release.txt") of them programs"
compare dev build/dev/test/portable-run
if [ "$long" = 1 ]; then
    sanitized="-fsanitize=address,undefined -fno-sanitize-recover=all"
    for level in -O0 -O3; do
        build "g++$level" "$level" -DCMAKE_CXX_COMPILER=g++
        compare "g++$level" "$out/g++$level/portable-run"
        build "clang++$level" "$level" -DCMAKE_CXX_COMPILER=clang++-19
        compare "clang++$level" "$out/clang++$level/portable-run"
    done
    build clang++-sanitized "-O1 $sanitized" -DCMAKE_CXX_COMPILER=clang++-19
    compare clang++-sanitized "$out/clang++-sanitized/portable-run"
    build arm64 "-O2 -static" -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DOWN_SHA256=ON \
        -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64
    compare arm64 qemu-aarch64 "$out/arm64/portable-run"
fi
exit "$failed"
