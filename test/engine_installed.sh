#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# engine_installed.sh BUILD_DIR PLUGIN: installs the engine's library from BUILD_DIR into a folder of
# its own, builds examples/embed against nothing but that folder, as another project would, and
# runs it on PLUGIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$1
plugin=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --component engine --prefix "$folder/prefix" >"$folder/log"
cmake -S examples/embed -B "$folder/build" -G Ninja -DCMAKE_PREFIX_PATH="$folder/prefix" >"$folder/log"
cmake --build "$folder/build"
"$folder/build/embed" "$plugin" "the mill grinds slowly" | tee "$folder/output"
grep -qx 'interpreted: "The Mill Grinds Slowly", 4 words, fuel [0-9]*' "$folder/output"

# What another project sees of the library are the public header's names, and no LLVM.
library=$(find "$folder/prefix" -name 'libmillrace_engine.so')
nm -D --defined-only "$library" | awk '{print $3}' >"$folder/names"
if grep -v 'millrace6engine' "$folder/names"; then
    echo "engine_installed: the library shows other names (above)" >&2
    exit 1
fi
if ldd "$library" | grep -i llvm; then
    echo "engine_installed: the library needs LLVM" >&2
    exit 1
fi
