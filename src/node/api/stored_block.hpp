// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: a block of the chain with what its JSON needs.

#include "node/api/encode.hpp"
#include "node/api/method.hpp"

namespace millrace::node {

struct StoredBlock {
    types::Block block;
    Hash32 hash;
    bool pending = false;  ///< what the next one would be: without a hash
};
/// The block that argument `index` means, by number or tag; null: none.
Read<std::optional<StoredBlock>> block_by_number(const Call& call, std::size_t index);
/// The same by hash.
Read<std::optional<StoredBlock>> block_by_hash(const Call& call, std::size_t index);
/// The same by either, EIP-1898 objects included.
Read<std::optional<StoredBlock>> block_by_any(const Call& call, std::size_t index);
std::optional<StoredBlock> block_at(const Call& call, Height height);

/// What one unit of blob gas cost in that block; null before EIP-4844.
std::optional<U256> blob_fee_of(const Call& call, const types::Header& header);

}  // namespace millrace::node
