// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

#include "spec/suite_run.hpp"

namespace millrace::spec {

/// State tests: one transaction on a given world, by fork (shared/suites/README.md,
/// evm/state_tests). Compares the state root, the hash of the logs, and what must be refused with
/// its reason.
int run_evm_state_suite(const std::filesystem::path& folder, const SuiteOptions& options);

/// Blockchain tests: genesis and blocks to import in order, some to be refused
/// (evm/blockchain_tests). Compares the genesis block, the last block's hash and the final state.
int run_evm_block_suite(const std::filesystem::path& folder, const SuiteOptions& options);

/// Transaction tests: bytes to be decoded, by fork either refused or with hash, sender and
/// intrinsic gas (evm/basic/TransactionTests).
int run_transaction_suite(const std::filesystem::path& folder, const SuiteOptions& options);

}  // namespace millrace::spec
