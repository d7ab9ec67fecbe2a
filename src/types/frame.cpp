// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/message.hpp"

namespace millrace::types {
namespace {

constexpr std::size_t length_size = 4;
constexpr std::size_t header_size = 8;
constexpr std::size_t kind_size = header_size - length_size;  ///< type and version, counted

std::uint32_t little_endian(ByteView bytes) noexcept {
    std::uint32_t number = 0;
    for (std::size_t index = bytes.size(); index-- > 0;)
        number = number << 8 | bytes[index];
    return number;
}

void append_little_endian(Bytes& out, std::uint32_t number, std::size_t size) {
    for (std::size_t index = 0; index < size; ++index) {
        out.push_back(static_cast<std::uint8_t>(number >> (8 * index)));
    }
}

}  // namespace

Bytes encode_frame(const Message& message) {
    const Bytes payload = encode_message(message);
    // Whoever fills a message keeps it within the frame; what cannot fit is refused there.
    MILLRACE_ASSERT(payload.size() + kind_size <= frame_size_max);
    Bytes frame;
    frame.reserve(header_size + payload.size());
    append_little_endian(frame, static_cast<std::uint32_t>(payload.size() + kind_size),
                         length_size);
    append_little_endian(frame, message_type(message), 2);
    append_little_endian(frame, wire_version, 2);
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

void FrameReader::feed(ByteView bytes) {
    if (failed_) return;
    // Bytes already handed out go before more are kept, so at most one frame and one feed is held.
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_));
    consumed_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

Result<std::optional<Message>, FrameError> FrameReader::fail(FrameError error) {
    failed_ = error;
    buffer_ = Bytes{};
    consumed_ = 0;
    return Err{error};
}

Result<std::optional<Message>, FrameError> FrameReader::next() {
    if (failed_) return Err{*failed_};
    const ByteView rest = ByteView{buffer_}.subspan(consumed_);
    if (rest.size() < length_size) return std::optional<Message>{};
    const std::uint32_t length = little_endian(rest.first(length_size));
    if (length > frame_size_max) return fail(FrameError::too_large);
    if (length < kind_size) return fail(FrameError::bad_payload);
    if (rest.size() < header_size) return std::optional<Message>{};
    const std::uint32_t type = little_endian(rest.subspan(length_size, 2));
    const std::uint32_t version = little_endian(rest.subspan(length_size + 2, 2));
    if (version != wire_version) return fail(FrameError::bad_version);
    if (type == 0 || type > std::variant_size_v<Message>) return fail(FrameError::unknown_type);
    const std::size_t payload_size = length - kind_size;
    if (rest.size() - header_size < payload_size) return std::optional<Message>{};
    auto message =
        decode_message(static_cast<std::uint16_t>(type), rest.subspan(header_size, payload_size));
    if (!message) return fail(FrameError::bad_payload);
    consumed_ += header_size + payload_size;
    return std::optional<Message>{std::move(message).value()};
}

}  // namespace millrace::types
