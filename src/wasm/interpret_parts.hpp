// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "wasm/ir.hpp"
#include "wasm/numeric.hpp"
#include "wasm/runtime.hpp"
#include "wasm/watch.hpp"

// Only for interpret.cpp: what its instructions have in common. The macros name the local variables
// of run(), where the state lives that every instruction touches. Where `watched`, each asks the
// watch before it touches anything (watch.hpp).

namespace millrace::wasm::interpreting {

inline bool is_loop_head(const Code& code, const Instr* ip) {
    note_loop_heads(code);
    return code.loop_heads[static_cast<std::size_t>(ip - code.first_instr)];
}

inline const Code& code_of(Function& function) {
    function.code =
        std::make_unique<Code>(translate(function.instance->module->data(), *function.body));
    return *function.code;
}

/// Lets slots up to the end of a frame be used: the new end. Null: the frame lies beyond the limit.
inline std::uint64_t* beyond(StoreData& store, std::uint64_t* arguments,
                             std::uint32_t frame_slots) {
    std::uint64_t* const first = store.slots.get();
    const std::uint64_t end = static_cast<std::uint64_t>(arguments - first) + frame_slots;
    if (end > store.limits.stack_slots_max) return nullptr;
    constexpr std::uint64_t ahead = 512;
    store.slots_high = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(store.limits.stack_slots_max, end + ahead));
    return first + store.slots_high;
}

/// A host function, or a part of it, shown to the watch.
inline Stop watched_call(StoreData& store, Watch& watch, Function& function, InstanceData* caller,
                         std::uint64_t* slots) {
    const std::uint32_t count =
        std::max(slots_of(function.type->params), slots_of(function.type->results));
    Stop stop;
    if (!watch.touch_slots(slots, count) || !watch.note_host()) {
        stop.kind = Stop::Kind::refused;
        return stop;
    }
    Memory* const memory = caller->memory;
    memory->watch(&watch);
    stop = call_host_once(store, function, caller, slots);
    memory->watch(nullptr);
    if (watch.is_refused()) stop.kind = Stop::Kind::refused;
    return stop;
}

/// The next part of a frame's locals; Machine::slots must be the frame's. False: refused.
inline bool clear_locals(Machine& machine, Watch& watch) {
    const std::uint32_t part = std::min(machine.locals_left, step_slots_max);
    std::uint64_t* const first = machine.slots + machine.locals_first;
    if (!watch.touch_slots(first, part)) return false;
    std::fill_n(first, part, std::uint64_t{0});
    machine.locals_first += part;
    machine.locals_left -= part;
    return true;
}

inline TrapKind trap_of(BulkResult failed) noexcept {
    switch (failed) {
        case BulkResult::memory_trap:
            return TrapKind::memory_out_of_bounds;
        case BulkResult::table_trap:
            return TrapKind::table_out_of_bounds;
        default:
            return TrapKind::machine_exhausted;
    }
}

}  // namespace millrace::wasm::interpreting

// hold is what the run keeps back: fuel below 0 may mean that a safe point is awaited. Only in the
// cold paths behind a charge does it matter which.
#define SAVE()                         \
    do {                               \
        machine.ip = ip;               \
        machine.slots = slots;         \
        machine.instance = instance;   \
        machine.code = code;           \
        machine.frame = frame;         \
        store.fuel_left = fuel + hold; \
    } while (false)
#define DISPATCH()                                      \
    do {                                                \
        if constexpr (watched) goto step;               \
        goto* labels[static_cast<std::size_t>(ip->op)]; \
    } while (false)
#define NEXT()      \
    do {            \
        ++ip;       \
        DISPATCH(); \
    } while (false)
#define TRAP(kind)             \
    do {                       \
        trap = TrapKind::kind; \
        goto trapped;          \
    } while (false)
#define NO_CHECK
#define CHECK_DIVIDE \
    if (__builtin_expect(y == 0, 0)) TRAP(integer_divide_by_zero);
#define CHECK_DIVIDE_SIGNED(Signed)                                                              \
    if (__builtin_expect(y == 0, 0)) TRAP(integer_divide_by_zero);                               \
    if (__builtin_expect(Signed(y) == -1 && Signed(x) == std::numeric_limits<Signed>::min(), 0)) \
        TRAP(integer_overflow);
#define CHECK_TRUNC(low, high, above)                                     \
    if (__builtin_expect(x != x, 0)) TRAP(invalid_conversion_to_integer); \
    if (__builtin_expect(!(x above low && x < high), 0)) TRAP(integer_overflow);
// Control goes on at ip + offset; that is a safe point if it is a loop's head.
#define ARRIVE(cost, offset)                                       \
    do {                                                           \
        fuel -= static_cast<I64>(cost);                            \
        ip += (offset);                                            \
        if (__builtin_expect(fuel < 0, 0)) goto arrived_with_less; \
        DISPATCH();                                                \
    } while (false)
