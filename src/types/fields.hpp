// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// How single fields are written and read, shared by the encoders of this area. Every reader states
// its bound; what is outside it is an error, never cut.

#include "codec/rlp.hpp"
#include "types/settlement.hpp"
#include "types/task.hpp"

namespace millrace::types::detail {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

template <typename T>
using Read = Result<T, RlpError>;

/// [root, size]; size ≤ blob_size_max, and an empty blob has the zero root.
void write_blob(RlpWriter& writer, const crypto::BlobId& blob);
Read<crypto::BlobId> read_blob(RlpReaderView& reader);

/// [plain root, size, sealed root].
void write_sealed(RlpWriter& writer, const SealedBlob& blob);
Read<SealedBlob> read_sealed(RlpReaderView& reader);

/// A list of [path, plain root, size, sealed root], sorted, a valid tree.
void write_files(RlpWriter& writer, const std::vector<FileEntry>& files);
Read<std::vector<FileEntry>> read_files(RlpReaderView& reader);

/// A string of at most size_max bytes that is UTF-8.
Read<std::string> read_utf8(RlpReaderView& reader, std::size_t size_max);
/// A number of at most `max`; larger is bad_value.
Read<std::uint64_t> read_u64_max(RlpReaderView& reader, std::uint64_t max);

/// Reads a list of at most count_max items with `read_item(reader)`.
template <typename T, typename ReadItem>
Read<std::vector<T>> read_items(RlpReaderView& reader, std::size_t count_max, ReadItem read_item) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::vector<T> items;
    while (!list.at_end()) {
        if (items.size() == count_max) return Err{RlpError::too_many_items};
        MILLRACE_TRY(T item, read_item(list));
        items.push_back(std::move(item));
    }
    return items;
}

}  // namespace millrace::types::detail
