#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every libFuzzer program of the fuzz preset for SECONDS each over its committed corpus.
#   tools/fuzz_all.sh SECONDS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:?usage: tools/fuzz_all.sh SECONDS}
bad=0
for program in build/fuzz/fuzz/fuzz_*; do
    [ -x "$program" ] || continue
    name=$(basename "$program")
    name=${name#fuzz_}
    mkdir -p "build/fuzz/found/$name" "build/fuzz/artifacts"
    echo "fuzz $name for ${seconds} s"
    "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/artifacts/$name-" \
        "build/fuzz/found/$name" "test/fuzz/corpus/$name" || { echo "FAILED: $name"; bad=1; }
done
exit "$bad"
