// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "wasm/memory.hpp"
#include "wasm/trap.hpp"

/// The place where compiled code joins the engine (src/aot). The engine itself has no machine code,
/// signals or mappings: whoever offers them implements this, and gives it to a Store before
/// anything else is added there. From then on the store's modules run in that tier alone, with the
/// same results, traps and fuel as in the interpreter.
namespace millrace::wasm {

struct Function;
struct InstanceData;
struct StoreData;

/// How a run of a tier ended.
struct Stop {
    enum class Kind : std::uint8_t {
        returned,
        trapped,
        exited,
        out_of_fuel,
        // Only from advance() in runtime.hpp: not the end.
        at_safe_point,
        again,    ///< a host function has not done all its work; or the watch's steps are used up
        refused,  ///< the watch refused a step
    };
    Kind kind = Kind::returned;
    TrapKind trap = TrapKind::unreachable;
    std::uint32_t exit_code = 0;
    std::string detail;
};

class NativeTier {
  public:
    virtual ~NativeTier() = default;
    /// Room for a memory of up to 65,536 pages. Null when the machine has none.
    virtual std::unique_ptr<MemoryRegion> reserve_memory() = 0;
    /// Called once for each instance: all its functions, tables, memories and globals exist,
    /// nothing of it has run. A sentence when its module cannot run in this tier.
    virtual std::optional<std::string> attach(InstanceData& instance) = 0;
    /// As interpret() in runtime.hpp.
    virtual Stop run(StoreData& store, Function& entry) = 0;
};

}  // namespace millrace::wasm
