// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/module.hpp"

#include <gtest/gtest.h>

#include "wasm/profile.hpp"
#include "wasm/sample_modules.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;

Bytes sample() {
    return ModuleWriter{}
        .import("env", "log", {{i32}, {}})
        .memory(1, 2)
        .table(4, {1, 2})
        .function("add", {{i32, i32}, {i32}}, {0x20, 0, 0x20, 1, 0x6a, 0x0b})
        .function("loop", {{}, {}}, {0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}, 3, 2)
        .bytes();
}
ModuleErrorKind refusal(const Bytes& bytes) {
    const auto module = Module::load(bytes);
    EXPECT_FALSE(module.has_value());
    return module ? ModuleErrorKind::over_limit : module.error().kind;
}
Bytes with_body(Bytes code, std::uint32_t locals = 0) {
    return ModuleWriter{}.memory(1, 1).function("f", {}, std::move(code), locals).bytes();
}

TEST(Module, tells_what_it_imports_and_exports) {
    const auto module = Module::load(sample());
    ASSERT_TRUE(module.has_value()) << module.error().text();
    const auto imports = module.value()->imports();
    ASSERT_EQ(imports.size(), 1U);
    EXPECT_EQ(imports[0].module, "env");
    EXPECT_EQ(imports[0].type, "func (i32) -> ()");
    const auto exports = module.value()->exports();
    ASSERT_EQ(exports.size(), 2U);
    EXPECT_EQ(exports[0].type, "func (i32, i32) -> (i32)");
    EXPECT_NE(module.value()->exported_function("loop"), nullptr);
    EXPECT_EQ(module.value()->exported_function("log"), nullptr);
    EXPECT_EQ(module.value()->report().memory_pages_min, 1U);
}

TEST(Module, every_truncation_is_refused) {
    const Bytes whole = sample();
    // After a whole section the rest may be absent; only these prefixes can be modules.
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto module = Module::load(ByteView{whole}.first(size));
        if (size == 8) {
            EXPECT_TRUE(module.has_value());
            continue;
        }
        // Sections up to the imports need no code; from the functions on, the code must follow.
        if (module) {
            EXPECT_EQ(module.value()->report().functions, 0U) << "at " << size;
        }
    }
}

TEST(Module, every_single_byte_may_change_without_harm) {
    const Bytes whole = sample();
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const std::uint8_t value :
             std::initializer_list<std::uint8_t>{0x00, 0x01, 0x7f, 0x80, 0xff, 0x40, 0x0b}) {
            Bytes changed = whole;
            changed[at] = value;
            const auto module = Module::load(changed);
            if (!module) {
                EXPECT_LE(module.error().offset, whole.size());
            }
        }
    }
}

TEST(Module, missing_features_are_named) {
    // i8x16.relaxed_swizzle
    const auto relaxed = Module::load(with_body({0xfd, 0x80, 0x02, 0x0b}));
    ASSERT_FALSE(relaxed.has_value());
    EXPECT_EQ(relaxed.error().kind, ModuleErrorKind::unsupported);
    EXPECT_NE(relaxed.error().message.find("module uses relaxed SIMD (opcode 0xfd at offset "),
              std::string::npos)
        << relaxed.error().message;
    EXPECT_NE(relaxed.error().message.find("which profile det-1 does not have"), std::string::npos);
    EXPECT_EQ(refusal(with_body({0xfe, 0x00, 0x0b})), ModuleErrorKind::unsupported);
    EXPECT_EQ(refusal(with_body({0xfb, 0x00, 0x0b})), ModuleErrorKind::unsupported);
    EXPECT_EQ(refusal(with_body({0x06, 0x40, 0x0b, 0x0b})), ModuleErrorKind::unsupported);
}

TEST(Module, bad_numbers_and_opcodes_are_malformed) {
    EXPECT_EQ(refusal(with_body({0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x1a, 0x0b})),
              ModuleErrorKind::malformed);
    EXPECT_EQ(refusal(with_body({0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a, 0x0b})),
              ModuleErrorKind::malformed);
    EXPECT_EQ(refusal(with_body({0x27, 0x0b})), ModuleErrorKind::malformed);
    EXPECT_EQ(refusal(with_body({0x0b, 0x0b})), ModuleErrorKind::malformed);
}

TEST(Module, wrong_types_are_invalid) {
    EXPECT_EQ(refusal(with_body({0x6a, 0x0b})), ModuleErrorKind::invalid);
    EXPECT_EQ(refusal(with_body({0x20, 0x00, 0x1a, 0x0b})), ModuleErrorKind::invalid);
    EXPECT_EQ(refusal(with_body({0x41, 0x00, 0x0b})), ModuleErrorKind::invalid);
}

TEST(Module, locals_have_a_bound) {
    EXPECT_TRUE(Module::load(with_body({0x0b}, locals_max)).has_value());
    EXPECT_EQ(refusal(with_body({0x0b}, locals_max + 1)), ModuleErrorKind::over_limit);
}

TEST(Module, nesting_has_a_bound_and_uses_no_native_stack) {
    const auto nested = [](std::uint32_t depth) {
        Bytes code;
        for (std::uint32_t level = 0; level < depth; ++level)
            ModuleWriter::append(code, {2, 0x40});
        code.insert(code.end(), depth + 1, 0x0b);
        return with_body(code);
    };
    EXPECT_TRUE(Module::load(nested(nesting_max)).has_value());
    EXPECT_EQ(refusal(nested(nesting_max + 1)), ModuleErrorKind::over_limit);
}

TEST(Module, operands_and_locals_share_one_bound) {
    const auto pushing = [](std::uint32_t number, std::uint32_t locals) {
        Bytes code;
        for (std::uint32_t at = 0; at < number; ++at)
            ModuleWriter::append(code, {0x41, 0});
        code.insert(code.end(), number, 0x1a);
        code.push_back(0x0b);
        return with_body(code, locals);
    };
    EXPECT_TRUE(Module::load(pushing(frame_slots_max - 1'000, 1'000)).has_value());
    EXPECT_EQ(refusal(pushing(frame_slots_max - 999, 1'000)), ModuleErrorKind::over_limit);
}

TEST(Module, parameters_have_a_bound) {
    const auto with_params = [](std::size_t number) {
        return ModuleWriter{}
            .function("f", {std::vector<ValueType>(number, i64), {}}, {0x0b})
            .bytes();
    };
    EXPECT_TRUE(Module::load(with_params(params_max)).has_value());
    EXPECT_EQ(refusal(with_params(params_max + 1)), ModuleErrorKind::over_limit);
}

}  // namespace
}  // namespace millrace::wasm
