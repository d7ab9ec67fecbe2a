// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {
namespace {

/// Specification 4.5.2: an import's limits must include what is given.
bool includes(const Limits& wanted, std::uint64_t size, std::optional<std::uint32_t> max) {
    if (size < wanted.min) return false;
    if (!wanted.max) return true;
    return max.has_value() && *max <= *wanted.max;
}

bool matches(const ModuleData& module, const Import& import, const Extern& given) {
    if (given.kind != import.kind) return false;
    switch (import.kind) {
        case ExternKind::function:
            return *given.function->type == module.types[module.functions[import.index]];
        case ExternKind::table: {
            const TableType& wanted = module.tables[import.index];
            return given.table->type.element == wanted.element &&
                   includes(wanted.limits, given.table->entries.size(),
                            given.table->type.limits.max);
        }
        case ExternKind::memory:
            return includes(module.memories[import.index], given.memory->pages(),
                            given.memory->declared().max);
        case ExternKind::global:
            return given.global->type == module.globals[import.index];
    }
    return false;
}

/// A value of any type; only a v128 has an upper half.
struct Bits {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
};

Bits evaluate(const InstanceData& instance, const ConstExpr& expr) {
    const ModuleData& module = instance.module->data();
    std::vector<Bits> stack;
    const auto fold = [&stack](auto operation) {
        const std::uint64_t right = stack.back().low;
        stack.pop_back();
        stack.back() = {.low = operation(stack.back().low, right)};
    };
    const auto narrow = [](std::uint64_t value) { return value & 0xffffffffULL; };
    for (std::uint32_t index = 0; index < expr.count; ++index) {
        const ConstOp& entry = module.const_ops[expr.first + index];
        switch (entry.opcode) {
            case op::global_get:
                stack.push_back({instance.globals[entry.immediate]->bits,
                                 instance.globals[entry.immediate]->high});
                break;
            case op::ref_null:
                stack.push_back({});
                break;
            case op::ref_func:
                stack.push_back({.low = instance.functions[entry.immediate]->reference});
                break;
            case op::i32_add:
                fold([&](auto x, auto y) { return narrow(x + y); });
                break;
            case op::i32_sub:
                fold([&](auto x, auto y) { return narrow(x - y); });
                break;
            case op::i32_mul:
                fold([&](auto x, auto y) { return narrow(x * y); });
                break;
            case op::i64_add:
                fold([](auto x, auto y) { return x + y; });
                break;
            case op::i64_sub:
                fold([](auto x, auto y) { return x - y; });
                break;
            case op::i64_mul:
                fold([](auto x, auto y) { return x * y; });
                break;
            default:
                stack.push_back({entry.immediate, entry.high});
                break;  // constants
        }
    }
    MILLRACE_ASSERT(stack.size() == 1);
    return stack.back();
}

std::string import_name(const Import& import) {
    return std::string{import.module} + "." + std::string{import.name};
}

}  // namespace

Instance::Instance(std::unique_ptr<InstanceData> data) : data_{std::move(data)} {
    data_->self = this;
}
Instance::~Instance() = default;

const Module& Instance::module() const noexcept {
    return *data_->module;
}

std::optional<Extern> Instance::find_export(std::string_view name) const {
    const ModuleData& module = data_->module->data();
    const auto found = module.export_index.find(name);
    if (found == module.export_index.end()) return std::nullopt;
    const Export& entry = module.exports[found->second];
    Extern value{.kind = entry.kind};
    switch (entry.kind) {
        case ExternKind::function:
            value.function = data_->functions[entry.index];
            break;
        case ExternKind::table:
            value.table = data_->tables[entry.index];
            break;
        case ExternKind::memory:
            value.memory = data_->memories[entry.index];
            break;
        case ExternKind::global:
            value.global = data_->globals[entry.index];
            break;
    }
    return value;
}

Memory* Instance::memory() noexcept {
    return data_->memories.empty() ? nullptr : data_->memories[0];
}

RunOutcome Instance::invoke(std::string_view name, std::span<const Value> args) {
    const auto found = find_export(name);
    if (!found || found->kind != ExternKind::function) {
        return Trapped{TrapKind::host_error,
                       "the module exports no function \"" + std::string{name} + "\""};
    }
    return data_->store->self->invoke(*found, args);
}

