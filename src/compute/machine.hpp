// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "types/record.hpp"

/// What the requestor's and the provider's machine have in common, so that whoever runs one (the
/// daemons, the simulator) runs both with the same code.
namespace millrace::compute {

/// Nothing happened but time; due at next_deadline().
struct TimerFired {};

// Rows written and removed; order and durability: types/record.hpp.
struct Persist {
    types::Record record;
    bool operator==(const Persist&) const = default;
};
struct Erase {
    std::string table;
    Bytes key;
    bool operator==(const Erase&) const = default;
};

/// One event in, effects out; woken at its deadline; restored from its rows. What restore() wants
/// done is carried out like a step's effects.
template <typename T>
concept Machine = requires(T machine, const T& given, typename T::Event event,
                           typename T::Effects effects, std::vector<types::Record> rows,
                           Instant now) {
    { machine.restore(rows, now, effects) } -> std::same_as<Result<void, Failure>>;
    { machine.step(event, now, effects) } -> std::same_as<void>;
    { given.next_deadline() } -> std::same_as<std::optional<Instant>>;
};

}  // namespace millrace::compute
