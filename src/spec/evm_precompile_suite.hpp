// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

namespace millrace::spec {

/// Runs go-ethereum's vectors of the precompiled contracts, the *.json below `folder` in folders
/// named "precompiles": each Input must give Expected for exactly Gas, not for one less, and those
/// of fail-*.json must be refused. The file's name tells the contract and the rules. Cases of
/// contracts that this build lacks are skipped, counted by cause. Prints each failure and, last,
/// "N passed, N failed, N skipped"; with `as_json` one object instead. Returns the process's exit
/// status: 0 when something passed and nothing failed.
int run_evm_precompile_suite(const std::filesystem::path& folder, bool as_json);

}  // namespace millrace::spec
