// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <vector>

#include "base/quantity.hpp"
#include "ledger/transition.hpp"
#include "state/key_value.hpp"
#include "types/block.hpp"

// Keys and values of the chain's own tables (docs/formats/chain-store.md); those of the state are
// in state/rows.hpp. A decoder is null for what its encoder does not give.

namespace millrace::node {

inline constexpr std::uint64_t chain_format = 1;
inline constexpr std::string_view head_key = "chain.head";
inline constexpr std::string_view genesis_key = "chain.genesis";
/// SHA-256 of the genesis file; absent where the chain was begun without one.
inline constexpr std::string_view genesis_text_key = "chain.genesis.text";
/// There while a genesis is written in parts, and no head yet.
inline constexpr std::string_view genesis_begun_key = "chain.genesis.begun";

/// RLP [format, height, hash].
struct HeadRow {
    std::uint64_t format = chain_format;
    Height height;
    Hash32 hash;
};
[[nodiscard]] Bytes encode_head_row(const HeadRow& row);
[[nodiscard]] std::optional<HeadRow> decode_head_row(ByteView row);

/// RLP [format, hash of block 0, chain id]: what makes a chain another one.
struct GenesisRow {
    std::uint64_t format = chain_format;
    Hash32 hash;
    std::uint64_t chain_id = 0;
};
[[nodiscard]] Bytes encode_genesis_row(const GenesisRow& row);
[[nodiscard]] std::optional<GenesisRow> decode_genesis_row(ByteView row);

/// The RLP of a block is that of its header and its body's items; the body's row holds the latter
/// as a list.
[[nodiscard]] Bytes encode_body_row(const types::Block& block);
/// The same where the block's transactions are encoded already.
[[nodiscard]] Bytes encode_body_row(const types::Block& block,
                                    const std::vector<Bytes>& transactions);
[[nodiscard]] std::optional<types::Block> decode_block_rows(ByteView header, ByteView body);

/// RLP list of the receipts in their short form. Read is also what format 2 has: strings, each a
/// receipt as in its trie.
[[nodiscard]] Bytes encode_receipts_row(const std::vector<types::TransactionReceipt>& receipts);
[[nodiscard]] std::optional<std::vector<types::TransactionReceipt>> decode_receipts_row(
    ByteView row);

/// height ‖ index, 8 and 4 bytes, big-endian.
[[nodiscard]] Bytes encode_place_row(Height height, std::uint32_t index);
struct PlaceRow {
    Height height;
    std::uint32_t index = 0;
};
[[nodiscard]] std::optional<PlaceRow> decode_place_row(ByteView row);

[[nodiscard]] std::optional<types::Header> decode_header_row(ByteView row);

/// Appends all rows of a block but those of the state, the head's among them. `receipts` and
/// `encoded` are of this block.
void put_block(state::WriteBatch& batch, const types::Block& block, const Hash32& hash,
               const std::vector<types::TransactionReceipt>& receipts,
               const ledger::EncodedBody& encoded);
/// Appends what takes them away again; the head's row is the caller's.
void erase_block(state::WriteBatch& batch, const types::Block& block, const Hash32& hash);

}  // namespace millrace::node
