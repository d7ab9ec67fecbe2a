// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// Millrace's WebAssembly engine in your program: one header, one library (docs/embedding.md).
///
///     auto module = millrace::engine::Module::load(bytes);
///     if (!module) return complain(module.error().text());
///     auto result = millrace::engine::run(*module, {.arguments = {"--fast"}});   // a WASI program
///     auto plugin = millrace::engine::Instance::create(*module, {.imports = {...}}); // or calls
///     auto answer = plugin->call("area", {Value::f64(2)});
///
/// What a module computes depends on its bytes and on what you give it, and on nothing else: not on
/// the machine, the clock or the tier. Every instruction is counted (fuel), so that a limit ends a
/// run at the same instruction everywhere; memory and output have limits as well. A module reaches
/// its own memory and the functions that you offer, nothing more. It runs in this process: if a
/// fault of the engine itself worries you, run it through `millrace wasm run`, which puts a process
/// and a system-call filter around it (docs/sandbox.md).
///
/// Profile det-1: WebAssembly 2.0 with SIMD and tail calls; docs/formats/profile.md names what is
/// refused. Nothing here throws, except std::bad_alloc. An object is used by one thread at a time;
/// Module and MachineCode are handles to something that never changes, and may be copied to others.
namespace millrace::engine {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

/// For a person to read.
struct Error {
    std::string what;    ///< "the module is invalid: unknown local 7 in function 12 (at byte 1234)"
    std::string where;   ///< file or name; may be empty
    std::string remedy;  ///< what to do; may be empty
    [[nodiscard]] std::string text() const;  ///< one line of all three
};

/// A T, or why there is none. Ask before you take: a wrong * or error() ends the program.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : held_{std::in_place_index<0>, std::move(value)} {}
    Result(Error error) : held_{std::in_place_index<1>, std::move(error)} {}
    [[nodiscard]] explicit operator bool() const noexcept { return held_.index() == 0; }
    [[nodiscard]] T& operator*() noexcept { return *checked(std::get_if<0>(&held_)); }
    [[nodiscard]] const T& operator*() const noexcept { return *checked(std::get_if<0>(&held_)); }
    [[nodiscard]] T* operator->() noexcept { return &**this; }
    [[nodiscard]] const T* operator->() const noexcept { return &**this; }
    [[nodiscard]] const Error& error() const noexcept { return *checked(std::get_if<1>(&held_)); }

  private:
    template <typename U>
    static U* checked(U* pointer) noexcept {
        if (pointer == nullptr) __builtin_trap();
        return pointer;
    }
    std::variant<T, Error> held_;
};

/// A decoded and validated module. Loading looks at every function; a hostile one costs time linear
/// in its size.
class Module {
  public:
    static Result<Module> load(BytesView bytes);
    /// "env.log: func (i32, i32) -> ()", in the module's order.
    [[nodiscard]] std::vector<std::string> imports() const;
    [[nodiscard]] std::vector<std::string> exports() const;
    [[nodiscard]] const Bytes& bytes() const noexcept;

    struct State;
    [[nodiscard]] const State& state() const noexcept { return *state_; }

  private:
    explicit Module(std::shared_ptr<const State> state) noexcept : state_{std::move(state)} {}
    std::shared_ptr<const State> state_;
};

/// A module as machine code: the same results and fuel as interpreted, some ten times faster. Only
/// on Linux, x86-64 (docs/formats/compiled.md).
class MachineCode {
  public:
    struct Compiler {
        std::string program{};  ///< empty: ../libexec/millrace-compile beside this program
        std::uint32_t seconds_max = 600;  ///< then it is stopped
    };
    /// In a process of its own, which is locked in like a task: `module` may be hostile. An Error
    /// when there is no such program here: the interpreter needs none.
    static Result<MachineCode> compile(const Module& module, const Compiler& compiler);
    static Result<MachineCode> compile(const Module& module) { return compile(module, Compiler{}); }
    /// What bytes() or `millrace wasm compile` gave. It is checked for damage and for being made by
    /// this version, but it is code that will run: take it only from whom you trust.
    static Result<MachineCode> load(BytesView bytes);
    /// To be kept for the next start.
    [[nodiscard]] const Bytes& bytes() const noexcept;

    struct State;
    [[nodiscard]] const State& state() const noexcept { return *state_; }

  private:
    explicit MachineCode(std::shared_ptr<const State> state) noexcept : state_{std::move(state)} {}
    std::shared_ptr<const State> state_;
};

struct Limits {
    std::uint64_t fuel = std::uint64_t{1} << 36;
    std::uint64_t memory_bytes = std::uint64_t{1} << 30;
    std::uint64_t output_bytes = std::uint64_t{256} << 20;  ///< of a task: files and streams
};

// ---- a WASI program, run once ------------------------------------------------------------------

struct File {
    std::string path;  ///< relative, '/'-separated, without "." and ".."
    Bytes content;
};

struct Task {
    std::vector<std::string> arguments{};  ///< after the program's name
    std::vector<std::pair<std::string, std::string>> environment{};
    std::vector<File> files{};  ///< what the program sees below /
    Bytes standard_input{};
    Limits limits{};
    /// Of the program's randomness; absent: from module, arguments, environment and files, as on a
    /// network.
    std::optional<std::array<std::uint8_t, 32>> seed{};
};

enum class TaskEnd : std::uint8_t { exited, trapped, out_of_fuel, limit_exceeded };

