// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

#include "spec/suite_run.hpp"

namespace millrace::spec {

/// Runs the TrieTests of ethereum/tests: the root of each case is computed from the sorted keys,
/// by one update, by one update per pair in the order given, and, where the order is free, in the
/// opposite order. Cases "…nextprev…" ask for the neighbours of a key in the order of the trie.
int run_trie_suite(const std::filesystem::path& folder, const SuiteOptions& options);

}  // namespace millrace::spec
