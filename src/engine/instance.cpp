// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasm/instance.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "engine/state.hpp"

namespace millrace::engine {
namespace {

constexpr std::uint64_t fuel_limit_max = std::uint64_t{1} << 62;

wasm::ValueType inner(Type type) {
    switch (type) {
        case Type::i32:
            return wasm::ValueType::i32;
        case Type::i64:
            return wasm::ValueType::i64;
        case Type::f32:
            return wasm::ValueType::f32;
        case Type::f64:
            return wasm::ValueType::f64;
    }
    MILLRACE_ASSERT(false);
    return wasm::ValueType::i32;
}

/// Null for types that this interface does not carry: vectors and references.
std::optional<Type> outer(wasm::ValueType type) {
    switch (type) {
        case wasm::ValueType::i32:
            return Type::i32;
        case wasm::ValueType::i64:
            return Type::i64;
        case wasm::ValueType::f32:
            return Type::f32;
        case wasm::ValueType::f64:
            return Type::f64;
        case wasm::ValueType::v128:
        case wasm::ValueType::funcref:
        case wasm::ValueType::externref:
            return std::nullopt;
    }
    return std::nullopt;
}

wasm::Value inner(const Value& value) {
    return {inner(value.type), value.bits};
}

Value outer(const wasm::Value& value) {
    const auto type = outer(value.type);
    MILLRACE_ASSERT(type.has_value());  // refused before the call
    return {*type, value.bits};
}

std::vector<wasm::ValueType> inner(const std::vector<Type>& types) {
    std::vector<wasm::ValueType> all;
    all.reserve(types.size());
    for (const Type type : types)
        all.push_back(inner(type));
    return all;
}

wasm::HostOutcome inner(const HostEnd& end) {
    switch (end.kind) {
        case HostEnd::Kind::done:
            return wasm::HostOutcome::done();
        case HostEnd::Kind::trapped:
            return wasm::HostOutcome::trap(wasm::TrapKind::host_error, end.text);
        case HostEnd::Kind::exited:
            return wasm::HostOutcome::exit(end.code);
        case HostEnd::Kind::out_of_fuel:
            return wasm::HostOutcome::out_of_fuel();
    }
    return wasm::HostOutcome::done();
}

wasm::HostFunction host_function(const Import& import) {
    const auto call = [given = import](wasm::HostContext& host, std::span<const wasm::Value> args,
                                       std::span<wasm::Value> results) {
        std::vector<Value> arguments;
        arguments.reserve(args.size());
        for (const wasm::Value& value : args)
            arguments.push_back(outer(value));
        std::vector<Value> answers;
        answers.reserve(given.results.size());
        for (const Type type : given.results)
            answers.push_back({type, 0});
        Caller caller{&host};
        const HostEnd end = given.call(caller, arguments, answers);
        for (std::size_t index = 0; index < results.size(); ++index) {
            if (answers[index].type != given.results[index]) {
                return wasm::HostOutcome::trap(wasm::TrapKind::host_error,
                                               given.module + "." + given.name +
                                                   " gave a result of another type than it says");
            }
            results[index] = inner(answers[index]);
        }
        return inner(end);
    };
    return {.type = {inner(import.parameters), inner(import.results)},
            .call = call,
            .fuel = import.fuel};
}

Error link_error(const wasm::LinkError& error) {
    if (error.kind == wasm::LinkErrorKind::stopped)
        return {"the module's initialisation ended: " + wasm::to_text(error.outcome), "", ""};
    if (error.kind == wasm::LinkErrorKind::missing_import)
        return {error.message, "", "offer it in InstanceOptions::imports"};
    return {error.message, "", ""};
}

CallResult call_result(const wasm::RunOutcome& outcome) {
    CallResult result;
    result.text = wasm::to_text(outcome);
    std::visit(
        Overload{[&](const wasm::Returned& returned) {
                     for (const wasm::Value& value : returned.values)
                         result.values.push_back(outer(value));
                 },
                 [&](const wasm::Trapped&) { result.kind = CallResult::Kind::trapped; },
                 [&](const wasm::Exited& exited) {
                     result.kind = CallResult::Kind::exited;
                     result.code = exited.code;
                 },
                 [&](const wasm::OutOfFuel&) { result.kind = CallResult::Kind::out_of_fuel; }},
        outcome);
    return result;
}

wasm::HostContext& host_of(void* context) {
    return *static_cast<wasm::HostContext*>(context);
}

}  // namespace

std::optional<BytesView> Caller::read(std::uint64_t address, std::uint64_t size) const {
    return host_of(context_).memory().read(address, size);
}
bool Caller::write(std::uint64_t address, BytesView bytes) {
    return host_of(context_).memory().write(address, bytes);
}
bool Caller::charge(std::uint64_t fuel) {
    return host_of(context_).charge(fuel);
}
std::uint64_t Caller::fuel_used() const {
    return host_of(context_).fuel_used();
}

struct Instance::State {
    explicit State(const wasm::StoreLimits& limits) : store{limits} {}
    std::shared_ptr<const Module::State> module;
    wasm::Store store;
    wasm::Instance* instance = nullptr;
};

Instance::Instance(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}
Instance::Instance(Instance&&) noexcept = default;
Instance& Instance::operator=(Instance&&) noexcept = default;
Instance::~Instance() = default;

Result<Instance> Instance::create(const Module& module, const InstanceOptions& options) {
    wasm::StoreLimits limits;
    limits.memory_pages_max = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(options.limits.memory_bytes / wasm::page_size, 65'536));
    std::unique_ptr<wasm::NativeTier> tier;
    if (auto error = tier_of(module, options.code, tier)) return std::move(*error);
    auto state = std::make_unique<State>(limits);
    if (tier) state->store.use(std::move(tier));
    state->store.set_fuel_limit(std::min(options.limits.fuel, fuel_limit_max));
    wasm::Linker linker{state->store};
    for (const Import& import : options.imports) {
        if (!import.call)
            return Error{"an import has no function", import.module + "." + import.name, ""};
        linker.define_function(import.module, import.name, host_function(import));
    }
    auto instance = linker.instantiate(module.state().module);
    if (!instance) return link_error(instance.error());
    state->instance = *instance;
    return Instance{std::move(state)};
}

Result<CallResult> Instance::call(std::string_view name, std::span<const Value> arguments) {
    const wasm::FuncType* type = state_->instance->module().exported_function(name);
    if (type == nullptr) {
        return Error{"the module exports no function of this name", std::string{name},
                     "Module::exports() lists what it exports"};
    }
    const auto carried = [](wasm::ValueType value) { return outer(value).has_value(); };
    if (!std::ranges::all_of(type->params, carried) || !std::ranges::all_of(type->results, carried))
        return Error{"its vectors and references cannot be passed here", std::string{name}, ""};
    std::vector<wasm::Value> values;
    values.reserve(arguments.size());
    for (const Value& value : arguments)
        values.push_back(inner(value));
    if (!std::ranges::equal(values, type->params, {}, &wasm::Value::type)) {
        return Error{"the arguments do not fit the function's type",
                     std::string{name} + " " + wasm::to_text(*type), ""};
    }
    return call_result(state_->instance->invoke(name, values));
}

std::uint64_t Instance::fuel_used() const {
    return state_->store.fuel_used();
}

void Instance::set_fuel_limit(std::uint64_t fuel) {
    state_->store.set_fuel_limit(std::min(fuel, fuel_limit_max));
}

std::uint64_t Instance::memory_size() const {
    const wasm::Memory* memory = state_->instance->memory();
    return memory == nullptr ? 0 : memory->size();
}

std::optional<BytesView> Instance::read(std::uint64_t address, std::uint64_t size) const {
    const wasm::Memory* memory = state_->instance->memory();
    if (memory != nullptr) return memory->read(address, size);
    return size == 0 ? std::optional<BytesView>{BytesView{}} : std::nullopt;
}

bool Instance::write(std::uint64_t address, BytesView bytes) {
    wasm::Memory* memory = state_->instance->memory();
    return memory == nullptr ? bytes.empty() : memory->write(address, bytes);
}

}  // namespace millrace::engine
