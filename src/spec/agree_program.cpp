// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree_program.hpp"

#include "wasm/simd_ops.hpp"

namespace millrace::spec {

using enum wasm::ValueType;
namespace op = wasm::op;

AgreeProgram::AgreeProgram(std::uint64_t seed, Size size)
    : prng_{seed}, is_small_{size == Size::small} {}

AgreeProgram::Type AgreeProgram::number_type() {
    static constexpr Type types[] = {i32, i64, f32, f64};
    return types[pick(4)];
}
AgreeProgram::Type AgreeProgram::any_type() {
    return chance(4) ? v128 : number_type();
}

void AgreeProgram::plan() {
    is_portable_ = chance(8);
    types_.push_back({{i32, i64}, {i64}});  // env.host
    types_.push_back({{i64, i64}, {i64}});  // "f"
    if (!is_portable_) {
        types_.back().results.clear();
        for (std::uint32_t left = 1 + pick(3); left > 0; --left)
            types_.back().results.push_back(any_type());
    }
    const auto some = [this](std::uint32_t most) {
        Types list;
        for (std::uint32_t left = pick(most + 1); left > 0; --left)
            list.push_back(any_type());
        return list;
    };
    // Few: each costs the compiler a function that enters it, and one that calls a host's.
    for (std::uint32_t left = is_small_ ? 1 : 1 + pick(2); left > 0; --left)
        types_.push_back({some(3), {any_type()}});
    // Of functions and blocks with more values, rarely with so many that carrying them costs.
    for (std::uint32_t left = pick(2); left > 0; --left)
        types_.push_back({some(2), some(3)});
    if (!is_small_ && chance(12)) {
        const Type type = any_type();
        types_.push_back({some(2), Types(9 + pick(9), type)});
    }
    types_written_ = static_cast<std::uint32_t>(types_.size());
    functions_.push_back(1);
    for (std::uint32_t left = pick(is_small_ ? 2 : 4); left > 0; --left)
        functions_.push_back(first_type + pick(types_written_ - first_type));
    has_start_ = chance(8);
    if (has_start_) {
        functions_.push_back(static_cast<std::uint32_t>(types_.size()));
        types_.push_back({{}, {}});
    }
    written_ = static_cast<std::uint32_t>(functions_.size());
    // Helpers that give NaNs their one form: f32, f64, lanes of both.
    for (const Type type : {f32, f64, v128, v128}) {
        if (!is_portable_) break;
        functions_.push_back(static_cast<std::uint32_t>(types_.size()));
        types_.push_back({{type}, {type}});
    }
    pages_max_ = 1 + pick(3);
    globals_ = {i32, i32, i64, i64, f32, f64, v128, funcref};
}

Bytes AgreeProgram::module() {
    plan();
    std::vector<Bytes> bodies;
    bodies.reserve(functions_.size());
    for (std::uint32_t function = 0; function < written_; ++function)
        bodies.push_back(body(function));
    if (is_portable_) {
        bodies.push_back(canonical_function(f32));
        bodies.push_back(canonical_function(f64));
        for (const bool is_double : {false, true}) {
            CodeWriter code;
            code.put({0, op::local_get, 0});
            code.prefixed(op::prefix_fd, wasm::op_fd::v128_const);
            for (int half = 0; half < 2; ++half)
                code.word(is_double ? 0x7ff8000000000000 : 0x7fc000007fc00000, 8);
            code.put({op::local_get, 0, op::local_get, 0});
            code.prefixed(op::prefix_fd, is_double ? 0x47 : 0x41);  // eq
            code.prefixed(op::prefix_fd, 0x52);                     // bitselect
            code.put({op::end});
            bodies.push_back(code.take());
        }
    }
    CodeWriter made;
    made.put({0, 'a', 's', 'm', 1, 0, 0, 0});
    made.section(1, types_section());
    {
        CodeWriter imports;
        imports.number(1);
        imports.text("env");
        imports.text("host");
        imports.put({0, 0});
        made.section(2, imports.bytes());
    }
    {
        CodeWriter list;
        list.number(functions_.size());
        for (const std::uint32_t type : functions_)
            list.number(type);
        made.section(3, list.bytes());
    }
    made.section(4, tables_section());
    made.section(5, {1, 1, 1, static_cast<std::uint8_t>(pages_max_)});
    made.section(6, globals_section());
    made.section(7, exports_section());
    if (has_start_) {
        CodeWriter start;
        start.number(function_index(written_ - 1));
        made.section(8, start.bytes());
    }
    made.section(9, elements_section());
    made.section(12, {2});
    {
        CodeWriter list;
        list.number(bodies.size());
        for (const Bytes& one : bodies)
            list.sized(one);
        made.section(10, list.bytes());
    }
    made.section(11, data_section());
    return made.take();
}

Bytes AgreeProgram::types_section() const {
    CodeWriter list;
    list.number(types_.size());
    for (const Signature& signature : types_) {
        list.put({0x60});
        for (const Types* values : {&signature.params, &signature.results}) {
            list.number(values->size());
            for (const Type type : *values)
                list.type(type);
        }
    }
    return list.bytes();
}

Bytes AgreeProgram::tables_section() const {
    CodeWriter list;
    list.number(2);
    list.put({0x70, 1, table_entries, table_entries + 4});
    list.put({0x70, 1, 3, 6});
    return list.bytes();
}

Bytes AgreeProgram::globals_section() {
    code_ = {};
    code_.number(globals_.size());
    for (const Type type : globals_) {
        code_.type(type);
        code_.put({1});
        if (type == funcref) {
            code_.put({0xd2});
            code_.number(function_index(pick(written_)));
        } else {
            constant(type);
        }
        code_.put({op::end});
    }
    return code_.take();
}

Bytes AgreeProgram::exports_section() const {
    CodeWriter list;
    list.number(2);
    list.text("f");
    list.put({0});
    list.number(function_index(0));
    list.text("m");
    list.put({2, 0});
    return list.bytes();
}

Bytes AgreeProgram::elements_section() {
    CodeWriter list;
    list.number(3);
    // The first entries of table 0; some that follow stay null.
    list.put({0, op::i32_const, 0, op::end});
    const std::uint32_t filled = table_entries - pick(4);
    list.number(filled);
    for (std::uint32_t index = 0; index < filled; ++index)
        list.number(index < written_ ? function_index(index) : pick(written_ + 1));
    // To be copied from; and one for ref.func's sake, which names all.
    list.put({5, 0x70, passive_elements});
    for (std::uint32_t index = 0; index < passive_elements; ++index) {
        if (chance(3)) {
            list.put({0xd0, 0x70, op::end});
        } else {
            list.put({0xd2});
            list.number(function_index(pick(written_)));
            list.put({op::end});
        }
    }
    list.put({3, 0});
    list.number(written_);
    for (std::uint32_t index = 0; index < written_; ++index)
        list.number(function_index(index));
    return list.bytes();
}

Bytes AgreeProgram::data_section() {
    CodeWriter list;
    list.number(2);
    list.put({0, op::i32_const});
    list.signed_number(static_cast<std::int64_t>(chance(4) ? 65'536 - 64 : 16 * pick(64)));
    list.put({op::end});
    Bytes bytes(64);
    for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>(pick(256));
    list.sized(bytes);
    bytes.resize(passive_bytes);
    list.put({1});
    list.sized(bytes);
    return list.bytes();
}

Bytes AgreeProgram::canonical_function(Type type) const {
    CodeWriter code;
    code.put({0, op::local_get, 0});
    if (type == f32) {
        code.put({op::f32_const});
        code.word(0x7fc00000, 4);
    } else {
        code.put({op::f64_const});
        code.word(0x7ff8000000000000, 8);
    }
    code.put({op::local_get, 0, op::local_get, 0});
    code.put({static_cast<std::uint8_t>(type == f32 ? 0x5b : 0x61), op::select, op::end});
    return code.take();
}

Bytes AgreeProgram::body(std::uint32_t function) {
    code_ = {};
    current_ = function;
    frame_ = {};
    frame_.type = functions_[function];
    const Signature signature = types_[frame_.type];
    frame_.locals = signature.params;
    CodeWriter declared;
    const Types groups = {i32, i64, f32, f64, v128, funcref};
    declared.number(groups.size() + 1);
    for (const Type type : groups) {
        const std::uint32_t count = is_small_ ? 1 : chance(24) ? 20 : 1 + pick(2);
        declared.number(count);
        declared.type(type);
        frame_.locals.insert(frame_.locals.end(), count, type);
    }
    // Counters of loops: nothing else changes them.
    frame_.counters = static_cast<std::uint32_t>(frame_.locals.size());
    declared.number(loops_max);
    declared.type(i32);
    frame_.labels.push_back(signature.results);
    const std::uint32_t spread = function == 0 ? 50 : 30;
    budget_ = static_cast<int>(is_small_ ? 3 + pick(spread / 4) : 10 + pick(spread));
    do {
        statements(4);
    } while (budget_ > 0 && !chance(5));
    if (function == 0) show_everything();
    budget_ = 8;
    for (const Type type : signature.results)
        expression(type, 3);
    code_.put({op::end});
    CodeWriter whole;
    whole.put(declared.bytes());
    whole.put(code_.bytes());
    return whole.take();
}

void AgreeProgram::show_everything() {
    std::uint32_t at = 32;
    const auto show = [&](Type type, std::uint8_t get, std::uint32_t index) {
        code_.i32(at);
        code_.indexed(get, index);
        at += 16;
        if (type == v128) {
            code_.prefixed(op::prefix_fd, 0x0b);
        } else if (type == funcref) {
            code_.put({op::ref_is_null, 0x36});
        } else {
            const auto order = static_cast<std::uint8_t>(0x7f - static_cast<std::uint8_t>(type));
            code_.put({static_cast<std::uint8_t>(op::store_first + order)});
        }
        code_.put({0, 0});
    };
    for (std::uint32_t index = 0; index < frame_.locals.size(); ++index)
        show(frame_.locals[index], op::local_get, index);
    for (std::uint32_t index = 0; index < globals_.size(); ++index)
        show(globals_[index], op::global_get, index);
}

}  // namespace millrace::spec
