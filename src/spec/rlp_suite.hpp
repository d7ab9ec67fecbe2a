// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

#include "spec/suite_run.hpp"

namespace millrace::spec {

/// Runs the RLPTests of ethereum/tests: `in` encodes to `out` and `out` decodes to `in`; what is
/// "INVALID" must not decode, what is "VALID" must.
int run_rlp_suite(const std::filesystem::path& folder, const SuiteOptions& options);

}  // namespace millrace::spec
