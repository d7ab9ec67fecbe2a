// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <bit>
#include <cstring>
#include <limits>

#include "wasm/ir.hpp"
#include "wasm/numeric.hpp"
#include "wasm/runtime.hpp"
#include "wasm/simd.hpp"

// The interpreter proper, in one function: threaded code by labels as values, a table of labels
// indexed by the operation. The state that every instruction touches (position, frame, fuel,
// memory) lives in local variables, and is written back before anything else may look at it.
// The register form it runs follows wasm3 (Shymanskyy, Massey) and WAMR's fast interpreter.

#pragma GCC diagnostic ignored "-Wpedantic"  // labels as values

namespace millrace::wasm {
using namespace numeric;

Stop interpret(StoreData& store, Function& entry) {
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
    static const Instr halt{.op = IrOp::leave};

    const Instr* ip = nullptr;
    U64* slots = store.slots.get();
    I64 fuel = store.fuel_left;
    std::uint8_t* memory = nullptr;
    U64 memory_size = 0;
    InstanceData* instance = nullptr;
    const Code* code = nullptr;
    Function* callee = &entry;
    U64* const slots_end = slots + store.limits.stack_slots_max;
    CallFrame* frame = store.frames.get();
    CallFrame* const frames_end = frame + store.limits.call_depth_max;
    TrapKind trap = TrapKind::unreachable;
    BulkResult bulk = BulkResult::done;
    U64* arguments = slots;
    const Code* next_code = nullptr;
    Stop stop;

#define DISPATCH() goto* labels[static_cast<std::size_t>(ip->op)]
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
#define CHARGE(cost)                                         \
    do {                                                     \
        fuel -= static_cast<I64>(cost);                      \
        if (__builtin_expect(fuel < 0, 0)) goto out_of_fuel; \
    } while (false)
#define RELOAD_MEMORY()                         \
    do {                                        \
        memory = instance->memory->data();      \
        memory_size = instance->memory->size(); \
    } while (false)

    goto enter;

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

#define BRANCH(condition)              \
    if (condition) {                   \
        CHARGE(ip->b);                 \
        ip += static_cast<I32>(ip->d); \
        DISPATCH();                    \
    }                                  \
    CHARGE(ip->c);                     \
    NEXT();

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

#define LOAD(M, R, address)                                                            \
    const U64 at = (address);                                                          \
    if (__builtin_expect(at + sizeof(M) > memory_size, 0)) TRAP(memory_out_of_bounds); \
    M loaded;                                                                          \
    std::memcpy(&loaded, memory + at, sizeof loaded);                                  \
    slots[ip->a] = give<R>(static_cast<R>(loaded));                                    \
    NEXT();
#define ADDRESS_R (U64{take<U32>(slots[ip->b])} + ip->d)
#define ADDRESS_X (U64{take<U32>(slots[ip->b]) + take<U32>(slots[ip->c])} + ip->d)
#define ADDRESS_I (U64{take<U32>(slots[ip->b]) + ip->e} + ip->d)
#define ADDRESS_A (ip->wide())
#define X(name, M, R)                                                                          \
    L_##name##_r : {LOAD(M, R, ADDRESS_R)} L_##name##_x : {LOAD(M, R, ADDRESS_X)} L_##name##_i \
        : {LOAD(M, R, ADDRESS_I)} L_##name##_a : {LOAD(M, R, ADDRESS_A)}
    MILLRACE_WASM_LOAD(X)
#undef X

#define STORE(M, address, source)                                                      \
    const U64 at = (address);                                                          \
    if (__builtin_expect(at + sizeof(M) > memory_size, 0)) TRAP(memory_out_of_bounds); \
    const M stored = static_cast<M>(source);                                           \
    std::memcpy(memory + at, &stored, sizeof stored);                                  \
    NEXT();
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
    CHARGE(ip->d);
    NEXT();
L_jump:
    CHARGE(ip->e);
    ip += static_cast<I32>(ip->d);
    DISPATCH();
L_br_nonzero:
    BRANCH(take<U32>(slots[ip->a]) != 0)
L_br_zero:
    BRANCH(take<U32>(slots[ip->a]) == 0)
L_br_table : {
    const U32 index = take<U32>(slots[ip->a]);
    const U32 last = ip->e - 1;
    const BranchTarget target = code->targets.data()[ip->d + (index < last ? index : last)];
    CHARGE(target.cost);
    ip += target.offset;
    DISPATCH();
}

L_return_many:
    std::memmove(slots, slots + ip->a, ip->d * sizeof(U64));
    goto L_return_none;
L_return_one:
    slots[0] = slots[ip->a];
L_return_none : {
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
    store.fuel_left = fuel;
    return stop;

L_call:
    callee = instance->functions.data()[ip->d];
    arguments = slots + ip->a;
enter : {
    next_code = callee->code.get();
    if (__builtin_expect(next_code == nullptr, 0)) {
        if (callee->host) {
            store.fuel_left = fuel;
            stop = call_host(store, *callee, instance, arguments);
            fuel = store.fuel_left;
            if (stop.kind != Stop::Kind::returned) return stop;
            RELOAD_MEMORY();
            NEXT();
        }
        callee->code =
            std::make_unique<Code>(translate(callee->instance->module->data(), *callee->body));
        next_code = callee->code.get();
    }
    if (__builtin_expect(frame == frames_end, 0) ||
        __builtin_expect(
            static_cast<std::ptrdiff_t>(next_code->frame_slots) > slots_end - arguments, 0))
        TRAP(call_stack_exhausted);
    *frame++ = {
        .ip = ip != nullptr ? ip + 1 : &halt, .slots = slots, .instance = instance, .code = code};
begin:
    CHARGE(next_code->entry_cost);
    slots = arguments;
    code = next_code;
    if (__builtin_expect(callee->instance != instance, 0)) {
        instance = callee->instance;
        RELOAD_MEMORY();
    }
    U64* const locals = slots + next_code->params;
    for (U32 index = 0; index < next_code->locals; ++index)
        locals[index] = 0;
    ip = next_code->instrs.data();
    DISPATCH();
}
#define FIND_CALLEE()                                                                    \
    do {                                                                                 \
        const Table& table = *instance->tables.data()[ip->e];                            \
        const U32 index = take<U32>(slots[ip->b]);                                       \
        if (__builtin_expect(index >= table.entries.size(), 0)) TRAP(undefined_element); \
        const U64 reference = table.entries.data()[index];                               \
        if (__builtin_expect(reference == 0, 0)) TRAP(uninitialized_element);            \
        callee = store.functions.data()[reference - 1];                                  \
        if (__builtin_expect(callee->type_id != instance->type_ids.data()[ip->d], 0))    \
            TRAP(indirect_call_type_mismatch);                                           \
    } while (false)
L_call_indirect:
    FIND_CALLEE();
    arguments = slots + ip->a;
    goto enter;

L_return_call_indirect:
    FIND_CALLEE();
    goto enter_in_place;
L_return_call:
    callee = instance->functions.data()[ip->d];
enter_in_place : {
    // The callee takes over this call's frame; whoever waits for this call waits for that one.
    std::memmove(slots, slots + ip->a, ip->c * sizeof(U64));
    arguments = slots;
    next_code = callee->code.get();
    if (__builtin_expect(next_code == nullptr, 0)) {
        if (callee->host) {
            store.fuel_left = fuel;
            stop = call_host(store, *callee, instance, arguments);
            fuel = store.fuel_left;
            if (stop.kind != Stop::Kind::returned) return stop;
            RELOAD_MEMORY();
            goto L_return_none;
        }
        callee->code =
            std::make_unique<Code>(translate(callee->instance->module->data(), *callee->body));
        next_code = callee->code.get();
    }
    if (__builtin_expect(static_cast<std::ptrdiff_t>(next_code->frame_slots) > slots_end - slots,
                         0))
        TRAP(call_stack_exhausted);
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
    if (__builtin_expect(!simd::memory_functions[ip->e & 0xffffU](slots, *ip, memory, memory_size),
                         0))
        TRAP(memory_out_of_bounds);
    NEXT();
L_simd_shuffle:
    simd::shuffle(slots, *ip, code->shuffles.data()[ip->d]);
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
    slots[ip->a] = table.entries.data()[index];
    NEXT();
}
L_table_set : {
    Table& table = *instance->tables.data()[ip->d];
    const U32 index = take<U32>(slots[ip->a]);
    if (index >= table.entries.size()) TRAP(table_out_of_bounds);
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
    slots[ip->a] = instance->functions.data()[ip->d]->reference;
    NEXT();
L_elem_drop:
    instance->dropped_elements[ip->d] = true;
    NEXT();
L_data_drop:
    instance->dropped_data[ip->d] = true;
    NEXT();

#define U(field) U64{take<U32>(slots[ip->field])}
#define BULK(call)                                                       \
    store.fuel_left = fuel;                                              \
    bulk = call;                                                         \
    fuel = store.fuel_left;                                              \
    if (__builtin_expect(bulk != BulkResult::done, 0)) goto bulk_failed; \
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
    U32 result = 0;
    store.fuel_left = fuel;
    bulk = table_grow(*instance, ip->d, slots[ip->b], take<U32>(slots[ip->c]), result);
    fuel = store.fuel_left;
    if (bulk != BulkResult::done) goto bulk_failed;
    slots[ip->a] = result;
    NEXT();
}
L_memory_grow : {
    U32 result = 0;
    store.fuel_left = fuel;
    bulk = memory_grow(*instance, take<U32>(slots[ip->b]), result);
    fuel = store.fuel_left;
    if (bulk != BulkResult::done) goto bulk_failed;
    RELOAD_MEMORY();
    slots[ip->a] = result;
    NEXT();
}

bulk_failed:
    switch (bulk) {
        case BulkResult::memory_trap:
            TRAP(memory_out_of_bounds);
        case BulkResult::table_trap:
            TRAP(table_out_of_bounds);
        case BulkResult::exhausted:
            TRAP(machine_exhausted);
        case BulkResult::done:
        case BulkResult::out_of_fuel:
            goto out_of_fuel;
    }
trapped:
    store.fuel_left = fuel;
    stop.kind = Stop::Kind::trapped;
    stop.trap = trap;
    return stop;
out_of_fuel:
    store.fuel_left = 0;
    stop.kind = Stop::Kind::out_of_fuel;
    return stop;
}

}  // namespace millrace::wasm