void Linker::define(std::string module, std::string name, Extern value) {
    externs_.insert_or_assign({std::move(module), std::move(name)}, value);
}

void Linker::define_function(std::string module, std::string name, HostFunction function) {
    define(std::move(module), std::move(name), store_.add_function(std::move(function)));
}

void Linker::define_instance(const std::string& as, Instance& instance) {
    for (const Export& entry : instance.module().data().exports) {
        const auto value = instance.find_export(entry.name);
        MILLRACE_ASSERT(value.has_value());
        define(as, std::string{entry.name}, *value);
    }
}

std::vector<std::string> Linker::missing(const Module& module) const {
    std::vector<std::string> list;
    for (const ImportInfo& import : module.imports()) {
        if (!externs_.contains({std::string{import.module}, std::string{import.name}})) {
            list.push_back(std::string{import.module} + "." + std::string{import.name} + ": " +
                           import.type);
        }
    }
    return list;
}

namespace {

/// Builds one instance step by step; specification 4.5.4.
class Instantiation {
  public:
    Instantiation(Store& store, std::shared_ptr<const Module> module)
        : store_{store}, module_{module->data()}, data_{std::make_unique<InstanceData>()} {
        data_->module = std::move(module);
        data_->store = &store.data();
        data_->memory = store.data().no_memory.get();
    }

    void import(const Extern& given) {
        switch (given.kind) {
            case ExternKind::function:
                data_->functions.push_back(given.function);
                return;
            case ExternKind::table:
                data_->tables.push_back(given.table);
                return;
            case ExternKind::memory:
                data_->memories.push_back(given.memory);
                return;
            case ExternKind::global:
                data_->globals.push_back(given.global);
                return;
        }
    }

    std::optional<LinkError> check_limits() const {
        const StoreLimits& limits = store_.data().limits;
        for (std::size_t index = module_.imported_memories; index < module_.memories.size();
             ++index) {
            if (module_.memories[index].min > limits.memory_pages_max) {
                return over_limit("memory", module_.memories[index].min, "pages",
                                  limits.memory_pages_max);
            }
        }
        std::uint64_t entries = 0;
        for (std::size_t index = module_.imported_tables; index < module_.tables.size(); ++index)
            entries += module_.tables[index].limits.min;
        if (entries > limits.table_entries_max)
            return over_limit("tables", entries, "entries", limits.table_entries_max);
        return std::nullopt;
    }

    std::optional<LinkError> allocate() {
        StoreData& store = store_.data();
        for (const FuncType& type : module_.types)
            data_->type_ids.push_back(store.type_id(type));
        for (const Body& body : module_.bodies) {
            Function& function = store.new_function(module_.types[body.type]);
            function.instance = data_.get();
            function.body = &body;
            data_->functions.push_back(&function);
        }
        for (std::size_t index = module_.imported_tables; index < module_.tables.size(); ++index)
            data_->tables.push_back(store_.add_table(module_.tables[index]).table);
        for (std::size_t index = module_.imported_memories; index < module_.memories.size();
             ++index) {
            const auto memory = store_.add_memory(module_.memories[index]);
            if (!memory) {
                return LinkError{.kind = LinkErrorKind::machine_exhausted,
                                 .message = "this machine has no memory left for the module's " +
                                            std::to_string(module_.memories[index].min) + " pages",
                                 .outcome = {}};
            }
            data_->memories.push_back(memory->memory);
        }
        if (!data_->memories.empty()) data_->memory = data_->memories[0];
        for (std::size_t index = 0; index < module_.global_inits.size(); ++index) {
            const GlobalType type = module_.globals[module_.imported_globals + index];
            const Bits bits = evaluate(*data_, module_.global_inits[index]);
            data_->globals.push_back(
                store_.add_global(type, {type.value, bits.low, bits.high}).global);
        }
        data_->dropped_elements.resize(module_.elements.size());
        data_->dropped_data.resize(module_.data.size());
        if (store.native) {
            if (auto refused = store.native->attach(*data_)) {
                return LinkError{.kind = LinkErrorKind::not_compiled,
                                 .message = std::move(*refused),
                                 .outcome = {}};
            }
        }
        return std::nullopt;
    }

    Instance& own() {
        InstanceData* raw = data_.get();
        auto& instances = store_.data().instances;
        instances.push_back(std::make_unique<Instance>(std::move(data_)));
        running_ = raw;
        return *instances.back();
    }

