// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstring>

#include "crypto/hash.hpp"
#include "types/transaction.hpp"

namespace millrace::evm {

/// Where CREATE puts a contract: keccak256(rlp([creator, nonce])), the last 20 bytes.
inline Address create_address(const Address& creator, std::uint64_t nonce) {
    return types::contract_address(creator, nonce);
}

/// Where CREATE2 does (EIP-1014): keccak256(0xff ‖ creator ‖ salt ‖ keccak256(init code)).
inline Address create2_address(const Address& creator, const Hash32& salt,
                               const Hash32& init_code_hash) noexcept {
    std::array<std::uint8_t, 1 + Address::size + 2 * Hash32::size> preimage{0xff};
    std::memcpy(&preimage[1], creator.bytes.data(), Address::size);
    std::memcpy(&preimage[1 + Address::size], salt.bytes.data(), Hash32::size);
    std::memcpy(&preimage[1 + Address::size + Hash32::size], init_code_hash.bytes.data(),
                Hash32::size);
    const Hash32 hash = crypto::keccak256(preimage);
    Address address;
    std::memcpy(address.bytes.data(), &hash.bytes[12], Address::size);
    return address;
}

}  // namespace millrace::evm
