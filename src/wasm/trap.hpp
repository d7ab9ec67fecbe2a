// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::wasm {

/// Why a run ended in a trap. All but the last are part of the task's deterministic result: the
/// same module and input trap with the same kind and fuel everywhere.
enum class TrapKind : std::uint8_t {
    unreachable,
    memory_out_of_bounds,
    table_out_of_bounds,
    undefined_element,
    uninitialized_element,
    indirect_call_type_mismatch,
    integer_divide_by_zero,
    integer_overflow,
    invalid_conversion_to_integer,
    call_stack_exhausted,
    limit_exceeded,  ///< a limit of the task (output size, open files, ...) declared by a host
    host_error,      ///< the host refused the call; the detail says why

    /// The machine itself could not give what the task may ask for (memory). Never a result: the
    /// provider gives the task back.
    machine_exhausted,
};

/// The words of the specification's test-suite: "integer divide by zero".
std::string_view to_text(TrapKind kind) noexcept;

}  // namespace millrace::wasm