struct TaskResult {
    TaskEnd end = TaskEnd::exited;
    std::uint32_t code = 0;  ///< the program's own, when it exited
    std::string text;        ///< "trap: integer divide by zero"; empty when it exited
    std::uint64_t fuel = 0;
    /// Equal here, in `millrace wasm run` and at any provider (docs/formats/result.md).
    std::array<std::uint8_t, 32> result_id{};
    std::vector<File> files;           ///< made or changed, by path; empty unless it exited
    std::vector<std::string> deleted;  ///< of the task's files
    Bytes standard_output;
    Bytes standard_error;
};

/// Runs `_start`. An Error means that there is no result: the module is no WASI preview 1 program,
/// the task's files are no tree, or this machine has not the memory. How the program ends, by a
/// trap or a limit too, is a result. `code` may be null: then it is interpreted.
Result<TaskResult> run(const Module& module, const Task& task, const MachineCode* code = nullptr);

// ---- functions in both directions --------------------------------------------------------------

enum class Type : std::uint8_t { i32, i64, f32, f64 };

/// A number's type and bits; those of a NaN survive.
struct Value {
    Type type = Type::i32;
    std::uint64_t bits = 0;
    static constexpr Value i32(std::uint32_t value) noexcept { return {Type::i32, value}; }
    static constexpr Value i64(std::uint64_t value) noexcept { return {Type::i64, value}; }
    static constexpr Value f32(float value) noexcept {
        return {Type::f32, std::bit_cast<std::uint32_t>(value)};
    }
    static constexpr Value f64(double value) noexcept {
        return {Type::f64, std::bit_cast<std::uint64_t>(value)};
    }
    [[nodiscard]] constexpr std::uint32_t as_i32() const noexcept {
        return static_cast<std::uint32_t>(bits);
    }
    [[nodiscard]] constexpr std::uint64_t as_i64() const noexcept { return bits; }
    [[nodiscard]] constexpr float as_f32() const noexcept { return std::bit_cast<float>(as_i32()); }
    [[nodiscard]] constexpr double as_f64() const noexcept { return std::bit_cast<double>(bits); }
    bool operator==(const Value&) const = default;
};

/// What a host function sees of the instance that calls it; good until it returns.
class Caller {
  public:
    /// `size` bytes of its memory from `address` on; absent when they leave it. Check what a module
    /// hands you: it may be any number.
    [[nodiscard]] std::optional<BytesView> read(std::uint64_t address, std::uint64_t size) const;
    [[nodiscard]] bool write(std::uint64_t address, BytesView bytes);
    /// For work that grows with the arguments. False: return HostEnd::out_of_fuel(), undone.
    [[nodiscard]] bool charge(std::uint64_t fuel);
    [[nodiscard]] std::uint64_t fuel_used() const;

    explicit Caller(void* context) noexcept : context_{context} {}

  private:
    void* context_;
};

/// How a host function ends.
struct HostEnd {
    enum class Kind : std::uint8_t { done, trapped, exited, out_of_fuel };
    Kind kind = Kind::done;
    std::string text{};
    std::uint32_t code = 0;
    static HostEnd done() { return {}; }
    static HostEnd trap(std::string why) { return {Kind::trapped, std::move(why), 0}; }
    static HostEnd exit(std::uint32_t code) { return {Kind::exited, {}, code}; }
    static HostEnd out_of_fuel() { return {Kind::out_of_fuel, {}, 0}; }
};

/// A function of yours under the name that modules import it by. It gets arguments and results of
/// the stated types (results start as zeros), must not throw, and cannot call the instance.
struct Import {
    std::string module;
    std::string name;
    std::vector<Type> parameters{};
    std::vector<Type> results{};
    std::function<HostEnd(Caller&, std::span<const Value>, std::span<Value>)> call;
    std::uint64_t fuel = 100;  ///< of each call, before `call`
};

struct CallResult {
    enum class Kind : std::uint8_t { returned, trapped, exited, out_of_fuel };
    Kind kind = Kind::returned;
    std::vector<Value> values;
    std::string text;        ///< "returned (i32:7)", "trap: unreachable", "out of fuel"
    std::uint32_t code = 0;  ///< when a host function ended the run by exit
};

struct InstanceOptions {
    std::vector<Import> imports{};
    Limits limits{};
    const MachineCode* code = nullptr;  ///< may be null: interpreted
};

/// A module with memory and globals of its own, whose functions you call as often as you like.
class Instance {
  public:
    /// Links and runs the start function; an import that is missing or of another type is an Error
    /// that names it, and so is a trap or the end of fuel in the start function.
    static Result<Instance> create(const Module& module, const InstanceOptions& options);
    Instance(Instance&&) noexcept;
    Instance& operator=(Instance&&) noexcept;
    ~Instance();

    /// An Error when there is no such export or the arguments do not fit; else how it ended. After
    /// anything but `returned` the instance's memory is as the run left it: mostly to be thrown
    /// away.
    Result<CallResult> call(std::string_view name, std::span<const Value> arguments);
    Result<CallResult> call(std::string_view name, std::initializer_list<Value> arguments) {
        return call(name, std::span<const Value>{arguments.begin(), arguments.size()});
    }

    /// Since create(), over all calls.
    [[nodiscard]] std::uint64_t fuel_used() const;
    /// The new limit counts from create() too: fuel_used() + what the next call may take.
    void set_fuel_limit(std::uint64_t fuel);

    [[nodiscard]] std::uint64_t memory_size() const;
    [[nodiscard]] std::optional<BytesView> read(std::uint64_t address, std::uint64_t size) const;
    [[nodiscard]] bool write(std::uint64_t address, BytesView bytes);

  private:
    struct State;
    explicit Instance(std::unique_ptr<State> state) noexcept;
    std::unique_ptr<State> state_;
};

/// Whether machine code runs on this processor and system.
[[nodiscard]] bool can_run_machine_code() noexcept;

}  // namespace millrace::engine
