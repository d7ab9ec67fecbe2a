// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "wasm/decode.hpp"
#include "wasm/profile.hpp"

/// The decoder of modules, section by section (specification chapter 5). For the engine's own
/// decode*.cpp only.
namespace millrace::wasm::decoding {

enum class Section : std::uint8_t {
    custom,
    type,
    import,
    function,
    table,
    memory,
    global,
    export_,
    start,
    element,
    code,
    data,
    data_count,
    tag
};

/// Place in the required order; specification 5.5.2.
constexpr int section_order(Section section) {
    switch (section) {
        case Section::custom:
            return 0;
        case Section::type:
            return 1;
        case Section::import:
            return 2;
        case Section::function:
            return 3;
        case Section::table:
            return 4;
        case Section::memory:
            return 5;
        case Section::tag:
            return 6;
        case Section::global:
            return 7;
        case Section::export_:
            return 8;
        case Section::start:
            return 9;
        case Section::element:
            return 10;
        case Section::data_count:
            return 11;
        case Section::code:
            return 12;
        case Section::data:
            return 13;
    }
    return 0;
}

class Decoder {
  public:
    Decoder(ModuleData& module, ModuleError& error)
        : module_{module},
          error_{error},
          reader_{module.bytes.data(), 0, module.bytes.size(), error, failed_} {}

    bool run();

  private:
    void header();
    void section();
    void content(Section section);

    /// Reads a vector's length and checks it against the profile.
    std::uint32_t count(std::uint64_t already, std::uint32_t most, std::string_view what);
    void types();
    void value_types(std::vector<ValueType>& types, std::uint32_t most, std::string_view what);
    void imports();
    std::uint32_t type_index();
    Limits limits(std::string_view what);
    TableType table_type();
    Limits memory_type();
    GlobalType global_type();
    void functions();
    void tables();
    void memories();
    void globals();
    void exports();
    void declare(std::uint32_t function);
    void start();
    std::uint32_t function_index();

    // One constant expression of the given type; specification 3.3.10 with extended constants.
    ConstExpr const_expr(ValueType expected);
    void arithmetic(std::vector<ValueType>& stack, ValueType type);
    void not_constant(std::size_t at, std::uint8_t opcode, std::uint32_t code);
    void elements();

    // Specification 5.5.12: three flag bits.
    void element();
    ElementInit element_index();
    ElementInit element_expr(ValueType type);
    void code();
    void data();
    void finish();

    ModuleData& module_;
    ModuleError& error_;
    bool failed_ = false;
    Reader reader_;
    int last_order_ = 0;
    std::uint64_t elements_ = 0;
};

}  // namespace millrace::wasm::decoding
