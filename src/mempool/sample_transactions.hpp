// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "mempool/pool.hpp"

namespace millrace::mempool {

/// Transactions for tests, with hashes made up from what tells them apart: nobody signs.
struct Sample {
    std::uint8_t sender = 0;
    std::uint64_t nonce = 0;
    std::uint64_t fee = 100;
    std::uint64_t tip = 10;
    std::uint64_t gas = 1;
    std::uint64_t value = 0;
    std::uint32_t size = 100;
};

inline Address sample_address(std::uint8_t number) {
    Address address;
    address.bytes.back() = number;
    return address;
}

inline PooledTransaction sample(const Sample& wanted) {
    PooledTransaction made;
    types::Transaction& transaction = made.transaction.transaction;
    transaction.nonce = wanted.nonce;
    transaction.max_fee_per_gas = U256{wanted.fee};
    transaction.max_priority_fee_per_gas = U256{wanted.tip};
    transaction.gas_limit = wanted.gas;
    transaction.value = Amount{U256{wanted.value}};
    made.sender = sample_address(wanted.sender);
    made.size = wanted.size;
    made.hash.bytes[0] = wanted.sender;
    const std::uint64_t fields[] = {wanted.nonce, wanted.fee,   wanted.tip,
                                    wanted.gas,   wanted.value, wanted.size};
    for (std::size_t index = 0; index < 6; ++index)
        for (std::size_t byte = 0; byte < 5; ++byte)
            made.hash.bytes[1 + 5 * index + byte] =
                static_cast<std::uint8_t>(fields[index] >> (8 * byte));
    return made;
}

}  // namespace millrace::mempool
