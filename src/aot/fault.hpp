// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <vector>

#include "aot/region.hpp"

/// From a fault in compiled code to the end of its run.
namespace millrace::aot {

/// What enter() needs, in the order in which its assembly reads it.
struct Entry {
    const void* thunk = nullptr;
    const void* code = nullptr;
    void* context = nullptr;
    std::int64_t fuel = 0;
    std::uint64_t room = 0;
    std::uint64_t* slots = nullptr;
    void* stack_top = nullptr;
    void* stack_saved = nullptr;
};

struct AddressRange {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    [[nodiscard]] bool contains(std::uintptr_t address) const noexcept {
        return address >= begin && address < end;
    }
};

/// A run in progress on this thread.
struct ActiveRun {
    Entry entry;
    bool is_stopped = false;
    std::uint32_t end = 0;  ///< as for TrapHelper, once stopped
    std::int64_t fuel = 0;
    /// Constant during the run: the signal handler reads them.
    std::vector<AddressRange> code;
    std::vector<Region*> memories;
    /// What happens where code finds fuel short (abi.hpp): ends the run by leave(), or gives the
    /// fuel with which it goes on. Runs on the tier's stack.
    std::int64_t (*at_safe_point)(ActiveRun& run, std::int64_t fuel) = nullptr;
    void* owner = nullptr;
    ActiveRun* outer = nullptr;
};

/// Runs to the end; fuel left when it returned by itself.
std::int64_t enter(ActiveRun& run);
/// Ends the run from a helper that compiled code called. No object with a destructor may be alive
/// between that call and this one.
[[noreturn]] void leave(ActiveRun& run, std::int64_t fuel, std::uint32_t end);

/// Once per process, and a signal stack for this thread.
bool prepare_for_faults();

}  // namespace millrace::aot
