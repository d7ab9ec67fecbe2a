// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "wasm/instance.hpp"
#include "wasm/ir.hpp"
#include "wasm/module_data.hpp"
#include "wasm/native_tier.hpp"

/// The state behind Store and Instance, shared by linking and the interpreter.
namespace millrace::wasm {

struct Function {
    std::uint32_t type_id = 0;  ///< equal for equal types within a store
    const FuncType* type = nullptr;
    std::uint64_t reference = 0;       ///< 1 + index in StoreData::functions
    InstanceData* instance = nullptr;  ///< null for a host function
    const Body* body = nullptr;
    std::unique_ptr<Code> code;          ///< null until the first call
    std::unique_ptr<HostFunction> host;  ///< null for a module's function
    // Set by a NativeTier for a module's function.
    const void* native = nullptr;
    const void* native_thunk = nullptr;
    void* native_context = nullptr;
};

/// Where compiled code finds a table's entries.
struct TableView {
    const std::uint64_t* entries = nullptr;
    std::uint64_t count = 0;
};

struct Table {
    TableType type;
    std::uint32_t entries_max = 0;
    std::vector<std::uint64_t> entries;
    TableView view;

    /// The only way to change the number of entries.
    void resize(std::size_t count, std::uint64_t value) {
        entries.resize(count, value);
        view = {entries.data(), entries.size()};
    }
};

struct Global {
    GlobalType type;
    std::uint64_t bits = 0;
    std::uint64_t high = 0;  ///< the upper half of a v128
};

struct InstanceData {
    std::shared_ptr<const Module> module;
    StoreData* store = nullptr;
    Instance* self = nullptr;
    std::vector<Function*> functions;
    std::vector<Table*> tables;
    std::vector<Memory*> memories;
    std::vector<Global*> globals;
    std::vector<std::uint32_t> type_ids;
    std::vector<bool> dropped_elements;
    std::vector<bool> dropped_data;
    Memory* memory = nullptr;  ///< the store's empty memory if there is none
};

/// What a return needs: the caller's side of a call.
struct CallFrame {
    const Instr* ip = nullptr;
    std::uint64_t* slots = nullptr;
    InstanceData* instance = nullptr;
    const Code* code = nullptr;
};

/// Where a run stands between two instructions; with memory, slots, frames, globals, tables and
/// fuel the whole state of a run.
struct Machine {
    const Instr* ip = nullptr;
    std::uint64_t* slots = nullptr;
    InstanceData* instance = nullptr;
    const Code* code = nullptr;
    CallFrame* frame = nullptr;  ///< the first free one
    // Of a step that does its work in parts of step_bytes_max; only while a Watch runs.
    std::uint64_t progress = 0;      ///< done of the bulk instruction or host call at ip
    std::uint32_t locals_left = 0;   ///< at ip, not yet cleared
    std::uint32_t locals_first = 0;  ///< relative to slots
};

struct FreeSlots {
    void operator()(std::uint64_t* pointer) const noexcept { std::free(pointer); }
};

struct StoreData {
    StoreLimits limits;
    Store* self = nullptr;
    std::map<std::pair<std::vector<ValueType>, std::vector<ValueType>>, std::uint32_t> type_ids;
    std::deque<Function> function_storage;
    std::vector<Function*> functions;
    std::deque<Table> tables;
    std::deque<std::unique_ptr<Memory>> memories;
    std::deque<Global> globals;
    std::deque<std::unique_ptr<Instance>> instances;
    std::unique_ptr<Memory> no_memory;

    std::uint64_t fuel_limit = 0;
    /// May be negative after a metering block overdrew it; the next check ends the run.
    std::int64_t fuel_left = 0;
    bool is_running = false;
    std::unique_ptr<std::uint64_t[], FreeSlots> slots;  ///< zero until they are used
    std::unique_ptr<CallFrame[]> frames;
    /// Slots below this may have been used; raised before a frame goes beyond.
    std::uint32_t slots_high = 0;
    Machine machine;
    /// A run stops at the first safe point where fuel_left < fuel_hold.
    std::int64_t fuel_hold = 0;
    /// Called at such a safe point; it sets the next fuel_hold.
    std::function<void(StoreData&)> at_safe_point;
    std::unique_ptr<NativeTier> native;  ///< null: everything is interpreted

    std::uint32_t type_id(const FuncType& type);
    Function& new_function(const FuncType& type);
};

class Watch;  // src/wasm/watch.hpp

/// Runs a module's function whose arguments lie in the store's first slots; its results replace
/// them. Uses no native stack per WebAssembly call.
Stop interpret(StoreData& store, Function& entry);

/// Where the outermost call returns to.
extern const Instr halt_instr;

/// Starts `entry`, or with null goes on from StoreData::machine, until the run ends or comes to a
/// safe point with less fuel than is held back; machine says where. With `watch`, until its steps
/// are used up or it refuses one.
Stop advance(StoreData& store, Function* entry, Watch* watch);

/// Calls a host function with arguments at `slots`, and puts its results there.
Stop call_host(StoreData& store, Function& function, InstanceData* caller, std::uint64_t* slots);
/// One part of it: `again` while the function has work left.
Stop call_host_once(StoreData& store, Function& function, InstanceData* caller,
                    std::uint64_t* slots);

// Instructions that the interpreter leaves to plain functions. Each checks bounds, then charges,
// then acts.
enum class BulkResult : std::uint8_t { done, memory_trap, table_trap, out_of_fuel, exhausted };
BulkResult memory_init(InstanceData& instance, std::uint32_t segment, std::uint64_t target,
                       std::uint64_t source, std::uint64_t length);
BulkResult memory_copy(InstanceData& instance, std::uint64_t target, std::uint64_t source,
                       std::uint64_t length);
BulkResult memory_fill(InstanceData& instance, std::uint64_t target, std::uint8_t value,
                       std::uint64_t length);
BulkResult memory_grow(InstanceData& instance, std::uint32_t delta, std::uint32_t& result);
BulkResult table_init(InstanceData& instance, std::uint32_t table, std::uint32_t segment,
                      std::uint64_t target, std::uint64_t source, std::uint64_t length);
BulkResult table_copy(InstanceData& instance, std::uint32_t target_table,
                      std::uint32_t source_table, std::uint64_t target, std::uint64_t source,
                      std::uint64_t length);
BulkResult table_fill(InstanceData& instance, std::uint32_t table, std::uint64_t target,
                      std::uint64_t value, std::uint64_t length);
BulkResult table_grow(InstanceData& instance, std::uint32_t table, std::uint64_t value,
                      std::uint32_t delta, std::uint32_t& result);

/// The same instructions for a watched run, at most step_bytes_max at a time; how far it has come
/// is Machine::progress. Results go to their slot.
struct BulkStep {
    enum class Kind : std::uint8_t { ended, again, refused };
    Kind kind = Kind::ended;
    BulkResult result = BulkResult::done;  ///< when it ended
    constexpr BulkStep(BulkResult ended) noexcept : result{ended} {}
    constexpr BulkStep(Kind how) noexcept : kind{how} {}
};
BulkStep bulk_step(StoreData& store, Watch& watch, const Instr& instr, std::uint64_t* slots);

/// The value of an element of a segment in this instance.
std::uint64_t element_value(const InstanceData& instance, const ElementInit& element) noexcept;

}  // namespace millrace::wasm
