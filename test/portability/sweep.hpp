// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

/// Runs every numeric instruction of the profile, scalar and vector, over operands that are known
/// to cause trouble: NaNs of many kinds, zeros of both signs, the ends of each range. It needs no
/// list of instructions: it asks the validator which operands an opcode takes.
namespace millrace::portability {

/// "0xfd 0x6e (v128, v128) -> (v128)", and a digest of all outcomes with their fuel.
using Report = std::function<void(const std::string& name, const std::string& digest)>;

/// Returns how many instructions it found.
std::uint32_t sweep_instructions(const Report& report);

}  // namespace millrace::portability
