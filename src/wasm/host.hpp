// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "wasm/memory.hpp"
#include "wasm/trap.hpp"
#include "wasm/values.hpp"

/// Functions that a host offers to modules. A host function sees the caller's memory, may charge
/// fuel, and ends in one of four ways (or asks to be called again). It cannot call back into a
/// module: the engine never nests.
///
///     linker.define_function("env", "add_file", HostFunction{
///         .type = {{ValueType::i32, ValueType::i32}, {ValueType::i32}},
///         .call = [&](HostContext& host, std::span<const Value> args, std::span<Value> results) {
///             const std::uint64_t length = args[1].as_i32();
///             if (!host.charge(length / 16)) return HostOutcome::out_of_fuel();
///             const auto name = host.memory().read(args[0].as_i32(), length);
///             if (!name) return HostOutcome::trap(TrapKind::memory_out_of_bounds);
///             results[0] = Value::i32(add(*name));
///             return HostOutcome::done();
///         }});
namespace millrace::wasm {

class Instance;
class Store;

struct HostOutcome {
    enum class Kind : std::uint8_t { done, trapped, exited, out_of_fuel, again };
    Kind kind = Kind::done;
    TrapKind trap_kind = TrapKind::host_error;
    std::uint32_t exit_code = 0;
    std::string detail;

    /// The results are in place.
    static HostOutcome done() { return {}; }
    static HostOutcome trap(TrapKind kind, std::string detail = {}) {
        return {Kind::trapped, kind, 0, std::move(detail)};
    }
    /// Ends the whole run, as WASI's proc_exit.
    static HostOutcome exit(std::uint32_t code) {
        return {Kind::exited, TrapKind::host_error, code, {}};
    }
    /// Part of the work is done: set_progress() says how much. Call again with the same arguments.
    static HostOutcome again() { return {Kind::again, TrapKind::host_error, 0, {}}; }
    /// After charge() said no.
    static HostOutcome out_of_fuel() { return {Kind::out_of_fuel, TrapKind::host_error, 0, {}}; }
};

class HostContext {
  public:
    HostContext(Store& store, Instance* caller, Memory* memory) noexcept
        : store_{store}, caller_{caller}, memory_{memory} {}

    /// The calling instance's memory. A caller without one is given an empty memory, in which
    /// every access of at least one byte is out of bounds.
    [[nodiscard]] Memory& memory() noexcept { return *memory_; }
    /// The calling instance; null when a host invokes its own function.
    [[nodiscard]] Instance* caller() noexcept { return caller_; }
    /// Fuel charged so far in this store, the call and its metering block included. Deterministic.
    [[nodiscard]] std::uint64_t fuel_used() const noexcept;
    /// Charges before an effect. False when the limit does not allow it: return out_of_fuel()
    /// without any effect.
    [[nodiscard]] bool charge(std::uint64_t fuel) noexcept;

    /// What this call has done so far; 0 at first. A function that moves more than
    /// step_bytes_max bytes does so in parts, each of which a judge can repeat by itself.
    [[nodiscard]] std::uint64_t progress() const noexcept;
    void set_progress(std::uint64_t progress) noexcept;

  private:
    Store& store_;
    Instance* caller_;
    Memory* memory_;
};

/// `args` and `results` have the lengths and types of `type`; results start as zeros.
using HostCall =
    std::function<HostOutcome(HostContext&, std::span<const Value> args, std::span<Value> results)>;

struct HostFunction {
    FuncType type;
    HostCall call;
    /// Charged by the engine before `call`, on top of the call instruction (docs/formats/fuel.md).
    std::uint64_t fuel = 100;
};

}  // namespace millrace::wasm
