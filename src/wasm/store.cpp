// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "wasm/fuel.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {

namespace {

/// Reads a value of a type from its slot or slots, and moves on.
Value load_value(ValueType type, const std::uint64_t*& from) noexcept {
    Value value{type, *from++};
    if (type == ValueType::v128) value.high = *from++;
    return value;
}
/// Writes a value; where the next one lies.
std::uint64_t* store_value(std::uint64_t* to, const Value& value) noexcept {
    *to++ = value.bits;
    if (value.type == ValueType::v128) *to++ = value.high;
    return to;
}

std::string value_text(const Value& value) {
    std::string line = std::string{to_text(value.type)} + ":";
    if (value.type != ValueType::v128) return line + std::to_string(value.bits);
    constexpr std::string_view digits = "0123456789abcdef";
    line += "0x";
    for (const std::uint64_t half : {value.high, value.bits}) {
        for (unsigned shift = 64; shift > 0; shift -= 4)
            line += digits[(half >> (shift - 4)) & 15U];
    }
    return line;
}

}  // namespace

std::string Trapped::text() const {
    std::string line = "trap: " + std::string{to_text(kind)};
    if (!detail.empty()) line += " (" + detail + ")";
    return line;
}

std::string to_text(const RunOutcome& outcome) {
    return std::visit(
        Overload{[](const Returned& returned) {
                     std::string line = "returned (";
                     for (std::size_t index = 0; index < returned.values.size(); ++index) {
                         const Value& value = returned.values[index];
                         if (index > 0) line += ", ";
                         line += value_text(value);
                     }
                     return line + ")";
                 },
                 [](const Trapped& trapped) { return trapped.text(); },
                 [](const Exited& exited) { return "exit " + std::to_string(exited.code); },
                 [](const OutOfFuel&) { return std::string{"out of fuel"}; }},
        outcome);
}

std::uint64_t HostContext::fuel_used() const noexcept {
    return store_.fuel_used();
}
bool HostContext::charge(std::uint64_t fuel) noexcept {
    return store_.charge(fuel);
}

std::uint64_t HostContext::progress() const noexcept {
    return store_.data().machine.progress;
}
void HostContext::set_progress(std::uint64_t progress) noexcept {
    store_.data().machine.progress = progress;
}

std::uint32_t StoreData::type_id(const FuncType& type) {
    const auto next = static_cast<std::uint32_t>(type_ids.size());
    return type_ids.emplace(std::pair{type.params, type.results}, next).first->second;
}

Function& StoreData::new_function(const FuncType& type) {
    Function& function = function_storage.emplace_back();
    functions.push_back(&function);
    function.reference = functions.size();
    function.type = &type;
    function.type_id = type_id(type);
    return function;
}

