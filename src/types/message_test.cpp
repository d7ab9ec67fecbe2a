// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/message.hpp"

#include <gtest/gtest.h>

#include <set>

#include "types/sample_messages.hpp"

namespace millrace::types {
namespace {

using codec::RlpError;

TEST(Message, every_one_comes_back_as_it_was) {
    std::set<std::uint16_t> types;
    for (const Message& message : sample_messages()) {
        types.insert(message_type(message));
        const auto back = decode_message(message_type(message), encode_message(message));
        ASSERT_TRUE(back) << message_name(message) << ' ' << codec::to_text(back.error());
        EXPECT_EQ(*back, message) << message_name(message);
        EXPECT_EQ(encode_message(*back), encode_message(message));
    }
    EXPECT_EQ(types.size(), std::variant_size_v<Message>) << "a sample of every message";
}

TEST(Message, absent_parts_come_back_absent) {
    for (Message message : sample_messages()) {
        if (auto* offer = std::get_if<LeaseOffer>(&message)) offer->allocation.reset();
        if (auto* notice = std::get_if<VoucherNotice>(&message)) notice->allocation.reset();
        if (auto* answer = std::get_if<LeaseAnswer>(&message)) answer->refusal.reset();
        const auto back = decode_message(message_type(message), encode_message(message));
        ASSERT_TRUE(back) << message_name(message);
        EXPECT_EQ(*back, message);
    }
}

TEST(Message, no_truncation_and_no_trailing_byte_decodes) {
    for (const Message& message : sample_messages()) {
        Bytes payload = encode_message(message);
        for (std::size_t size = 0; size < payload.size(); ++size) {
            EXPECT_FALSE(decode_message(message_type(message), ByteView{payload}.first(size)))
                << message_name(message) << " cut to " << size;
        }
        payload.push_back(0x80);
        EXPECT_FALSE(decode_message(message_type(message), payload));
    }
}

TEST(Message, what_decodes_encodes_to_the_same_bytes) {
    // Canonical: no two encodings of one message. Every bit of every sample is turned once.
    for (const Message& message : sample_messages()) {
        const Bytes payload = encode_message(message);
        for (std::size_t at = 0; at < std::min<std::size_t>(payload.size(), 600); ++at) {
            for (int bit = 0; bit < 8; ++bit) {
                Bytes changed = payload;
                changed[at] ^= static_cast<std::uint8_t>(1 << bit);
                const auto back = decode_message(message_type(message), changed);
                if (back) {
                    EXPECT_EQ(encode_message(*back), changed) << message_name(message) << at;
                }
            }
        }
    }
}

TEST(Message, unknown_types_are_refused) {
    EXPECT_FALSE(decode_message(0, {}));
    EXPECT_FALSE(decode_message(std::variant_size_v<Message> + 1, {}));
}

template <typename T>
bool decodes(const T& message) {
    const Message wrapped{message};
    return decode_message(message_type(wrapped), encode_message(wrapped)).has_value();
}

TEST(Message, bounds_hold_at_the_border) {
    EXPECT_TRUE(decodes(Hello{{}, {}, {}, std::string(agent_size_max, 'a')}));
    EXPECT_FALSE(decodes(Hello{{}, {}, {}, std::string(agent_size_max + 1, 'a')}));
    EXPECT_FALSE(decodes(Hello{{}, {}, {}, "\xff"}));
    EXPECT_TRUE(decodes(LeaseAnswer{{}, {}, std::string(text_size_max, 'a')}));
    EXPECT_FALSE(decodes(LeaseAnswer{{}, {}, std::string(text_size_max + 1, 'a')}));
    EXPECT_FALSE(decodes(LeaseAnswer{{}, static_cast<LeaseRefusal>(11), ""}));
    EXPECT_TRUE(decodes(RevealRequest{{}, std::vector<Commitment>(replicas_per_round_max)}));
    EXPECT_FALSE(decodes(RevealRequest{{}, std::vector<Commitment>(replicas_per_round_max + 1)}));
    EXPECT_TRUE(decodes(VoucherNotice{{}, {}, std::vector<Hash32>(leases_per_voucher_max), {}}));
    EXPECT_FALSE(
        decodes(VoucherNotice{{}, {}, std::vector<Hash32>(leases_per_voucher_max + 1), {}}));
    EXPECT_TRUE(decodes(BlobData{{}, 0, Bytes(blob_chunk_max), {}}));
    EXPECT_FALSE(decodes(BlobData{{}, 0, Bytes(blob_chunk_max + 1), {}}));
    EXPECT_FALSE(decodes(BlobData{{}, 1, {}, {}}));
    EXPECT_FALSE(decodes(BlobData{{}, 0, {}, std::vector<Hash32>(proof_steps_max + 1)}));
    EXPECT_FALSE(decodes(Progress{{}, Fuel{fuel_per_task_max + 1}}));
    EXPECT_FALSE(decodes(Verdict{{}, static_cast<VerdictKind>(0), {}}));
    EXPECT_FALSE(decodes(NetworkAnswer{std::string(network_toml_size_max + 1, 'a')}));
}

TEST(Message, a_blob_request_stays_inside_its_blob) {
    const crypto::BlobId blob{sample_hash("blob"), 40'000};
    EXPECT_TRUE(decodes(BlobRequest{blob, 0, 40'000}));
    EXPECT_TRUE(decodes(BlobRequest{blob, 0, 16'384}));
    EXPECT_TRUE(decodes(BlobRequest{blob, 32'768, 40'000 - 32'768}));
    EXPECT_FALSE(decodes(BlobRequest{blob, 0, 0}));
    EXPECT_FALSE(decodes(BlobRequest{blob, 0, 16'385})) << "neither leaves nor to the end";
    EXPECT_FALSE(decodes(BlobRequest{blob, 1, 16'384}));
    EXPECT_FALSE(decodes(BlobRequest{blob, 32'768, 16'384}));
    EXPECT_FALSE(decodes(BlobRequest{blob, 49'152, 16'384}));
    EXPECT_FALSE(decodes(BlobRequest{{sample_hash("blob"), 1u << 30}, 0, blob_chunk_max + 16'384}));
    EXPECT_FALSE(decodes(BlobRequest{{sample_hash("blob"), 0}, 0, 0}));
}

TEST(Message, receipts_list_a_tree_and_sorted_deletions) {
    const auto with = [](auto change) {
        ReceiptNotice notice = std::get<ReceiptNotice>(sample_messages()[6]);
        change(notice);
        return decodes(notice);
    };
    using Notice = ReceiptNotice;
    EXPECT_TRUE(with([](Notice&) {}));
    EXPECT_FALSE(with([](Notice& n) { n.deleted = {"b", "a"}; }));
    EXPECT_FALSE(with([](Notice& n) { n.deleted = {"a", "a"}; }));
    EXPECT_FALSE(with([](Notice& n) { n.deleted = {"../a"}; }));
    EXPECT_FALSE(with([](Notice& n) { n.files = {{"a", {}}, {"a/b", {}}}; }));
    EXPECT_FALSE(
        with([](Notice& n) { n.summary.profile = std::string(profile_size_max + 1, 'd'); }));
    EXPECT_FALSE(with([](Notice& n) { n.standard_output.plain.size = blob_size_max + 1; }));
    EXPECT_FALSE(with([](Notice& n) { n.standard_output.plain.size = 0; }))
        << "an empty blob has the zero root";
}

Bytes all_frames() {
    Bytes stream;
    for (const Message& message : sample_messages()) {
        const Bytes frame = encode_frame(message);
        stream.insert(stream.end(), frame.begin(), frame.end());
    }
    return stream;
}

TEST(FrameReader, any_split_of_the_stream_gives_the_same_messages) {
    const Bytes stream = all_frames();
    for (const std::size_t step : {1u, 2u, 3u, 7u, 8u, 9u, 64u, 1'000u, 1u << 20}) {
        FrameReader reader;
        std::vector<Message> messages;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            reader.feed(ByteView{stream}.subspan(at, std::min(step, stream.size() - at)));
            for (;;) {
                auto next = reader.next();
                ASSERT_TRUE(next);
                if (!next->has_value()) break;
                messages.push_back(std::move(**next));
            }
        }
        EXPECT_EQ(messages, sample_messages()) << step;
    }
}

FrameError error_of(Bytes frame) {
    FrameReader reader;
    reader.feed(frame);
    const auto next = reader.next();
    EXPECT_FALSE(next);
    const auto again = reader.next();
    EXPECT_FALSE(again) << "a dead stream stays dead";
    return next ? FrameError{} : next.error();
}

TEST(FrameReader, a_bad_header_is_told_before_its_payload) {
    Bytes frame = encode_frame(CloseStream{1});
    frame.resize(8);
    Bytes large = frame;
    large[2] = 0x10;
    large[0] = 1;
    EXPECT_EQ(error_of(large), FrameError::too_large);
    Bytes version = frame;
    version[6] = 2;
    EXPECT_EQ(error_of(version), FrameError::bad_version);
    Bytes type = frame;
    type[4] = 99;
    EXPECT_EQ(error_of(type), FrameError::unknown_type);
    Bytes small = frame;
    small[0] = 3;
    EXPECT_EQ(error_of(small), FrameError::bad_payload);
    Bytes payload = encode_frame(CloseStream{1});
    payload.back() = 0;
    EXPECT_EQ(error_of(payload), FrameError::bad_payload);
}

}  // namespace
}  // namespace millrace::types
