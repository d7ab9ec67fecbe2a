// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/tier.hpp"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "aot/abi.hpp"
#include "aot/fault.hpp"
#include "aot/region.hpp"
#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "wasm/fuel.hpp"
#include "wasm/profile.hpp"
#include "wasm/runtime.hpp"

namespace millrace::aot {
namespace {

using wasm::BulkResult;
using wasm::InstanceData;
using wasm::StoreData;
using wasm::TrapKind;

constexpr std::uint32_t end_by_host = 254;  ///< beside TrapKind and end_out_of_fuel

/// What a NativeContext points to.
struct Attached {
    std::shared_ptr<const LoadedImage> image;
    NativeContext context;
    std::vector<Callee> imports;
    std::vector<std::uint64_t*> globals;
    std::vector<const void*> tables;
    std::vector<std::uint64_t> type_ids;
    std::vector<std::uint64_t> references;
};

/// The run that compiled code belongs to, with how it ended when a host ended it.
struct TierRun {
    ActiveRun active;
    StoreData* store = nullptr;
    wasm::Stop stop;

    // Code has the fuel less what the store holds back.
    void take_fuel(std::int64_t fuel) noexcept { store->fuel_left = fuel + store->fuel_hold; }
    [[nodiscard]] std::int64_t fuel() const noexcept { return store->fuel_left - store->fuel_hold; }
};

TierRun& run_of(NativeContext* context) {
    return *static_cast<TierRun*>(context->run);
}

// The address sanitizer does not know the stack on which these run, and would say so at each leave.
#define MILLRACE_ON_TIER_STACK __attribute__((no_sanitize("address")))

MILLRACE_ON_TIER_STACK void trap(NativeContext* context, std::int64_t fuel, std::uint32_t kind) {
    leave(run_of(context).active, fuel, kind);
}

/// False when the host ended the run; run.stop says how.
bool call_host_here(TierRun& run, InstanceData& caller, wasm::Function& function,
                    std::uint64_t* slots) {
    run.stop = wasm::call_host(*run.store, function, &caller, slots);
    return run.stop.kind == wasm::Stop::Kind::returned;
}

MILLRACE_ON_TIER_STACK std::int64_t call_host(NativeContext* context, std::int64_t fuel,
                                              void* function, std::uint64_t* slots) noexcept {
    TierRun& run = run_of(context);
    run.take_fuel(fuel);
    auto& caller = *static_cast<InstanceData*>(context->instance);
    if (!call_host_here(run, caller, *static_cast<wasm::Function*>(function), slots))
        leave(run.active, run.fuel(), end_by_host);
    return run.fuel();
}

/// ActiveRun::at_safe_point.
MILLRACE_ON_TIER_STACK std::int64_t stop_at_safe_point(ActiveRun& active,
                                                       std::int64_t fuel) noexcept {
    TierRun& run = *static_cast<TierRun*>(active.owner);
    wasm::StoreData& store = *run.store;
    run.take_fuel(fuel);
    if (store.fuel_left < 0) leave(active, fuel, end_out_of_fuel);
    MILLRACE_ASSERT(store.at_safe_point != nullptr);
    store.at_safe_point(store);
    MILLRACE_ASSERT(store.fuel_left >= store.fuel_hold);
    return run.fuel();
}

/// `value` is the operation's result, where it has one.
BulkResult operate_here(InstanceData& instance, Operation operation, std::uint64_t a,
                        std::uint64_t b, std::uint64_t c, std::uint64_t immediate,
                        std::uint64_t& value) {
    const auto d = static_cast<std::uint32_t>(immediate);
    const auto e = static_cast<std::uint32_t>(immediate >> 32U);
    std::uint32_t result = 0;
    BulkResult bulk = BulkResult::done;
    switch (operation) {
        case Operation::memory_init:
            return memory_init(instance, d, a, b, c);
        case Operation::memory_copy:
            return memory_copy(instance, a, b, c);
        case Operation::memory_fill:
            return memory_fill(instance, a, static_cast<std::uint8_t>(b), c);
        case Operation::memory_grow:
            bulk = memory_grow(instance, static_cast<std::uint32_t>(a), result);
            value = result;
            return bulk;
        case Operation::memory_size:
            value = instance.memory->pages();
            return BulkResult::done;
        case Operation::data_drop:
            instance.dropped_data[d] = true;
            return BulkResult::done;
        case Operation::table_init:
            return table_init(instance, d, e, a, b, c);
        case Operation::table_copy:
            return table_copy(instance, d, e, a, b, c);
        case Operation::table_fill:
            return table_fill(instance, d, a, b, c);
        case Operation::table_grow:
            bulk = table_grow(instance, d, a, static_cast<std::uint32_t>(b), result);
            value = result;
            return bulk;
        case Operation::table_set: {
            auto& entries = instance.tables[d]->entries;
            if (a >= entries.size()) return BulkResult::table_trap;
            entries[static_cast<std::size_t>(a)] = b;
            return BulkResult::done;
        }
        case Operation::elem_drop:
            instance.dropped_elements[d] = true;
            return BulkResult::done;
    }
    MILLRACE_ASSERT(false);
    return BulkResult::done;
}

std::uint32_t end_of(BulkResult bulk) {
    switch (bulk) {
        case BulkResult::memory_trap:
            return static_cast<std::uint32_t>(TrapKind::memory_out_of_bounds);
        case BulkResult::table_trap:
            return static_cast<std::uint32_t>(TrapKind::table_out_of_bounds);
        case BulkResult::exhausted:
            return static_cast<std::uint32_t>(TrapKind::machine_exhausted);
        case BulkResult::done:
        case BulkResult::out_of_fuel:
            break;
    }
    return end_out_of_fuel;
}

/// The usual case of the operations that programs use most; false when there is more to do.
bool copy_or_fill(const NativeContext& context, std::int64_t& fuel, Operation operation,
                  std::uint64_t a, std::uint64_t b, std::uint64_t length) noexcept {
    const auto cost = static_cast<std::int64_t>(wasm::fuel::for_bytes(length));
    if (fuel < cost) return false;
    std::uint64_t size = 0;
    std::memcpy(&size, context.memory + size_cell_offset, sizeof size);
    if (a + length > size) return false;
    if (operation == Operation::memory_fill) {
        std::memset(context.memory + a, static_cast<std::uint8_t>(b), length);
    } else {
        if (b + length > size) return false;
        std::memmove(context.memory + a, context.memory + b, length);
    }
    fuel -= cost;
    return true;
}

MILLRACE_ON_TIER_STACK std::int64_t operate(NativeContext* context, std::int64_t fuel,
                                            std::uint64_t operation, std::uint64_t a,
                                            std::uint64_t b, std::uint64_t c,
                                            std::uint64_t immediate) noexcept {
    const auto which = static_cast<Operation>(operation);
    const bool is_frequent = which == Operation::memory_copy || which == Operation::memory_fill;
    if (is_frequent && copy_or_fill(*context, fuel, which, a, b, c)) return fuel;
    TierRun& run = run_of(context);
    run.take_fuel(fuel);
    if (run.store->fuel_left < 0) leave(run.active, fuel, end_out_of_fuel);
    const BulkResult bulk = operate_here(*static_cast<InstanceData*>(context->instance), which, a,
                                         b, c, immediate, context->values[0]);
    if (bulk != BulkResult::done) leave(run.active, run.fuel(), end_of(bulk));
    return run.fuel();
}

class Tier : public wasm::NativeTier {
  public:
    explicit Tier(ImageSource source) : source_{std::move(source)} {
        directory_.push_back({nullptr, nullptr, nullptr, no_type_id});
        values_.resize(2 * std::max(wasm::params_max, wasm::results_max));
        run_.active.owner = &run_;
        run_.active.at_safe_point = stop_at_safe_point;
    }