Store::Store(StoreLimits limits) : data_{std::make_unique<StoreData>()} {
    // A run needs room for one entry's parameters or results at least.
    limits.stack_slots_max = std::max(limits.stack_slots_max, 2'048U);
    limits.call_depth_max = std::max(limits.call_depth_max, 1U);
    data_->limits = limits;
    data_->self = this;
    data_->no_memory = Memory::create({.min = 0, .max = 0}, 0);
    MILLRACE_ASSERT(data_->no_memory != nullptr);
    data_->slots.reset(
        static_cast<std::uint64_t*>(std::calloc(limits.stack_slots_max, sizeof(std::uint64_t))));
    MILLRACE_ASSERT(data_->slots != nullptr);
    data_->frames.reset(new CallFrame[limits.call_depth_max]);
    set_fuel_limit(fuel::limit_max);
}
Store::~Store() = default;

void Store::set_fuel_limit(std::uint64_t limit) noexcept {
    const std::uint64_t used = fuel_used();
    data_->fuel_limit = std::min(limit, fuel::limit_max);
    data_->fuel_left =
        static_cast<std::int64_t>(data_->fuel_limit) - static_cast<std::int64_t>(used);
}
std::uint64_t Store::fuel_limit() const noexcept {
    return data_->fuel_limit;
}
std::uint64_t Store::fuel_used() const noexcept {
    const std::int64_t left = std::max<std::int64_t>(data_->fuel_left, 0);
    return data_->fuel_limit - static_cast<std::uint64_t>(left);
}
bool Store::charge(std::uint64_t fuel) noexcept {
    if (data_->fuel_left < 0 || fuel > static_cast<std::uint64_t>(data_->fuel_left)) return false;
    data_->fuel_left -= static_cast<std::int64_t>(fuel);
    return true;
}

void Store::use(std::unique_ptr<NativeTier> tier) {
    MILLRACE_ASSERT(data_->functions.empty());
    MILLRACE_ASSERT(data_->memories.empty());
    data_->native = std::move(tier);
}

Extern Store::add_function(HostFunction function) {
    auto host = std::make_unique<HostFunction>(std::move(function));
    Function& added = data_->new_function(host->type);
    added.host = std::move(host);
    return {.kind = ExternKind::function, .function = &added};
}

Extern Store::add_table(TableType type) {
    Table& table = data_->tables.emplace_back();
    table.type = type;
    table.entries_max =
        std::min(type.limits.max.value_or(std::numeric_limits<std::uint32_t>::max()),
                 std::max(data_->limits.table_entries_max, type.limits.min));
    table.resize(type.limits.min, 0);
    return {.kind = ExternKind::table, .table = &table};
}

std::optional<Extern> Store::add_memory(Limits limits) {
    const std::uint32_t most =
        std::max(limits.min, std::min(limits.max.value_or(65'536), data_->limits.memory_pages_max));
    std::unique_ptr<Memory> memory;
    if (data_->native) {
        auto region = data_->native->reserve_memory();
        if (region) memory = Memory::create_in(std::move(region), limits, most);
    } else {
        memory = Memory::create(limits, most);
    }
    if (!memory) return std::nullopt;
    data_->memories.push_back(std::move(memory));
    return Extern{.kind = ExternKind::memory, .memory = data_->memories.back().get()};
}

Extern Store::add_global(GlobalType type, Value initial) {
    MILLRACE_ASSERT(initial.type == type.value);
    data_->globals.push_back({.type = type, .bits = initial.bits, .high = initial.high});
    return {.kind = ExternKind::global, .global = &data_->globals.back()};
}

Value Store::global_value(const Extern& global) const noexcept {
    MILLRACE_ASSERT(global.global != nullptr);
    return {global.global->type.value, global.global->bits, global.global->high};
}

const FuncType& Store::function_type(const Extern& function) const noexcept {
    MILLRACE_ASSERT(function.function != nullptr);
    return *function.function->type;
}

Stop call_host(StoreData& store, Function& function, InstanceData* caller, std::uint64_t* slots) {
    for (;;) {
        Stop stop = call_host_once(store, function, caller, slots);
        if (stop.kind != Stop::Kind::again) return stop;
    }
}

Stop call_host_once(StoreData& store, Function& function, InstanceData* caller,
                    std::uint64_t* slots) {
    const FuncType& type = *function.type;
    Stop stop;
    if (store.machine.progress == 0 && !store.self->charge(function.host->fuel)) {
        stop.kind = Stop::Kind::out_of_fuel;
        store.fuel_left = 0;
        return stop;
    }
    // Most host functions have few parameters; only a stranger one costs an allocation.
    constexpr std::size_t near = 16;
    Value near_values[near];
    std::vector<Value> far_values;
    const std::size_t total = type.params.size() + type.results.size();
    Value* values = near_values;
    if (total > near) {
        far_values.resize(total);
        values = far_values.data();
    }
    const std::uint64_t* from = slots;
    for (std::size_t index = 0; index < type.params.size(); ++index)
        values[index] = load_value(type.params[index], from);
    const std::span<Value> results{values + type.params.size(), type.results.size()};
    for (std::size_t index = 0; index < results.size(); ++index)
        results[index] = {type.results[index], 0};
    HostContext context{*store.self, caller != nullptr ? caller->self : nullptr,
                        caller != nullptr ? caller->memory : store.no_memory.get()};
    HostOutcome outcome =
        function.host->call(context, std::span<const Value>{values, type.params.size()}, results);
    if (outcome.kind != HostOutcome::Kind::again) store.machine.progress = 0;
    switch (outcome.kind) {
        case HostOutcome::Kind::again:
            stop.kind = Stop::Kind::again;
            break;
        case HostOutcome::Kind::done:
            for (std::size_t index = 0; index < results.size(); ++index) {
                MILLRACE_ASSERT(results[index].type == type.results[index]);
                slots = store_value(slots, results[index]);
            }
            break;
        case HostOutcome::Kind::trapped:
            stop.kind = Stop::Kind::trapped;
            stop.trap = outcome.trap_kind;
            stop.detail = std::move(outcome.detail);
            break;
        case HostOutcome::Kind::exited:
            stop.kind = Stop::Kind::exited;
            stop.exit_code = outcome.exit_code;
            break;
        case HostOutcome::Kind::out_of_fuel:
            stop.kind = Stop::Kind::out_of_fuel;
            store.fuel_left = 0;
            break;
    }
    return stop;
}

const Instr halt_instr{.op = IrOp::leave};

Stop interpret(StoreData& store, Function& entry) {
    Stop stop = advance(store, &entry, nullptr);
    while (stop.kind == Stop::Kind::at_safe_point) {
        MILLRACE_ASSERT(store.at_safe_point != nullptr);
        store.at_safe_point(store);
        MILLRACE_ASSERT(store.fuel_left >= store.fuel_hold);
        stop = advance(store, nullptr, nullptr);
    }
    return stop;
}

RunOutcome Store::invoke(const Extern& function, std::span<const Value> args) {
    MILLRACE_ASSERT(function.function != nullptr);
    Function& target = *function.function;
    const FuncType& type = *target.type;
    const auto refuse = [](std::string detail) -> RunOutcome {
        return Trapped{TrapKind::host_error, std::move(detail)};
    };
    if (data_->is_running) return refuse("a host function cannot call back into a module");
    if (args.size() != type.params.size()) {
        return refuse("the function takes " + std::to_string(type.params.size()) +
                      " arguments, not " + std::to_string(args.size()));
    }
    std::uint64_t* to = data_->slots.get();
    for (std::size_t index = 0; index < args.size(); ++index) {
        if (args[index].type != type.params[index])
            return refuse("argument " + std::to_string(index) + " has the wrong type");
        to = store_value(to, args[index]);
    }
    data_->is_running = true;
    Stop stop;
    if (target.host) {
        stop = call_host(*data_, target, nullptr, data_->slots.get());
    } else {
        stop = data_->native ? data_->native->run(*data_, target) : interpret(*data_, target);
    }
    data_->is_running = false;
    switch (stop.kind) {
        case Stop::Kind::returned: {
            Returned returned;
            const std::uint64_t* from = data_->slots.get();
            for (const ValueType result : type.results)
                returned.values.push_back(load_value(result, from));
            return returned;
        }
        case Stop::Kind::trapped:
            return Trapped{stop.trap, std::move(stop.detail)};
        case Stop::Kind::exited:
            return Exited{stop.exit_code};
        case Stop::Kind::out_of_fuel:
            return OutOfFuel{};
        case Stop::Kind::at_safe_point:
        case Stop::Kind::again:
        case Stop::Kind::refused:
            break;
    }
    MILLRACE_ASSERT(false);
    return OutOfFuel{};
}

}  // namespace millrace::wasm
