// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "wasm/host.hpp"
#include "wasm/memory.hpp"
#include "wasm/module.hpp"
#include "wasm/trap.hpp"
#include "wasm/values.hpp"

/// Running modules.
///
///     Store store{{.memory_pages_max = 4096}};
///     store.set_fuel_limit(1'000'000'000);
///     Linker linker{store};
///     wasi.define(linker);                                    // or linker.define_function(...)
///     auto instance = linker.instantiate(module);             // may trap or run out in `start`
///     RunOutcome outcome = instance.value()->invoke("_start", {});
///
/// A Store owns everything its instances share and is used by one thread at a time. What a run
/// returns depends only on the modules, the host's answers and the limits: not on the machine.
namespace millrace::wasm {

struct Returned {
    std::vector<Value> values;
};
struct Trapped {
    TrapKind kind = TrapKind::unreachable;
    std::string detail;  ///< for people; not part of a result
    [[nodiscard]] std::string text() const;
};
struct Exited {
    std::uint32_t code = 0;
};
/// The run would need more than its limit; Store::fuel_used() equals the limit then, and the state
/// of its memory is of no use.
struct OutOfFuel {};
using RunOutcome = std::variant<Returned, Trapped, Exited, OutOfFuel>;
/// "returned (i32:7)", "trap: integer divide by zero", "exit 3", "out of fuel"
std::string to_text(const RunOutcome& outcome);

struct StoreLimits {
    std::uint32_t memory_pages_max = 65'536;       ///< per memory, 64 KiB each
    std::uint32_t table_entries_max = 10'000'000;  ///< per table, and a module's tables at first
    std::uint32_t call_depth_max = 10'000;
    std::uint32_t stack_slots_max = 1'048'576;  ///< 8 bytes each
};

struct Function;  // src/wasm/runtime.hpp
struct Table;
struct Global;
struct InstanceData;
struct StoreData;
class NativeTier;  // src/wasm/native_tier.hpp

/// Something to import or export.
struct Extern {
    ExternKind kind = ExternKind::function;
    Function* function = nullptr;  ///< exactly the one named by kind is set
    Table* table = nullptr;
    Memory* memory = nullptr;
    Global* global = nullptr;
};

class Store {
  public:
    explicit Store(StoreLimits limits = {});
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// Everything in this store runs as compiled code (src/aot). Before anything else is added.
    void use(std::unique_ptr<NativeTier> tier);

    /// Fuel over the whole life of the store, instantiation included. At most 2^62.
    void set_fuel_limit(std::uint64_t limit) noexcept;
    [[nodiscard]] std::uint64_t fuel_limit() const noexcept;
    [[nodiscard]] std::uint64_t fuel_used() const noexcept;
    /// False when the limit does not allow it; nothing is charged then.
    [[nodiscard]] bool charge(std::uint64_t fuel) noexcept;

    // What a host offers. The Extern stays valid as long as the store.
    Extern add_function(HostFunction function);
    Extern add_table(TableType type);                 ///< filled with null
    std::optional<Extern> add_memory(Limits limits);  ///< null when the machine has none left
    Extern add_global(GlobalType type, Value initial);
    [[nodiscard]] Value global_value(const Extern& global) const noexcept;

    /// Runs a function from outside. Arguments must match its type: see function_type().
    RunOutcome invoke(const Extern& function, std::span<const Value> args);
    [[nodiscard]] const FuncType& function_type(const Extern& function) const noexcept;

    [[nodiscard]] StoreData& data() noexcept { return *data_; }
    [[nodiscard]] const StoreData& data() const noexcept { return *data_; }

  private:
    std::unique_ptr<StoreData> data_;
};

/// An instantiated module; owned by its Store.
class Instance {
  public:
    explicit Instance(std::unique_ptr<InstanceData> data);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    [[nodiscard]] const Module& module() const noexcept;
    [[nodiscard]] std::optional<Extern> find_export(std::string_view name) const;
    /// The instance's memory (imported or own); null if it has none.
    [[nodiscard]] Memory* memory() noexcept;
    /// Traps with host_error and a detail when there is no such function, or the arguments do not
    /// match its type.
    RunOutcome invoke(std::string_view name, std::span<const Value> args);

    [[nodiscard]] InstanceData& data() noexcept { return *data_; }

  private:
    std::unique_ptr<InstanceData> data_;
};

enum class LinkErrorKind : std::uint8_t {
    missing_import,
    incompatible_import,
    machine_exhausted,  ///< no memory to give; never a result
    not_compiled,       ///< the store's native tier has no code for the module; never a result
    over_limit,         ///< the module's initial memory or table is larger than the task allows
    stopped,            ///< a segment or the start function trapped, exited, or ran out of fuel
};

struct LinkError {
    LinkErrorKind kind = LinkErrorKind::missing_import;
    std::string message;  ///< "unknown import env.log: func (i32) -> ()"
    RunOutcome outcome;   ///< for `stopped`
};

/// Names under which modules find what they import.
class Linker {
  public:
    explicit Linker(Store& store) noexcept : store_{store} {}

    void define(std::string module, std::string name, Extern value);
    void define_function(std::string module, std::string name, HostFunction function);
    /// Offers every export of `instance` under the module name `as`.
    void define_instance(const std::string& as, Instance& instance);

    /// Imports that this linker cannot satisfy, as text; empty when all is well. For one clear
    /// message before anything runs.
    [[nodiscard]] std::vector<std::string> missing(const Module& module) const;

    /// Links, initialises and runs the start function. The instance belongs to the store, also
    /// when its initialisation stopped half-way (its functions may lie in shared tables).
    Result<Instance*, LinkError> instantiate(std::shared_ptr<const Module> module);

  private:
    Store& store_;
    std::map<std::pair<std::string, std::string>, Extern> externs_;
};

}  // namespace millrace::wasm
