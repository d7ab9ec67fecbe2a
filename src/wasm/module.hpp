// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wasm/values.hpp"

/// A decoded and validated WebAssembly module of profile det-1 (docs/formats/profile.md).
///
///     const auto module = Module::load(bytes);
///     if (!module) return failure(module.error().text());
///     for (const ImportInfo& import : module.value()->imports()) ...
///
/// Loading is total: every function body is validated before load() returns, and every bound of
/// the profile is checked, so that nothing found later can depend on which functions ran.
/// A hostile module costs time linear in its size; no recursion on input. What was validated here
/// before and is machine code now need not be again: load_outline().
namespace millrace::wasm {

enum class ModuleErrorKind : std::uint8_t {
    malformed,    ///< not a module in the binary format (specification chapter 5)
    invalid,      ///< well-formed, but against the validation rules (chapter 3)
    unsupported,  ///< uses a feature that the profile does not have; the message names it
    over_limit,   ///< beyond a bound of the profile
};
std::string_view to_text(ModuleErrorKind kind) noexcept;

struct ModuleError {
    ModuleErrorKind kind = ModuleErrorKind::malformed;
    std::uint64_t offset = 0;  ///< position in the module's bytes
    std::string message;       ///< "unknown local 7 in function 12"

    /// "the module is invalid: unknown local 7 in function 12 (at byte 1234)"
    [[nodiscard]] std::string text() const;
};

enum class ExternKind : std::uint8_t { function = 0, table = 1, memory = 2, global = 3 };
std::string_view to_text(ExternKind kind) noexcept;

struct ImportInfo {
    std::string_view module;  ///< these views live as long as the Module
    std::string_view name;
    ExternKind kind = ExternKind::function;
    std::string type;  ///< "func (i32, i32) -> (i32)", "memory 1..16", "global mut i64"
};

struct ExportInfo {
    std::string_view name;
    ExternKind kind = ExternKind::function;
    std::string type;
};

/// Counts for `wasm inspect`.
struct ModuleReport {
    std::uint64_t bytes = 0;
    std::uint64_t code_bytes = 0;
    std::uint32_t types = 0;
    std::uint32_t imports = 0;
    std::uint32_t functions = 0;  ///< defined in the module, without imports
    std::uint32_t tables = 0;
    std::uint32_t memories = 0;
    std::uint32_t globals = 0;
    std::uint32_t exports = 0;
    std::uint32_t element_segments = 0;
    std::uint32_t data_segments = 0;
    std::uint32_t custom_sections = 0;
    std::uint32_t memory_pages_min = 0;
    bool has_start = false;
};

struct ModuleData;  // src/wasm/module_data.hpp, for the engine

class Module {
  public:
    /// Copies the bytes it needs; `bytes` may go away afterwards.
    static Result<std::shared_ptr<const Module>, ModuleError> load(ByteView bytes);

    /// The same of an outline (outline.hpp), in time that its functions' code has no part in; runs
    /// as machine code only. `module` is the SHA-256 of the module it was made of.
    static Result<std::shared_ptr<const Module>, ModuleError> load_outline(ByteView bytes,
                                                                           const Hash32& module);

    explicit Module(std::unique_ptr<ModuleData> data);
    ~Module();
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    [[nodiscard]] std::vector<ImportInfo> imports() const;
    [[nodiscard]] std::vector<ExportInfo> exports() const;
    /// Null if there is no such export.
    [[nodiscard]] std::optional<ExportInfo> find_export(std::string_view name) const;
    /// The type of an exported function; null if `name` is not one.
    [[nodiscard]] const FuncType* exported_function(std::string_view name) const;
    [[nodiscard]] ModuleReport report() const;

    [[nodiscard]] const ModuleData& data() const noexcept { return *data_; }

  private:
    std::unique_ptr<ModuleData> data_;
};

}  // namespace millrace::wasm
