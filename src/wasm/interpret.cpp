// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/assert.hpp"
#include "wasm/interpret_parts.hpp"
#include "wasm/ir.hpp"
#include "wasm/numeric.hpp"
#include "wasm/runtime.hpp"
#include "wasm/simd.hpp"
#include "wasm/watch.hpp"

// The interpreter proper, in one function: threaded code by labels as values, a table of labels
// indexed by the operation. The state that every instruction touches (position, frame, fuel,
// memory) lives in local variables, and is written back before anything else may look at it.
// The register form it runs follows wasm3 (Shymanskyy, Massey) and WAMR's fast interpreter.

#pragma GCC diagnostic ignored "-Wpedantic"  // labels as values

namespace millrace::wasm {
using namespace numeric;
using namespace interpreting;

namespace {

template <bool watched>
Stop run(StoreData& store, Function* entry, [[maybe_unused]] Watch* watch) {
    static const void* const labels[] = {
#define X(name, ...) &&L_##name##_rr, &&L_##name##_rk,
        MILLRACE_WASM_BINARY(X) MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) &&L_br_##name##_rr, &&L_br_##name##_rk,
            MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) &&L_br_not_##name##_rr, &&L_br_not_##name##_rk,
                MILLRACE_WASM_COMPARE(X)
#undef X
#define X(name, ...) &&L_##name##_kr,
                    MILLRACE_WASM_REVERSED(X)
#undef X
#define X(name, ...) &&L_##name,
                        MILLRACE_WASM_UNARY(X)
#undef X
#define X(name, ...) &&L_##name##_r, &&L_##name##_x, &&L_##name##_i, &&L_##name##_a,
                            MILLRACE_WASM_LOAD(X)
#undef X
#define X(name, ...) &&L_##name##_r, &&L_##name##_x, &&L_##name##_i, &&L_##name##_a, &&L_##name##_k,
                                MILLRACE_WASM_STORE(X)
#undef X
#define X(name) &&L_##name,
                                    MILLRACE_WASM_OTHER(X)
#undef X
    };
    Machine& machine = store.machine;
    if (entry != nullptr) {
        machine = {};
        machine.slots = store.slots.get();
        machine.frame = store.frames.get();
    }
    const Instr* ip = machine.ip;
    U64* slots = machine.slots;
    const I64 hold = store.fuel_hold;
    I64 fuel = store.fuel_left - hold;
    std::uint8_t* memory = nullptr;
    U64 memory_size = 0;
    InstanceData* instance = machine.instance;
    const Code* code = machine.code;
    Function* callee = entry;
    // As far as slots_high says; beyond() moves it.
    U64* slots_end = store.slots.get() + store.slots_high;
    CallFrame* frame = machine.frame;
    CallFrame* const frames_end = store.frames.get() + store.limits.call_depth_max;
    TrapKind trap = TrapKind::unreachable;
    BulkResult bulk = BulkResult::done;
    U64* arguments = slots;
    const Code* next_code = nullptr;
    Stop stop;

    if (entry != nullptr) goto enter;
    if (instance != nullptr) RELOAD_MEMORY();
    DISPATCH();

step:
    __attribute__((unused));
    if constexpr (watched) {
        if (watch->steps_left == 0 || watch->is_full()) {
            stop.kind = Stop::Kind::again;
            goto stopped;
        }
        --watch->steps_left;
        if (machine.locals_left > 0) {
            machine.slots = slots;
            if (!clear_locals(machine, *watch)) goto refused;
            goto step;
        }
        if (ip != &halt_instr && !watch->admit(ip, slots)) goto refused;
        goto* labels[static_cast<std::size_t>(ip->op)];
    }

#define X(name, T, R, CHECK, expression)          \
    L_##name##_rr : {                             \
        const T x = take<T>(slots[ip->b]);        \
        const T y = take<T>(slots[ip->c]);        \
        CHECK slots[ip->a] = give<R>(expression); \
        NEXT();                                   \
    }                                             \
    L_##name##_rk : {                             \
        const T x = take<T>(slots[ip->b]);        \
        const T y = take<T>(ip->wide());          \
        CHECK slots[ip->a] = give<R>(expression); \
        NEXT();                                   \
    }
    MILLRACE_WASM_BINARY(X)
#undef X

#define X(name, T, R, expression)           \
    L_##name##_kr : {                       \
        const T x = take<T>(ip->wide());    \
        const T y = take<T>(slots[ip->b]);  \
        slots[ip->a] = give<R>(expression); \
        NEXT();                             \
    }
    MILLRACE_WASM_REVERSED(X)
#undef X

