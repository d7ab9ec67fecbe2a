// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "types/task.hpp"

namespace millrace::sim {

/// What a modelled task leaves: a function of its id and nothing else, as of a deterministic
/// program, unless it is falsified on purpose.
struct ModelOutput {
    std::vector<std::pair<std::string, Bytes>> files;  ///< sorted by path
    Bytes standard_output;
    types::ResultSummary summary;
};

ModelOutput run_model(const types::TaskSpec& task, const std::optional<Hash32>& lie);

/// Bytes that follow from `seed`.
Bytes noise(std::uint64_t seed, std::size_t size);

}  // namespace millrace::sim
