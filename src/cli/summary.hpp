// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace millrace::cli {

/// Everything a run is judged by, in one object (docs/formats/summary.md). `before` and `after` are
/// the agent's "snapshot" replies, `summary` its "summary" reply; `local` is null, or what
/// `--compare-local` measured.
nlohmann::json combine_summary(const nlohmann::json& summary, const nlohmann::json& before,
                               const nlohmann::json& after, const nlohmann::json& local);

/// The same for people, on stdout.
void print_summary(const nlohmann::json& combined);

}  // namespace millrace::cli