#define X(name, T, expression)                \
    L_##name##_rr : {                         \
        const T x = take<T>(slots[ip->b]);    \
        const T y = take<T>(slots[ip->c]);    \
        slots[ip->a] = (expression) ? 1 : 0;  \
        NEXT();                               \
    }                                         \
    L_##name##_rk : {                         \
        const T x = take<T>(slots[ip->b]);    \
        const T y = take<T>(ip->wide());      \
        slots[ip->a] = (expression) ? 1 : 0;  \
        NEXT();                               \
    }                                         \
    L_br_##name##_rr : {                      \
        const T x = take<T>(slots[ip->a]);    \
        const T y = take<T>(slots[ip->e]);    \
        BRANCH(expression)                    \
    }                                         \
    L_br_##name##_rk : {                      \
        const T x = take<T>(slots[ip->a]);    \
        const T y = short_constant<T>(ip->e); \
        BRANCH(expression)                    \
    }                                         \
    L_br_not_##name##_rr : {                  \
        const T x = take<T>(slots[ip->a]);    \
        const T y = take<T>(slots[ip->e]);    \
        BRANCH(!(expression))                 \
    }                                         \
    L_br_not_##name##_rk : {                  \
        const T x = take<T>(slots[ip->a]);    \
        const T y = short_constant<T>(ip->e); \
        BRANCH(!(expression))                 \
    }
    MILLRACE_WASM_COMPARE(X)
#undef X

#define X(name, T, R, CHECK, expression)          \
    L_##name : {                                  \
        const T x = take<T>(slots[ip->b]);        \
        CHECK slots[ip->a] = give<R>(expression); \
        NEXT();                                   \
    }
    MILLRACE_WASM_UNARY(X)
#undef X

#define X(name, M, R)                                                                          \
    L_##name##_r : {LOAD(M, R, ADDRESS_R)} L_##name##_x : {LOAD(M, R, ADDRESS_X)} L_##name##_i \
        : {LOAD(M, R, ADDRESS_I)} L_##name##_a : {LOAD(M, R, ADDRESS_A)}
    MILLRACE_WASM_LOAD(X)
#undef X

#define X(name, M)                                                  \
    L_##name##_r : {STORE(M, ADDRESS_R, slots[ip->a])} L_##name##_x \
        : {STORE(M, ADDRESS_X, slots[ip->a])} L_##name##_i          \
        : {STORE(M, ADDRESS_I, slots[ip->a])} L_##name##_a          \
        : {STORE(M, ADDRESS_A, slots[ip->a])} L_##name##_k          \
        : {STORE(M, ADDRESS_R, static_cast<I64>(static_cast<I32>(ip->e)))}
    MILLRACE_WASM_STORE(X)
#undef X

L_unreachable:
    TRAP(unreachable);
L_charge:
    if (__builtin_expect(fuel < 0, 0) && is_loop_head(*code, ip)) {
        if constexpr (watched) ++watch->steps_left;  // the charge is yet to come
        goto at_safe_point;
    }
    ARRIVE(ip->d, 1);
L_jump:
    ARRIVE(ip->e, static_cast<I32>(ip->d));
L_br_nonzero:
    BRANCH(take<U32>(slots[ip->a]) != 0)
L_br_zero:
    BRANCH(take<U32>(slots[ip->a]) == 0)
L_br_table : {
    const U32 index = take<U32>(slots[ip->a]);
    const U32 last = ip->e - 1;
    const BranchTarget target = code->first_target[ip->d + (index < last ? index : last)];
    ARRIVE(target.cost, target.offset);
}

L_return_many:
    std::memmove(slots, slots + ip->a, ip->d * sizeof(U64));
    goto L_return_none;
L_return_one:
    slots[0] = slots[ip->a];
L_return_none : {
    if (watched && frame == store.frames.get()) goto refused;
    TOUCH_FRAME(frame - 1)
    --frame;
    ip = frame->ip;
    slots = frame->slots;
    code = frame->code;
    if (__builtin_expect(frame->instance != instance, 0)) {
        instance = frame->instance;
        if (instance != nullptr) RELOAD_MEMORY();
    }
    DISPATCH();
}
L_leave:
    goto stopped;

L_call:
    if constexpr (watched) {
        callee = watch->function(ip->d);
        if (callee == nullptr) goto refused;
    } else {
        callee = instance->functions.data()[ip->d];
    }
    arguments = slots + ip->a;
