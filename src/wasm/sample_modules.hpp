// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "wasm/values.hpp"

/// For tests: writes small modules in the binary format.
namespace millrace::wasm {

class ModuleWriter {
  public:
    /// Adds a function with a type of its own, exported under `name` unless that is empty. `code`
    /// is the body without local declarations, with its final `end`.
    ModuleWriter& function(std::string_view name, const FuncType& type, Bytes code,
                           std::uint32_t i32_locals = 0, std::uint32_t i64_locals = 0) {
        add_function(name, {add_type(type), std::move(code), i32_locals, i64_locals});
        return *this;
    }
    /// The same, of a body that starts with its own declaration of locals.
    ModuleWriter& whole_function(std::string_view name, const FuncType& type, Bytes body) {
        add_function(name, {add_type(type), std::move(body), 0, 0, true});
        return *this;
    }
    /// Before any function().
    ModuleWriter& import(std::string_view module, std::string_view name, const FuncType& type) {
        text(import_entries_, module);
        text(import_entries_, name);
        import_entries_.push_back(0);
        number(import_entries_, add_type(type));
        ++imports_;
        return *this;
    }
    ModuleWriter& memory(std::uint32_t min, std::uint32_t max) {
        memory_ = Bytes{1, 1};
        number(memory_, min);
        number(memory_, max);
        return *this;
    }
    /// A table of `size` funcrefs whose first entries are the functions named.
    ModuleWriter& table(std::uint32_t size, const std::vector<std::uint32_t>& functions) {
        table_ = Bytes{1, 0x70, 0};
        number(table_, size);
        elements_ = Bytes{1, 0, 0x41, 0, 0x0b};
        number(elements_, static_cast<std::uint32_t>(functions.size()));
        for (const std::uint32_t function : functions)
            number(elements_, function);
        return *this;
    }

    [[nodiscard]] Bytes bytes() const {
        Bytes module{0, 'a', 's', 'm', 1, 0, 0, 0};
        Bytes types;
        number(types, type_count_);
        append(types, types_);
        section(module, 1, types);
        if (imports_ > 0) section(module, 2, counted(imports_, import_entries_));
        Bytes indices;
        Bytes bodies;
        for (const Written& written : functions_) {
            number(indices, written.type);
            Bytes body;
            if (!written.is_whole)
                number(body,
                       (written.i32_locals > 0 ? 1U : 0U) + (written.i64_locals > 0 ? 1U : 0U));
            locals(body, written.i32_locals, ValueType::i32);
            locals(body, written.i64_locals, ValueType::i64);
            append(body, written.code);
            number(bodies, static_cast<std::uint32_t>(body.size()));
            append(bodies, body);
        }
        const auto count = static_cast<std::uint32_t>(functions_.size());
        section(module, 3, counted(count, indices));
        if (!table_.empty()) section(module, 4, table_);
        if (!memory_.empty()) section(module, 5, memory_);
        section(module, 7, counted(exports_, export_entries_));
        if (!elements_.empty()) section(module, 9, elements_);
        section(module, 10, counted(count, bodies));
        return module;
    }

    static void number(Bytes& target, std::uint32_t value) {
        for (; value >= 0x80; value >>= 7U)
            target.push_back(static_cast<std::uint8_t>(value | 0x80U));
        target.push_back(static_cast<std::uint8_t>(value));
    }
    static void append(Bytes& target, const Bytes& more) {
        target.insert(target.end(), more.begin(), more.end());
    }

  private:
    struct Written {
        std::uint32_t type;
        Bytes code;
        std::uint32_t i32_locals;
        std::uint32_t i64_locals;
        bool is_whole = false;
    };

    void add_function(std::string_view name, Written written) {
        functions_.push_back(std::move(written));
        if (name.empty()) return;
        Bytes entry;
        text(entry, name);
        entry.push_back(0);
        number(entry, imports_ + static_cast<std::uint32_t>(functions_.size()) - 1);
        append(export_entries_, entry);
        ++exports_;
    }

    std::uint32_t add_type(const FuncType& type) {
        types_.push_back(0x60);
        for (const auto* list : {&type.params, &type.results}) {
            number(types_, static_cast<std::uint32_t>(list->size()));
            for (const ValueType entry : *list)
                types_.push_back(static_cast<std::uint8_t>(entry));
        }
        return type_count_++;
    }
    static void locals(Bytes& body, std::uint32_t count, ValueType type) {
        if (count == 0) return;
        number(body, count);
        body.push_back(static_cast<std::uint8_t>(type));
    }
    static void text(Bytes& target, std::string_view value) {
        number(target, static_cast<std::uint32_t>(value.size()));
        append(target, to_bytes(as_bytes(value)));
    }
    static Bytes counted(std::uint32_t count, const Bytes& entries) {
        Bytes result;
        number(result, count);
        append(result, entries);
        return result;
    }
    static void section(Bytes& module, std::uint8_t id, const Bytes& content) {
        module.push_back(id);
        number(module, static_cast<std::uint32_t>(content.size()));
        append(module, content);
    }

    Bytes types_;
    Bytes import_entries_;
    Bytes export_entries_;
    Bytes memory_;
    Bytes table_;
    Bytes elements_;
    std::uint32_t type_count_ = 0;
    std::uint32_t imports_ = 0;
    std::uint32_t exports_ = 0;
    std::vector<Written> functions_;
};

}  // namespace millrace::wasm