    std::unique_ptr<wasm::MemoryRegion> reserve_memory() override {
        std::unique_ptr<Region> region = Region::reserve();
        if (region) run_.active.memories.push_back(region.get());
        return region;
    }

    std::optional<std::string> attach(InstanceData& instance) override {
        auto image = source_(*instance.module);
        if (!image) return image.error().text();
        const wasm::ModuleData& module = instance.module->data();
        if (image.value()->module() !=
            (module.outlined ? *module.outlined : crypto::sha256(module.bytes)))
            return "the compiled code is that of another module";
        if (image.value()->function_count() != module.bodies.size())
            return "the compiled code lacks functions of the module";
        // They could call each other through tables and imports.
        for (const auto& other : attached_) {
            if (other->image->convention() != image.value()->convention())
                return "compiled modules with and without tail calls cannot be linked together";
        }
        if (!prepare_for_faults()) return "this process cannot handle faults of compiled code";
        if (!make_stack(image.value()->stack_bytes()))
            return "this machine has no memory for the module's calls";
        Attached& attached = *attached_.emplace_back(std::make_unique<Attached>());
        attached.image = std::move(image).value();
        const LoadedImage& code = *attached.image;
        const auto begin = reinterpret_cast<std::uintptr_t>(code.code());
        run_.active.code.push_back({begin, begin + code.code_size()});
        for (std::size_t index = 0; index < module.bodies.size(); ++index) {
            wasm::Function& function = *instance.functions[module.imported_functions + index];
            function.native = code.code() + code.function(index).offset;
            function.native_thunk = code.code() + code.function(index).thunk;
            function.native_context = &attached.context;
        }
        fill(attached, instance);
        extend_directory(*instance.store);
        return std::nullopt;
    }