enter : {
    next_code = callee->code.get();
    if (__builtin_expect(next_code == nullptr, 0)) {
        if (callee->host) {
            END_BEFORE_HOST()
            CALL_HOST()
            NEXT();
        }
        next_code = &code_of(*callee);
    }
    if (__builtin_expect(frame == frames_end, 0)) TRAP(call_stack_exhausted);
    if (__builtin_expect(
            static_cast<std::ptrdiff_t>(next_code->frame_slots) > slots_end - arguments, 0)) {
        slots_end = beyond(store, arguments, next_code->frame_slots);
        if (slots_end == nullptr) {
            slots_end = store.slots.get() + store.slots_high;
            TRAP(call_stack_exhausted);
        }
    }
    TOUCH_FRAME(frame)
    *frame++ = {.ip = ip != nullptr ? ip + 1 : &halt_instr,
                .slots = slots,
                .instance = instance,
                .code = code};
begin:
    fuel -= static_cast<I64>(next_code->entry_cost);
    slots = arguments;
    code = next_code;
    if (__builtin_expect(callee->instance != instance, 0)) {
        instance = callee->instance;
        RELOAD_MEMORY();
    }
    ip = next_code->first_instr;
    if (__builtin_expect(fuel < 0, 0) && fuel + hold < 0) goto out_of_fuel;
    U64* const locals = slots + next_code->params;
    if constexpr (watched) {
        machine.locals_first = next_code->params;
        machine.locals_left = next_code->locals;
    } else {
        for (U32 index = 0; index < next_code->locals; ++index)
            locals[index] = 0;
    }
    if (__builtin_expect(fuel < 0, 0)) goto at_safe_point;
    DISPATCH();
}
L_call_indirect:
    FIND_CALLEE();
    arguments = slots + ip->a;
    goto enter;

L_return_call_indirect:
    FIND_CALLEE();
    goto enter_in_place;
L_return_call:
    if constexpr (watched) {
        callee = watch->function(ip->d);
        if (callee == nullptr) goto refused;
    } else {
        callee = instance->functions.data()[ip->d];
    }
enter_in_place : {
    END_BEFORE_HOST()
    // The callee takes over this call's frame; whoever waits for this call waits for that one.
    next_code = callee->code.get();
    if (__builtin_expect(next_code == nullptr, 0) && !callee->host) next_code = &code_of(*callee);
    // A host that works in parts is called again from the same instruction: moved only once.
    if (!watched || machine.progress == 0) std::memmove(slots, slots + ip->a, ip->c * sizeof(U64));
    arguments = slots;
    if (__builtin_expect(next_code == nullptr, 0)) {
        CALL_HOST()
        goto L_return_none;
    }
    if (__builtin_expect(static_cast<std::ptrdiff_t>(next_code->frame_slots) > slots_end - slots,
                         0)) {
        slots_end = beyond(store, slots, next_code->frame_slots);
        if (slots_end == nullptr) {
            slots_end = store.slots.get() + store.slots_high;
            TRAP(call_stack_exhausted);
        }
    }
    goto begin;
}

L_move:
    slots[ip->a] = slots[ip->b];
    NEXT();
L_move_range:
    std::memmove(slots + ip->a, slots + ip->b, ip->d * sizeof(U64));
    NEXT();
L_constant:
    slots[ip->a] = ip->wide();
    NEXT();
L_select:
    slots[ip->a] = take<U32>(slots[ip->d]) != 0 ? slots[ip->b] : slots[ip->c];
    NEXT();
L_simd:
    simd::plain_functions[ip->e](slots, *ip);
    NEXT();
L_simd_memory:
    if (const U64 at = U64{take<U32>(slots[ip->b])} + ip->d; at < memory_size) {
        // At most 16 bytes, and that they lie inside is told below.
        const U64 length = std::min<U64>(16, memory_size - at);
        TOUCH(memory, at, length)
        if (simd::is_store(ip->e & 0xffffU)) {
            MARK(at)
            MARK(at + length - 1)
        }
    }
    if (__builtin_expect(!simd::memory_functions[ip->e & 0xffffU](slots, *ip, memory, memory_size),
                         0))
        TRAP(memory_out_of_bounds);
    NEXT();
L_simd_shuffle:
    simd::shuffle(slots, *ip, code->first_shuffle[ip->d]);
    NEXT();
L_vector_select : {
    const U64* const chosen = slots + (take<U32>(slots[ip->d]) != 0 ? ip->b : ip->c);
    simd::put(slots + ip->a, simd::get<U64>(chosen));
    NEXT();
}
L_vector_global_get : {
    const Global& global = *instance->globals.data()[ip->d];
    simd::put<U64>(slots + ip->a, {global.bits, global.high});
    NEXT();
}
L_vector_global_set : {
    Global& global = *instance->globals.data()[ip->d];
    global.bits = slots[ip->a];
    global.high = slots[ip->a + 1];
    NEXT();
}
L_global_get:
    slots[ip->a] = instance->globals.data()[ip->d]->bits;
    NEXT();
