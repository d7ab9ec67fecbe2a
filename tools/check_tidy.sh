#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy on the C++ files changed since the merge base with the default branch, or since the
# commit before the last one. TIDY_ALL=1 takes every file. At most TIDY_MAX files (60).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${TIDY_ALL:-0}" = 1 ]; then
    mapfile -t files < <(git ls-files 'src/*.cpp')
else
    base=$(git merge-base HEAD origin/main 2>/dev/null || true)
    if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
        base=$(git rev-parse -q --verify HEAD~1 || true)
    fi
    if [ -z "$base" ]; then echo "one commit only: nothing has changed"; exit 0; fi
    mapfile -t files < <(git diff --name-only --diff-filter=AM "$base" -- 'src/*.cpp' |
        head -n "${TIDY_MAX:-60}")
fi
[ ${#files[@]} -gt 0 ] || { echo "no C++ file has changed"; exit 0; }
cmake --preset tidy >/dev/null
printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 -p build/tidy --quiet
