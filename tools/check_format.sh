#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fails when a C++ file is not as clang-format 14 writes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=$(command -v clang-format-14 || command -v clang-format)
find src examples test -name node_modules -prune -o \
    \( -name '*.hpp' -o -name '*.cpp' \) -print0 | xargs -0 "$tool" --dry-run -Werror
