// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "wasm/module_data.hpp"
#include "wasm/reader.hpp"

namespace millrace::wasm {

/// Reads all sections of module.bytes into `module`, and checks everything but the function
/// bodies. False, and `error` set, when the module is refused.
bool decode_module(ModuleData& module, ModuleError& error);

/// Validates every function body (specification, appendix "Validation Algorithm"), and notes its
/// frame size. False, and `error` set, when the module is refused.
bool validate_bodies(ModuleData& module, ModuleError& error);

/// Reads a value type; fails the reader when it is none of the profile's.
ValueType read_value_type(Reader& reader);
/// Refuses the opcode after 0xfd of an instruction at `at`: relaxed SIMD by name.
void fail_simd(Reader& reader, std::size_t at, std::uint32_t code);
/// The same as read_value_type for a reference type.
ValueType read_reference_type(Reader& reader);

}  // namespace millrace::wasm
