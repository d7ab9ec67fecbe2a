// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <filesystem>

#include "spec/suite_run.hpp"

namespace millrace::spec {

/// ethereum/execution-apis: tests/genesis.json, the blocks of tests/chain.rlp, and one dialogue per
/// .io file, played to the meaning of JSON-RPC directly, without sockets. Answers are compared as
/// JSON, errors by their code, answers of files marked "speconly" by their shape.
int run_rpc_suite(const std::filesystem::path& folder, const SuiteOptions& options);

}  // namespace millrace::spec
