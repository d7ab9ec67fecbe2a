// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>

/// What compiled code and the process that runs it know of each other. Generated code has no
/// relocations against the process: it reaches everything through the NativeContext of its
/// instance, whose layout, with the conventions below, is a version of the engine.
///
/// A WebAssembly function is an LLVM function
///
///     fastcc or tailcc {i64 fuel, result} (NativeContext*, i64 fuel, i64 room, parameters...)
///
/// `fuel` is what is left, less what the store holds back until the next checkpoint. It is
/// subtracted by metering block, may go below zero, and is looked at on entry and at loop heads
/// (the safe points), before host calls and bulk operations, and when the run ends, in whatever way
/// (docs/formats/fuel.md, section 3). `room` holds the calls (high half) and stack
/// slots (low half) that are still free, as the interpreter counts them. One result is returned in
/// a register; more lie in NativeContext::values. Floats cross every call with exact bits.
///
/// At a safe point with fuel below zero, code executes `ud2` with the fuel in rax. The process ends
/// the run, or takes a checkpoint and lets the code go on after that instruction, with the fuel for
/// it in rax and all else as it was.
///
/// A memory's base never moves. Eight bytes below it lies the fuel at the latest access: what the
/// signal handler reports when an access faults; below that, the memory's size, which loops are
/// checked against as a whole.
namespace millrace::aot {

struct NativeContext;

/// Changes with anything in this file, and with the meaning of generated code.
constexpr std::uint32_t engine_version = 3;

/// How the functions of a module are called. Tail calls need that a callee clears the stack of its
/// arguments, which costs every call a little.
enum class Convention : std::uint32_t {
    plain,  ///< LLVM's fastcc
    tail,   ///< LLVM's tailcc
};

/// Code that counts no fuel is for measurements of what counting costs. No task runs on it.
enum class Metering : std::uint8_t { exact, none };

/// Something that code can call. A host function has no code: it is called through
/// NativeContext::call_host by a thunk of the caller's module.
struct Callee {
    const void* code;
    NativeContext* context;
    void* function;  ///< wasm::Function
    std::uint64_t type_id;
};
constexpr std::uint64_t no_type_id = ~0ULL;
static_assert(sizeof(Callee) == 32);

/// What helper `operate` does. Operands a, b, c and an immediate de as in the intermediate form.
enum class Operation : std::uint32_t {
    memory_init,
    memory_copy,
    memory_fill,
    memory_grow,
    memory_size,
    data_drop,
    table_init,
    table_copy,
    table_fill,
    table_grow,
    table_set,
    elem_drop,
};

/// Beyond the values of wasm::TrapKind.
constexpr std::uint32_t end_out_of_fuel = 255;

using TrapHelper = void (*)(NativeContext*, std::int64_t fuel, std::uint32_t kind);
using HostHelper = std::int64_t (*)(NativeContext*, std::int64_t fuel, void* function,
                                    std::uint64_t* slots);
using OperateHelper = std::int64_t (*)(NativeContext*, std::int64_t fuel, std::uint64_t operation,
                                       std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                       std::uint64_t immediate);

/// Of one instance. All but `directory` and the values behind pointers is constant while it lives.
struct NativeContext {
    std::uint8_t* memory = nullptr;
    const Callee* directory = nullptr;  ///< by reference; entry 0 is null's
    const Callee* imports = nullptr;    ///< by function index
    std::uint64_t* const* globals = nullptr;
    const void* const* tables = nullptr;  ///< of wasm::TableView
    const std::uint64_t* type_ids = nullptr;
    const std::uint64_t* references = nullptr;  ///< by function index
    TrapHelper trap = nullptr;
    HostHelper call_host = nullptr;
    OperateHelper operate = nullptr;
    std::uint64_t* values = nullptr;  ///< of a run: results of calls and of `operate`
    void* instance = nullptr;         ///< wasm::InstanceData
    void* run = nullptr;
};

/// Enters a function from outside: loads its parameters from slots and puts its results there.
using EntryThunk = std::int64_t (*)(const void* code, NativeContext*, std::int64_t fuel,
                                    std::uint64_t room, std::uint64_t* slots);

constexpr std::int64_t fuel_cell_offset = -8;   ///< from a memory's base
constexpr std::int64_t size_cell_offset = -16;  ///< the memory's bytes, 64 bits
/// Furthest byte that a 32-bit address and a 32-bit offset can reach, and the widest access.
constexpr std::uint64_t memory_reach = (1ULL << 33) + 65'536;

constexpr std::uint64_t pack_room(std::uint32_t calls, std::uint32_t slots) noexcept {
    return (std::uint64_t{calls} << 32U) | slots;
}

}  // namespace millrace::aot
