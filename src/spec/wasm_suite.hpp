// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

namespace millrace::spec {

/// Runs the WebAssembly test-suite in wast2json form below `folder` (testsuite/ and
/// testsuite-older/, or a folder above them). Prints each failure as file:line and reason and,
/// last, "N passed, N failed, N skipped"; with `as_json` one object instead. Commands of the text
/// format are skipped, and so are those that need a module outside the profile. Returns the
/// process's exit status: 0 when something ran and nothing failed. `compiled`: every module runs as
/// compiled code (src/aot) instead of in the interpreter.
int run_wasm_suite(const std::filesystem::path& folder, bool as_json, bool compiled);

}  // namespace millrace::spec
