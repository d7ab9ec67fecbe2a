// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Canonical form has one writing: whatever the reader takes apart, the writer must put together to
// the same bytes.

#include "base/assert.hpp"
#include "codec/rlp.hpp"

namespace {

using millrace::codec::RlpReaderView;
using millrace::codec::RlpWriter;

/// False where the input is not canonical. Depth is counted: the walk is recursive.
bool copy_items(RlpReaderView reader, RlpWriter& writer, int depth) {
    if (depth > 64) return false;
    while (!reader.at_end()) {
        if (reader.next_is_list()) {
            const auto list = reader.read_list();
            if (!list) return false;
            const auto start = writer.begin_list();
            if (!copy_items(*list, writer, depth + 1)) return false;
            writer.end_list(start);
            continue;
        }
        RlpReaderView again = reader;
        const auto string = reader.read_string();
        if (!string) return false;
        writer.write(*string);
        if (const auto number = again.read_u256()) {
            RlpWriter alone;
            alone.write(*number);
            RlpWriter plain;
            plain.write(*string);
            MILLRACE_ASSERT(std::move(alone).take() == std::move(plain).take());
        }
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const millrace::ByteView input{data, size};
    RlpWriter writer;
    if (copy_items(RlpReaderView{input}, writer, 0)) {
        MILLRACE_ASSERT(std::move(writer).take() == millrace::to_bytes(input));
    }
    return 0;
}