#define BRANCH(condition)                                  \
    if (condition) ARRIVE(ip->b, static_cast<I32>(ip->d)); \
    ARRIVE(ip->c, 1);
#define TOUCH(region, at, length)                                    \
    if constexpr (watched) {                                         \
        if (!watch->touch(Region::region, at, length)) goto refused; \
    }
#define TOUCH_FRAME(number)                                                        \
    if constexpr (watched) {                                                       \
        const auto index_of_frame = static_cast<U64>((number)-store.frames.get()); \
        if (!watch->touch(Region::frames, index_of_frame * 8, 8)) goto refused;    \
    }
#define TOUCH_ENTRY(table_index, index)                                                \
    if constexpr (watched) {                                                           \
        if (!watch->touch(table_region(table_index), U64{index} * 8, 8)) goto refused; \
    }
// The mark of a page lies before the memory (memory.hpp).
#define MARK(at) *(memory - 1 - ((at) >> 12U)) = 1;
#define RELOAD_MEMORY()                         \
    do {                                        \
        memory = instance->memory->data();      \
        memory_size = instance->memory->size(); \
    } while (false)
#define LOAD(M, R, address)                                                            \
    const U64 at = (address);                                                          \
    if (__builtin_expect(at + sizeof(M) > memory_size, 0)) TRAP(memory_out_of_bounds); \
    TOUCH(memory, at, sizeof(M))                                                       \
    M loaded;                                                                          \
    std::memcpy(&loaded, memory + at, sizeof loaded);                                  \
    slots[ip->a] = give<R>(static_cast<R>(loaded));                                    \
    NEXT();
#define STORE(M, address, source)                                                      \
    const U64 at = (address);                                                          \
    if (__builtin_expect(at + sizeof(M) > memory_size, 0)) TRAP(memory_out_of_bounds); \
    TOUCH(memory, at, sizeof(M))                                                       \
    MARK(at)                                                                           \
    if constexpr (sizeof(M) > 1) MARK(at + sizeof(M) - 1)                              \
    const M stored = static_cast<M>(source);                                           \
    std::memcpy(memory + at, &stored, sizeof stored);                                  \
    NEXT();
#define ADDRESS_R (U64{take<U32>(slots[ip->b])} + ip->d)
#define ADDRESS_X (U64{take<U32>(slots[ip->b]) + take<U32>(slots[ip->c])} + ip->d)
#define ADDRESS_I (U64{take<U32>(slots[ip->b]) + ip->e} + ip->d)
#define ADDRESS_A (ip->wide())
// The segment ends before this step, which has done nothing yet.
#define END_BEFORE_HOST()                                \
    if constexpr (watched) {                             \
        if (callee->host && watch->ends_before_host()) { \
            ++watch->steps_left;                         \
            stop.kind = Stop::Kind::again;               \
            goto stopped;                                \
        }                                                \
    }
#define CALL_HOST()                                                           \
    store.fuel_left = fuel + hold;                                            \
    if constexpr (watched) {                                                  \
        stop = watched_call(store, *watch, *callee, instance, arguments);     \
    } else {                                                                  \
        stop = call_host(store, *callee, instance, arguments);                \
    }                                                                         \
    fuel = store.fuel_left - hold;                                            \
    if (stop.kind != Stop::Kind::returned) {                                  \
        if (watched && stop.kind == Stop::Kind::again && !watch->is_full()) { \
            stop.kind = Stop::Kind::returned;                                 \
            goto step;                                                        \
        }                                                                     \
        goto stopped;                                                         \
    }                                                                         \
    if (instance != nullptr) RELOAD_MEMORY();
#define FIND_CALLEE()                                                                    \
    do {                                                                                 \
        const Table& table = *instance->tables.data()[ip->e];                            \
        const U32 index = take<U32>(slots[ip->b]);                                       \
        if (__builtin_expect(index >= table.entries.size(), 0)) TRAP(undefined_element); \
        TOUCH_ENTRY(ip->e, index)                                                        \
        const U64 reference = table.entries.data()[index];                               \
        if (__builtin_expect(reference == 0, 0)) TRAP(uninitialized_element);            \
        if constexpr (watched) {                                                         \
            callee = watch->function_of(reference);                                      \
            if (callee == nullptr) goto refused;                                         \
            TOUCH(types, U64{ip->d} * 4, 4)                                              \
        } else {                                                                         \
            callee = store.functions.data()[reference - 1];                              \
        }                                                                                \
        if (__builtin_expect(callee->type_id != instance->type_ids.data()[ip->d], 0))    \
            TRAP(indirect_call_type_mismatch);                                           \
    } while (false)
#define U(field)                    \
    U64 {                           \
        take<U32>(slots[ip->field]) \
    }
#define BULK(call)                                                       \
    if constexpr (watched) goto bulk_in_steps;                           \
    store.fuel_left = fuel + hold;                                       \
    bulk = call;                                                         \
    fuel = store.fuel_left - hold;                                       \
    if (__builtin_expect(bulk != BulkResult::done, 0)) goto bulk_failed; \
    NEXT();
