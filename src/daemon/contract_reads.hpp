// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/failure.hpp"
#include "chain/chain_client.hpp"
#include "market/contract_calls.hpp"

namespace millrace::daemon {

/// eth_call and decoding in one step; what the contract answers wrongly becomes a Failure.
template <typename T>
Outcome<T> read_contract(chain::ChainClient& client, const Address& contract, const Bytes& call,
                         market::Decoded<T> (*decode)(ByteView),
                         chain::BlockTag tag = chain::BlockTag::latest) {
    MILLRACE_TRY(const Bytes output, client.call(contract, call, tag));
    auto decoded = decode(output);
    if (!decoded) {
        return Err{Failure{"the contract's answer cannot be decoded",
                           to_hex0x(contract.view()) + " on " + client.name(),
                           "is there an archive of this block, and is this the right network?"}};
    }
    return std::move(*decoded);
}

/// All registered providers, page by page; at most `count_max`.
Outcome<std::vector<types::ProviderRecord>> read_providers(chain::ChainClient& client,
                                                           const Address& providers,
                                                           std::size_t count_max);

}  // namespace millrace::daemon
