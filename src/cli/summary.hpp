// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "base/time.hpp"

namespace millrace::cli {

/// From the start of `millrace run` to the moment the agent told it of the first task whose result
/// was accepted, and of the first voucher that a provider acknowledged; absent if it never did.
struct FirstTask {
    std::optional<Duration> verified;
    std::optional<Duration> paid;
};

/// Everything a run is judged by, in one object (docs/formats/summary.md). `before` and `after` are
/// the agent's "snapshot" replies, `summary` its "summary" reply; `local` is null, or what
/// `--compare-local` measured.
nlohmann::json combine_summary(const nlohmann::json& summary, const nlohmann::json& before,
                               const nlohmann::json& after, const nlohmann::json& local,
                               const FirstTask& first);

/// The same for people, on stdout.
void print_summary(const nlohmann::json& combined);

}  // namespace millrace::cli
