// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/outline.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "wasm/sample_world.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;

/// Two functions, a table of both, a memory, and a custom section.
Bytes sample() {
    Bytes bytes = ModuleWriter{}
                      .import("env", "log", {{i32}, {}})
                      .memory(1, 2)
                      .table(4, {1, 2})
                      .function("add", {{i32, i32}, {i32}}, {0x20, 0, 0x20, 1, 0x6a, 0x0b})
                      .function("loop", {{}, {}}, {0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}, 3, 2)
                      .bytes();
    const Bytes note{0, 5, 4, 'n', 'o', 't', 'e'};
    bytes.insert(bytes.end(), note.begin(), note.end());
    return bytes;
}

std::shared_ptr<const Module> outline_module(const Bytes& whole) {
    const auto module = Module::load(whole);
    EXPECT_TRUE(module.has_value());
    const auto outline = Module::load_outline(outline_of(module.value()->data()), {});
    EXPECT_TRUE(outline.has_value());
    return outline.value();
}

TEST(Outline, says_of_a_module_all_but_its_code) {
    const auto whole = Module::load(sample()).value();
    const auto outline = outline_module(sample());
    ASSERT_EQ(outline->imports().size(), 1U);
    EXPECT_EQ(outline->imports()[0].type, whole->imports()[0].type);
    ASSERT_EQ(outline->exports().size(), whole->exports().size());
    for (std::size_t index = 0; index < whole->exports().size(); ++index) {
        EXPECT_EQ(outline->exports()[index].name, whole->exports()[index].name);
        EXPECT_EQ(outline->exports()[index].type, whole->exports()[index].type);
    }
    EXPECT_EQ(outline->data().elements[0].elements.size(), 2U);
    EXPECT_EQ(outline->data().bodies.size(), 2U);
    EXPECT_EQ(outline->report().code_bytes, 0U);
    EXPECT_EQ(outline->report().custom_sections, 0U);
    EXPECT_LT(outline->report().bytes, whole->report().bytes);
}

TEST(Outline, is_not_taken_for_the_module_it_is_of) {
    const auto whole = Module::load(sample()).value();
    const Bytes outline = outline_of(whole->data());
    EXPECT_FALSE(Module::load(outline).has_value());  // its functions have no end
}

TEST(Outline, every_truncation_but_between_sections_is_refused) {
    const Bytes outline = outline_of(Module::load(sample()).value()->data());
    for (std::size_t size = 0; size < outline.size(); ++size) {
        const auto module = Module::load_outline(ByteView{outline}.first(size), {});
        if (module) {
            EXPECT_EQ(module.value()->report().functions, 0U) << "at " << size;
        }
    }
}

TEST(Outline, cannot_be_interpreted) {
    Store store;
    Linker linker{store};
    const auto refused = linker.instantiate(outline_module(one({}, {0x0b})));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().kind, LinkErrorKind::not_compiled);
}

TEST(Outline, of_many_functions_takes_a_byte_for_each) {
    ModuleWriter writer;
    constexpr int count = 300;  // more than one byte of a LEB128
    for (int index = 0; index < count; ++index)
        writer.function("", {{}, {i32}}, {0x41, 1, 0x41, 2, 0x6a, 0x0b});
    const Bytes whole = writer.bytes();
    const auto outline = outline_module(whole);
    EXPECT_EQ(outline->data().bodies.size(), std::size_t{count});
}

}  // namespace
}  // namespace millrace::wasm
