// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.hpp"
#include "wasm/instance.hpp"
#include "wasm/naive_engine.hpp"

/// A naive twin of the engine, and the comparison of both.
namespace millrace::wasm::twin {

/// Runs `program` in the engine and in the twin; asserts that they agree. Returns how it ended.
inline Ended::Kind compare(const Program& program, std::uint32_t left, std::uint32_t right,
                           std::uint64_t limit) {
    const auto module = Module::load(program.module());
    MILLRACE_ASSERT(module.has_value());
    Store store;
    store.set_fuel_limit(limit);
    Linker linker{store};
    const auto instance = linker.instantiate(module.value());
    MILLRACE_ASSERT(instance.has_value());
    const Value args[] = {Value::i32(left), Value::i32(right)};
    const RunOutcome outcome = instance.value()->invoke("f", args);
    Naive naive{program, limit};
    const Ended ended = naive.run(left, right);
    switch (ended.kind) {
        case Ended::Kind::returned: {
            const auto* returned = std::get_if<Returned>(&outcome);
            MILLRACE_ASSERT(returned != nullptr);
            MILLRACE_ASSERT(returned->values.at(0) == Value::i32(ended.result));
            MILLRACE_ASSERT(store.fuel_used() == ended.fuel);
            MILLRACE_ASSERT(
                std::ranges::equal(instance.value()->memory()->bytes(), naive.memory()));
            break;
        }
        case Ended::Kind::trapped: {
            // The engine paid whole blocks: more than what ran, and perhaps more than the limit.
            const auto* trapped = std::get_if<Trapped>(&outcome);
            MILLRACE_ASSERT(store.fuel_used() >= ended.fuel);
            if (trapped == nullptr) {
                MILLRACE_ASSERT(std::holds_alternative<OutOfFuel>(outcome));
                MILLRACE_ASSERT(ended.fuel + program.code[0].size() + program.code[1].size() >
                                limit);
            } else {
                MILLRACE_ASSERT(trapped->kind == ended.trap);
            }
            break;
        }
        case Ended::Kind::out_of_fuel:
            MILLRACE_ASSERT(std::holds_alternative<OutOfFuel>(outcome));
            MILLRACE_ASSERT(store.fuel_used() == limit);
            break;
    }
    return ended.kind;
}

}  // namespace millrace::wasm::twin
