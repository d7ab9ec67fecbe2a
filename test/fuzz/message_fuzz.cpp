// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Frames from anybody: whatever is taken must encode to the bytes it came from, and the way the
// stream is cut must not matter.

#include <algorithm>
#include <vector>

#include "base/assert.hpp"
#include "types/message.hpp"

using millrace::Bytes;
using millrace::ByteView;
using millrace::types::FrameReader;
using millrace::types::Message;

namespace {

struct Reading {
    std::vector<Message> messages;
    bool failed = false;
};

Reading read_in_steps(ByteView stream, std::size_t step) {
    Reading reading;
    FrameReader reader;
    while (!stream.empty() && !reading.failed) {
        const std::size_t size = std::min(step, stream.size());
        reader.feed(stream.first(size));
        stream = stream.subspan(size);
        for (;;) {
            auto next = reader.next();
            reading.failed = !next.has_value();
            if (reading.failed || !next->has_value()) break;
            reading.messages.push_back(std::move(**next));
        }
    }
    return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input{data, size};
    const Reading whole = read_in_steps(input, size + 1);
    const Reading pieces = read_in_steps(input, 5);
    MILLRACE_ASSERT(whole.messages == pieces.messages);
    MILLRACE_ASSERT(whole.failed == pieces.failed);
    Bytes again;
    for (const Message& message : whole.messages) {
        const Bytes frame = millrace::types::encode_frame(message);
        again.insert(again.end(), frame.begin(), frame.end());
    }
    MILLRACE_ASSERT(again.size() <= input.size());
    MILLRACE_ASSERT(std::equal(again.begin(), again.end(), input.begin()));
    return 0;
}
