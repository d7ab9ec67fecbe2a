// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

#include "spec/suite_run.hpp"

namespace millrace::spec {

/// Runs what tests the machine alone, one frame per case, below `folder`: Constantinople/VMTests of
/// ethereum/tests' legacy (the prices are Frontier's; gas left, output, logs and the world after
/// must agree, or without "post" the frame must fail) and go-ethereum's
/// core/vm/testdata/testcases_<operation>.json (two operands and the result). Other files are
/// passed over. Prints as run_files() does.
int run_evm_vm_suite(const std::filesystem::path& folder, const SuiteOptions& options);

}  // namespace millrace::spec
