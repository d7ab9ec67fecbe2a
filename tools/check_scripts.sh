#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the shell linter on every shell script that git tracks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files | while read -r file; do
    [ -f "$file" ] || continue
    if head -c 64 "$file" | head -n 1 | grep -qE '^#!.*\b(ba)?sh\b'; then printf '%s\0' "$file"; fi
done | xargs -0 shellcheck -S warning