L_global_set:
    instance->globals.data()[ip->d]->bits = slots[ip->a];
    NEXT();
L_table_get : {
    const Table& table = *instance->tables.data()[ip->d];
    const U32 index = take<U32>(slots[ip->b]);
    if (index >= table.entries.size()) TRAP(table_out_of_bounds);
    TOUCH_ENTRY(ip->d, index)
    slots[ip->a] = table.entries.data()[index];
    NEXT();
}
L_table_set : {
    Table& table = *instance->tables.data()[ip->d];
    const U32 index = take<U32>(slots[ip->a]);
    if (index >= table.entries.size()) TRAP(table_out_of_bounds);
    TOUCH_ENTRY(ip->d, index)
    table.entries.data()[index] = slots[ip->b];
    NEXT();
}
L_table_size:
    slots[ip->a] = instance->tables.data()[ip->d]->entries.size();
    NEXT();
L_memory_size:
    slots[ip->a] = instance->memory->pages();
    NEXT();
L_ref_func:
    if constexpr (watched) {
        callee = watch->function(ip->d);
        if (callee == nullptr) goto refused;
        slots[ip->a] = callee->reference;
    } else {
        slots[ip->a] = instance->functions.data()[ip->d]->reference;
    }
    NEXT();
L_elem_drop:
    instance->dropped_elements[ip->d] = true;
    NEXT();
L_data_drop:
    instance->dropped_data[ip->d] = true;
    NEXT();

L_memory_init:
    BULK(memory_init(*instance, ip->d, U(a), U(b), U(c)))
L_memory_copy:
    BULK(memory_copy(*instance, U(a), U(b), U(c)))
L_memory_fill:
    BULK(memory_fill(*instance, U(a), static_cast<std::uint8_t>(slots[ip->b]), U(c)))
L_table_init:
    BULK(table_init(*instance, ip->d, ip->e, U(a), U(b), U(c)))
L_table_copy:
    BULK(table_copy(*instance, ip->d, ip->e, U(a), U(b), U(c)))
L_table_fill:
    BULK(table_fill(*instance, ip->d, U(a), slots[ip->b], U(c)))
L_table_grow : {
    if constexpr (watched) goto bulk_in_steps;
    U32 result = 0;
    store.fuel_left = fuel + hold;
    bulk = table_grow(*instance, ip->d, slots[ip->b], take<U32>(slots[ip->c]), result);
    fuel = store.fuel_left - hold;
    if (bulk != BulkResult::done) goto bulk_failed;
    slots[ip->a] = result;
    NEXT();
}
L_memory_grow : {
    if constexpr (watched) goto bulk_in_steps;
    U32 result = 0;
    store.fuel_left = fuel + hold;
    bulk = memory_grow(*instance, take<U32>(slots[ip->b]), result);
    fuel = store.fuel_left - hold;
    if (bulk != BulkResult::done) goto bulk_failed;
    RELOAD_MEMORY();
    slots[ip->a] = result;
    NEXT();
}

bulk_in_steps:
    __attribute__((unused));
    if constexpr (watched) {
        store.fuel_left = fuel + hold;
        const BulkStep part = bulk_step(store, *watch, *ip, slots);
        fuel = store.fuel_left - hold;
        RELOAD_MEMORY();
        if (part.kind == BulkStep::Kind::again) goto step;
        if (part.kind == BulkStep::Kind::refused) goto refused;
        bulk = part.result;
        if (bulk != BulkResult::done) goto bulk_failed;
        NEXT();
    }
bulk_failed:
    if (bulk == BulkResult::out_of_fuel) goto out_of_fuel;
    trap = trap_of(bulk);
    goto trapped;
arrived_with_less:
    if (fuel + hold < 0) goto out_of_fuel;
    if (!is_loop_head(*code, ip)) DISPATCH();
at_safe_point:
    stop.kind = Stop::Kind::at_safe_point;
    goto stopped;
trapped:
    stop.kind = Stop::Kind::trapped;
    stop.trap = trap;
    goto stopped;
out_of_fuel:
    stop.kind = Stop::Kind::out_of_fuel;
    fuel = -hold;
    goto stopped;
refused:
    __attribute__((unused));
    stop.kind = Stop::Kind::refused;
stopped:
    SAVE();
    return stop;
}

}  // namespace

Stop advance(StoreData& store, Function* entry, Watch* watch) {
    if (watch != nullptr) return run<true>(store, entry, watch);
    MILLRACE_ASSERT(entry != nullptr ||
                    (store.machine.progress == 0 && store.machine.locals_left == 0));
    return run<false>(store, entry, nullptr);
}

}  // namespace millrace::wasm
