// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "chain/chain_client.hpp"
#include "types/settlement.hpp"

namespace millrace::chain {

/// network.toml: which chain and contracts a network settles on. `up` and `deploy` write it, every
/// agent reads it from <home>/<network>/network.toml.
///
///     version = 1
///     name = "local"
///     rpc_url = "http://127.0.0.1:8545"
///     chain_id = 5065036
///     genesis = "0x…"            # Capabilities.network(), the salt of every signature
///     dev = true                 # lying on purpose and the faucet are allowed
///     finality = "finalized"     # or a number of blocks; 0: what is mined is final
///
///     [contracts]
///     capabilities = "0x…"
///     providers = "0x…"
///     deposits = "0x…"
///     jobs = "0x…"
struct NetworkFile {
    static constexpr std::uint32_t version = 1;

    std::string name{};
    std::string rpc_url{};
    types::SettlementDomain domain{};
    bool dev = false;
    Finality finality{};
    bool operator==(const NetworkFile&) const = default;
};

/// Failures name `where`, the line and the key; an unknown key names the nearest known one.
Outcome<NetworkFile> parse_network_file(std::string_view text, const std::string& where);
std::string format_network_file(const NetworkFile& network);
/// Reads at most 64 KiB.
Outcome<NetworkFile> read_network_file(const std::string& path);
/// Whole or not at all.
Outcome<void> write_network_file(const std::string& path, const NetworkFile& network);

/// The file of a network below a home: <home>/<network>/network.toml.
std::string network_file_path(const std::string& home, const std::string& network);

/// Connects to rpc_url and makes sure that it is this network: chain id, code at the contracts'
/// addresses, and a Capabilities contract that names them and this genesis.
Outcome<std::unique_ptr<ChainClient>> connect_to_network(const NetworkFile& network,
                                                         Duration timeout = Duration{10'000});

}  // namespace millrace::chain