    wasm::Stop run(StoreData& store, wasm::Function& entry) override {
        extend_directory(store);
        run_.store = &store;
        run_.stop = {};
        ActiveRun& active = run_.active;
        active.is_stopped = false;
        active.entry = {
            .thunk = entry.native_thunk,
            .code = entry.native,
            .context = entry.native_context,
            .fuel = run_.fuel(),
            .room = pack_room(store.limits.call_depth_max - 1, store.limits.stack_slots_max),
            .slots = store.slots.get(),
            .stack_top = stack_.data() + stack_.size(),
            .stack_saved = nullptr};
        const std::int64_t fuel = enter(active);
        // Frames of helpers that were left from the middle stay marked in the sanitizer's books.
        if (active.is_stopped) ASAN_UNPOISON_MEMORY_REGION(stack_.data(), stack_.size());
        wasm::Stop stop;
        run_.take_fuel(active.is_stopped ? active.fuel : fuel);
        if (store.fuel_left < 0 || (active.is_stopped && active.end == end_out_of_fuel)) {
            store.fuel_left = 0;
            stop.kind = wasm::Stop::Kind::out_of_fuel;
            return stop;
        }
        if (!active.is_stopped) return stop;
        if (active.end == end_by_host) return std::move(run_.stop);
        stop.kind = wasm::Stop::Kind::trapped;
        stop.trap = static_cast<TrapKind>(active.end);
        return stop;
    }

  private:
    static Callee callee_of(wasm::Function& function) {
        return {function.native, static_cast<NativeContext*>(function.native_context), &function,
                function.type_id};
    }

    void fill(Attached& attached, InstanceData& instance) {
        const wasm::ModuleData& module = instance.module->data();
        for (std::size_t index = 0; index < instance.functions.size(); ++index) {
            wasm::Function& function = *instance.functions[index];
            attached.references.push_back(function.reference);
            if (index < module.imported_functions) attached.imports.push_back(callee_of(function));
        }
        for (wasm::Global* global : instance.globals)
            attached.globals.push_back(&global->bits);
        for (wasm::Table* table : instance.tables)
            attached.tables.push_back(&table->view);
        attached.type_ids.assign(instance.type_ids.begin(), instance.type_ids.end());
        attached.context = {.memory = instance.memory->data(),
                            .directory = nullptr,
                            .imports = attached.imports.data(),
                            .globals = attached.globals.data(),
                            .tables = attached.tables.data(),
                            .type_ids = attached.type_ids.data(),
                            .references = attached.references.data(),
                            .trap = trap,
                            .call_host = call_host,
                            .operate = operate,
                            .values = values_.data(),
                            .instance = &instance,
                            .run = &run_};
    }

    void extend_directory(StoreData& store) {
        for (std::size_t index = directory_.size() - 1; index < store.functions.size(); ++index)
            directory_.push_back(callee_of(*store.functions[index]));
        for (const auto& attached : attached_)
            attached->context.directory = directory_.data();
    }

    bool make_stack(std::uint64_t wanted) {
        // Helpers run on the same stack; host functions are written for a thread's ordinary one.
        constexpr std::uint64_t headroom = 1 << 20;
        constexpr std::uint64_t most = 1ULL << 36;
        if (wanted > most) return false;
        const std::uint64_t size =
            (wanted + headroom + machine_page - 1) / machine_page * machine_page + machine_page;
        if (size <= stack_.size()) return true;
        Mapping larger{static_cast<std::size_t>(size), PROT_READ | PROT_WRITE};
        if (larger.data() == nullptr || mprotect(larger.data(), machine_page, PROT_NONE) != 0)
            return false;
        stack_ = std::move(larger);
        return true;
    }

    ImageSource source_;
    std::deque<std::unique_ptr<Attached>> attached_;
    std::vector<Callee> directory_;
    std::vector<std::uint64_t> values_;
    Mapping stack_;
    TierRun run_;
};

}  // namespace

bool prepare_thread() {
    return prepare_for_faults();
}

std::unique_ptr<wasm::NativeTier> make_tier(ImageSource source) {
    return std::make_unique<Tier>(std::move(source));
}

}  // namespace millrace::aot
