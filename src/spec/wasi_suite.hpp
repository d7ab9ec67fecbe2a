// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

namespace millrace::spec {

/// Runs every module of a wasi-testsuite tree below `folder`: the program's exit code, standard
/// output and error must be what <name>.json states (default: exit code 0). Prints each failure
/// and, last, "N passed, N failed, N skipped"; with `as_json` one object instead. Returns the
/// process's exit status: 0 when something ran and nothing failed.
/// `compiled`: every module runs as compiled code (src/aot) instead of in the interpreter.
int run_wasi_suite(const std::filesystem::path& folder, bool as_json, bool compiled);

}  // namespace millrace::spec
