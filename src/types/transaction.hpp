// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "codec/rlp.hpp"
#include "crypto/secp256k1.hpp"

namespace millrace::types {

/// The forms of Ethereum transactions (EIP-2718).
enum class TransactionKind : std::uint8_t {
    legacy = 0,       ///< RLP list; replay-protected by EIP-155 where chain_id is set
    access_list = 1,  ///< EIP-2930
    dynamic_fee = 2,  ///< EIP-1559
    blob = 3,         ///< EIP-4844, without its sidecar; our networks refuse it by parameter
    set_code = 4,     ///< EIP-7702
};

struct AccessListEntry {
    Address address;
    std::vector<Hash32> storage_keys;
    bool operator==(const AccessListEntry&) const = default;
};

/// EIP-7702: `authority` lets its account run the code at `address`. Kept as signed; authority()
/// judges it.
struct Authorization {
    U256 chain_id;  ///< 0: any chain
    Address address;
    std::uint64_t nonce = 0;
    std::uint8_t y_parity = 0;  ///< any byte; 0 or 1 are valid
    U256 r;
    U256 s;
    bool operator==(const Authorization&) const = default;
    /// Null when the signature is invalid or has a high s.
    [[nodiscard]] std::optional<Address> authority() const;
};

/// Bound of what pools and agents take. The decoder takes any size its caller has in memory.
inline constexpr std::size_t transaction_size_max = 128 * 1024;

struct Transaction {
    TransactionKind kind = TransactionKind::dynamic_fee;
    std::optional<std::uint64_t> chain_id;  ///< absent only in legacy form; below 2^63 - 18
    std::uint64_t nonce = 0;
    U256 max_fee_per_gas;           ///< the gas price in the other two forms
    U256 max_priority_fee_per_gas;  ///< from dynamic_fee on
    std::uint64_t gas_limit = 0;
    std::optional<Address> to;  ///< absent: creates a contract
    Amount value;
    Bytes data;
    std::vector<AccessListEntry> access_list;     ///< not in legacy form
    U256 max_fee_per_blob_gas{};                  ///< blob only
    std::vector<Hash32> blob_hashes{};            ///< blob only
    std::vector<Authorization> authorizations{};  ///< set_code only
    bool operator==(const Transaction&) const = default;
};

/// The signature is kept as it came: sender() judges it.
/// The parity of a transaction in legacy form that nobody signed (simulations): its v is 0. No
/// decoder gives it.
inline constexpr std::uint8_t unsigned_parity = 0xff;

struct SignedTransaction {
    Transaction transaction;
    std::uint8_t y_parity = 0;  ///< 0 or 1, or unsigned_parity
    U256 r;
    U256 s;
    bool operator==(const SignedTransaction&) const = default;

    /// What eth_sendRawTransaction takes.
    [[nodiscard]] Bytes encode() const;
    /// Keccak-256 of encode().
    [[nodiscard]] Hash32 hash() const;
    /// Null when the signature is invalid or has a high s (EIP-2).
    [[nodiscard]] std::optional<Address> sender() const;
    /// The same for blocks before homestead, where s may be high.
    [[nodiscard]] std::optional<Address> sender_before_homestead() const;
};

/// What EIP-2718 puts in front: nothing for the legacy form.
[[nodiscard]] constexpr bool has_type_byte(TransactionKind kind) noexcept {
    return kind != TransactionKind::legacy;
}
/// With max_priority_fee_per_gas and max_fee_per_gas (EIP-1559) instead of one gas price.
[[nodiscard]] constexpr bool has_dynamic_fee(TransactionKind kind) noexcept {
    return kind >= TransactionKind::dynamic_fee;
}

/// What is signed.
Hash32 signing_hash(const Transaction& transaction);
SignedTransaction sign_transaction(Transaction transaction, const crypto::SecretKey& key);

/// Takes what encode() gives, canonical form only, of any size its caller has in memory; lists are
/// bounded by that size. bad_value: an unknown type byte, or a v that no rule allows. What blocks
/// judge by their fork (no blobs, no destination, a signature out of range) is let through.
Result<SignedTransaction, codec::RlpError> decode_transaction(ByteView raw);

/// The address of the contract that `creator` creates with this nonce (CREATE).
Address contract_address(const Address& creator, std::uint64_t nonce);

}  // namespace millrace::types
