// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "codec/rlp.hpp"
#include "types/log.hpp"
#include "types/transaction.hpp"

namespace millrace::types {

using Bloom = FixedBytes<struct BloomTag, 256>;

/// An Ethereum block header, all forks; the optional fields appear in order, each implies those
/// before it. RLP as in Yellow Paper section 4.3 and the EIPs named.
struct Header {
    Hash32 parent_hash;
    Hash32 ommers_hash;
    Address coinbase;
    Hash32 state_root;
    Hash32 transactions_root;
    Hash32 receipts_root;
    Bloom logs_bloom;
    U256 difficulty;
    std::uint64_t number = 0;
    std::uint64_t gas_limit = 0;
    std::uint64_t gas_used = 0;
    std::uint64_t timestamp = 0;
    Bytes extra_data;  ///< at most 32 bytes by the rules of blocks, not of the decoder
    Hash32 mix_hash;   ///< prev_randao from paris
    std::array<std::uint8_t, 8> nonce{};
    std::optional<U256> base_fee;                    ///< EIP-1559
    std::optional<Hash32> withdrawals_root;          ///< EIP-4895
    std::optional<std::uint64_t> blob_gas_used;      ///< EIP-4844
    std::optional<std::uint64_t> excess_blob_gas;    ///< EIP-4844
    std::optional<Hash32> parent_beacon_block_root;  ///< EIP-4788
    std::optional<Hash32> requests_hash;             ///< EIP-7685
    bool operator==(const Header&) const = default;

    [[nodiscard]] Bytes encode() const;
    [[nodiscard]] Hash32 hash() const;
};
Result<Header, codec::RlpError> decode_header(codec::RlpReaderView& reader);

/// EIP-4895.
struct Withdrawal {
    std::uint64_t index = 0;
    std::uint64_t validator = 0;
    Address address;
    std::uint64_t gwei = 0;
    bool operator==(const Withdrawal&) const = default;

    [[nodiscard]] Bytes encode() const;
};

struct Block {
    Header header;
    std::vector<SignedTransaction> transactions;
    std::vector<Header> ommers;
    std::optional<std::vector<Withdrawal>> withdrawals;  ///< from shanghai
    bool operator==(const Block&) const = default;

    [[nodiscard]] Bytes encode() const;
};
/// What a header holds of its ommers: keccak256 of their list.
Hash32 ommers_hash(const std::vector<Header>& ommers);

/// Bounds: block_size_max bytes in all; canonical RLP only. Blob transactions stand without their
/// sidecars.
inline constexpr std::size_t block_size_max = 64u << 20;
Result<Block, codec::RlpError> decode_block(ByteView raw);

/// What a transaction left on the chain (a task's receipt is types::Receipt, settlement.hpp).
struct TransactionReceipt {
    TransactionKind kind = TransactionKind::legacy;
    bool succeeded = false;
    std::optional<Hash32> state_root;  ///< instead of the status before byzantium
    std::uint64_t cumulative_gas_used = 0;
    Bloom logs_bloom;
    std::vector<Log> logs;
    bool operator==(const TransactionReceipt&) const = default;

    /// As in the receipts trie: type byte and RLP (EIP-2718).
    [[nodiscard]] Bytes encode() const;
};
/// Of any size its caller has in memory; at most 4 topics a log.
Result<TransactionReceipt, codec::RlpError> decode_transaction_receipt(ByteView raw);
/// The short form for stores: RLP [kind, state root or status, cumulative gas used, logs]. The
/// bloom follows from the logs (geth keeps receipts the same way).
void write_short(codec::RlpWriter& writer, const TransactionReceipt& receipt);
Result<TransactionReceipt, codec::RlpError> read_short(codec::RlpReaderView& reader);

/// The list of logs as receipts hold it, which suites hash.
void write_logs(codec::RlpWriter& writer, const std::vector<Log>& logs);

void add_to_bloom(Bloom& bloom, const Log& log) noexcept;
/// False: certainly not in it.
bool bloom_may_contain(const Bloom& bloom, ByteView item) noexcept;

}  // namespace millrace::types
