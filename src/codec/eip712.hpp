// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"

namespace millrace::codec {

/// EIP-712 domain with all five fields: name, version, chainId, verifyingContract, salt.
/// The salt is the genesis hash, so that two networks with one chain id do not share signatures.
struct Eip712Domain {
    std::string name = "Millrace";
    std::string version = "1";
    U256 chain_id;
    Address verifying_contract;
    Hash32 salt;

    [[nodiscard]] Hash32 separator() const;
};

/// hashStruct of a flat struct: Keccak-256(typeHash ‖ words). Each word is already encoded by the
/// rules of EIP-712 (dynamic fields hashed). `type` is "Voucher(bytes32 stream,address payee,…)".
Hash32 eip712_struct_hash(std::string_view type, const std::vector<Hash32>& words);

/// Keccak-256(0x19 0x01 ‖ separator ‖ struct hash): what is signed.
Hash32 eip712_digest(const Hash32& domain_separator, const Hash32& struct_hash);

/// Encoders of single fields.
Hash32 eip712_word(std::uint64_t number);
Hash32 eip712_word(const U256& number);
Hash32 eip712_word(const Address& address);
Hash32 eip712_word(bool flag);

}  // namespace millrace::codec