    /// Segments and the start function; what stopped them, if something did.
    std::optional<RunOutcome> start() {
        InstanceData& instance = *running_;
        for (std::size_t index = 0; index < module_.elements.size(); ++index) {
            const ElementSegment& segment = module_.elements[index];
            const auto number = static_cast<std::uint32_t>(index);
            if (segment.mode == SegmentMode::active) {
                const auto failed = outcome(table_init(instance, segment.table, number,
                                                       evaluate(instance, segment.offset).low, 0,
                                                       segment.elements.size()));
                if (failed) return failed;
            }
            if (segment.mode != SegmentMode::passive) instance.dropped_elements[index] = true;
        }
        for (std::size_t index = 0; index < module_.data.size(); ++index) {
            const DataSegment& segment = module_.data[index];
            if (segment.mode != SegmentMode::active) continue;
            const auto failed =
                outcome(memory_init(instance, static_cast<std::uint32_t>(index),
                                    evaluate(instance, segment.offset).low, 0, segment.size));
            if (failed) return failed;
            instance.dropped_data[index] = true;
        }
        if (!module_.start) return std::nullopt;
        RunOutcome ended = store_.invoke(
            {.kind = ExternKind::function, .function = instance.functions[*module_.start]}, {});
        if (std::holds_alternative<Returned>(ended)) return std::nullopt;
        return ended;
    }

  private:
    static LinkError over_limit(std::string_view what, std::uint64_t has, std::string_view unit,
                                std::uint32_t most) {
        return {.kind = LinkErrorKind::over_limit,
                .message = "the module's initial " + std::string{what} + " takes " +
                           std::to_string(has) + " " + std::string{unit} + ", the limit is " +
                           std::to_string(most),
                .outcome = {}};
    }
    std::optional<RunOutcome> outcome(BulkResult result) {
        switch (result) {
            case BulkResult::done:
                return std::nullopt;
            case BulkResult::memory_trap:
                return Trapped{TrapKind::memory_out_of_bounds, {}};
            case BulkResult::table_trap:
                return Trapped{TrapKind::table_out_of_bounds, {}};
            case BulkResult::exhausted:
                return Trapped{TrapKind::machine_exhausted, {}};
            case BulkResult::out_of_fuel:
                store_.data().fuel_left = 0;
                return OutOfFuel{};
        }
        return std::nullopt;
    }

    Store& store_;
    const ModuleData& module_;
    std::unique_ptr<InstanceData> data_;
    InstanceData* running_ = nullptr;
};

}  // namespace

Result<Instance*, LinkError> Linker::instantiate(std::shared_ptr<const Module> module) {
    MILLRACE_ASSERT(module != nullptr);
    const Module& given = *module;  // which the instance keeps
    const ModuleData& data = given.data();
    if (data.outlined && !store_.data().native) {
        return Err{LinkError{.kind = LinkErrorKind::not_compiled,
                             .message = "of the module there is only an outline, and no code",
                             .outcome = {}}};
    }
    Instantiation building{store_, std::move(module)};
    for (const Import& import : data.imports) {
        const auto found = externs_.find({std::string{import.module}, std::string{import.name}});
        if (found == externs_.end()) {
            std::string list;
            for (const std::string& entry : missing(given)) {
                if (list.size() > 1'000) {
                    list += ", ...";
                    break;
                }
                list += (list.empty() ? "" : ", ") + entry;
            }
            return Err{LinkError{.kind = LinkErrorKind::missing_import,
                                 .message = "unknown import " + list,
                                 .outcome = {}}};
        }
        if (!matches(data, import, found->second)) {
            return Err{LinkError{.kind = LinkErrorKind::incompatible_import,
                                 .message = "incompatible import type of " + import_name(import),
                                 .outcome = {}}};
        }
        building.import(found->second);
    }
    if (auto error = building.check_limits()) return Err{std::move(*error)};
    if (auto error = building.allocate()) return Err{std::move(*error)};
    Instance& instance = building.own();
    if (auto stopped = building.start()) {
        std::string message = "instantiation stopped: " + to_text(*stopped);
        return Err{LinkError{.kind = LinkErrorKind::stopped,
                             .message = std::move(message),
                             .outcome = std::move(*stopped)}};
    }
    return &instance;
}

}  // namespace millrace::wasm
