// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <vector>

#include "wasm/ir.hpp"
#include "wasm/module_data.hpp"

/// How much native stack compiled code can need.
namespace millrace::compiler {

/// What one call of a function takes.
struct FrameUse {
    std::uint64_t bytes = 0;  ///< native frame, with what its calls push
    /// Slots between its frame's start and that of the callee with the lowest start.
    std::uint64_t slots_min = 0;
    bool calls = false;  ///< otherwise only the last of a chain
};

/// All but the native frame itself.
FrameUse frame_use(const wasm::ModuleData& module, const wasm::Code& code);

/// A bound for every chain of calls within the limits of docs/formats/profile.md. A chain has at
/// most 10,000 frames, and the slots between their starts sum to at most 1,048,576. So for every
/// price p of a slot its native bytes are at most 10,000 * max(bytes - p * slots) + p * 1,048,576;
/// this is the least over some prices.
std::uint64_t stack_bound(const std::vector<FrameUse>& frames);

}  // namespace millrace::compiler
