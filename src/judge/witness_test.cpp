// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/witness.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"
#include "judge/check_run.hpp"
#include "judge/replay.hpp"
#include "wasi/samples.hpp"

namespace millrace::judge {
namespace {

/// A segment that asks the host and touches memory.
Segment sample_segment() {
    wasi::TaskInput input;
    input.arguments = {"main.wasm"};
    input.files.push_back({"in", std::make_shared<const Bytes>(Bytes{1, 2, 3})});
    const auto module = wasm::Module::load(*from_hex(wasi::samples::writes_and_deletes)).value();
    auto task = RecordedTask::create(module, input);
    EXPECT_TRUE(task.has_value());
    return task.value()->recorder().record();
}

TEST(Witness, round_trip) {
    const Segment segment = sample_segment();
    const Bytes bytes = encode(segment.witness);
    const auto decoded = decode_witness(bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, segment.witness);
    EXPECT_EQ(encode(*decoded), bytes);
    EXPECT_FALSE(segment.witness.host.empty());
    EXPECT_EQ(start_of(*decoded), segment.start);
}

TEST(Witness, every_truncation_is_refused) {
    const Bytes bytes = encode(sample_segment().witness);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        ASSERT_FALSE(decode_witness(ByteView{bytes}.first(size)).has_value()) << size;
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(decode_witness(longer).has_value());
}

TEST(Witness, a_larger_one_than_the_bound_is_refused) {
    const Bytes bytes(witness_bytes_max + 1, 0x80);
    const auto decoded = decode_witness(bytes);
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error(), codec::RlpError::wrong_size);
}

TEST(Witness, what_is_not_canonical_is_refused) {
    const Segment segment = sample_segment();
    ASSERT_FALSE(segment.witness.of(Region::instrs).pages.empty());
    Witness twice = segment.witness;
    auto& pages = twice.of(Region::instrs).pages;
    pages.push_back(pages.front());
    EXPECT_FALSE(decode_witness(encode(twice)).has_value());
    Witness none = segment.witness;
    none.steps = 0;
    EXPECT_FALSE(decode_witness(encode(none)).has_value());
    Witness many = segment.witness;
    many.steps = witness_steps_max + 1;
    EXPECT_FALSE(decode_witness(encode(many)).has_value());
    Witness outside = segment.witness;
    outside.of(Region::frames).pages.emplace_back(32U, Page{});
    EXPECT_FALSE(decode_witness(encode(outside)).has_value());
}

TEST(Witness, one_bit_changed_is_never_another_verdict) {
    const Segment segment = sample_segment();
    const Bytes bytes = encode(segment.witness);
    Prng random{1};
    std::size_t refused = 0;
    for (int round = 0; round < 400; ++round) {
        Bytes changed = bytes;
        const std::size_t bit = static_cast<std::size_t>(random.below(bytes.size() * 8));
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
        const auto witness = decode_witness(changed);
        if (!witness) {
            ++refused;
            continue;
        }
        const auto end = replay(*witness, segment.start);
        if (!end) {
            ++refused;
            continue;
        }
        // Only the number of steps is no part of the start; then it is the truth about fewer steps.
        EXPECT_NE(witness->steps, segment.witness.steps);
    }
    EXPECT_GT(refused, 390U);
}

TEST(Witness, a_page_less_is_refused) {
    const Segment segment = sample_segment();
    for (std::size_t index = 0; index < segment.witness.regions.size(); ++index) {
        for (std::size_t page = 0; page < segment.witness.regions[index].pages.size(); ++page) {
            Witness less = segment.witness;
            auto& pages = less.regions[index].pages;
            pages.erase(pages.begin() + static_cast<std::ptrdiff_t>(page));
            const auto end = replay(less, segment.start);
            ASSERT_FALSE(end.has_value());
        }
    }
}

}  // namespace
}  // namespace millrace::judge
