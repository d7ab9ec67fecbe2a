// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/join.hpp"

#include <optional>

#include "base/u256.hpp"
#include "chain/network_file.hpp"
#include "chain/wallet_store.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/transport.hpp"

namespace millrace::cli {

namespace {

constexpr Duration answer_time_max{60'000};

/// Sends one request over a fresh connection and waits for one answer of type Answer.
template <typename Answer>
Outcome<Answer> ask(const std::string& endpoint, const types::Message& request) {
    io::EventLoop loop;
    std::optional<Answer> answer;
    std::string why = "no answer in time";
    const io::NodeKey identity = io::NodeKey::generate();
    io::Transport transport{
        loop, identity,
        io::Transport::Handlers{.on_connected = [&](io::PeerId peer, const Hash32&,
                                                    bool) { transport.send(peer, request); },
                                .on_message =
                                    [&](io::PeerId, types::Message message) {
                                        if (auto* found = std::get_if<Answer>(&message))
                                            answer = std::move(*found);
                                        loop.stop();
                                    },
                                .on_closed =
                                    [&](io::PeerId, const std::string& reason) {
                                        why = reason;
                                        loop.stop();
                                    },
                                .on_writable = {}}};
    MILLRACE_TRY_VOID(transport.connect(endpoint, std::nullopt, Duration{10'000}));
    loop.call_after(answer_time_max, [&] { loop.stop(); });
    loop.run();
    if (!answer) {
        return Err{Failure{"the network could not be joined: " + why, endpoint,
                           "is `millrace up` running there, and is this its join address?"}};
    }
    return *answer;
}

}  // namespace

Outcome<void> join_network(const JoinRequest& request) {
    MILLRACE_TRY(const auto answer,
                 ask<types::NetworkAnswer>(request.endpoint, types::NetworkRequest{}));
    MILLRACE_TRY(const auto network,
                 chain::parse_network_file(answer.network_toml, request.endpoint));
    const std::string folder = request.home_root + "/" + request.network;
    MILLRACE_TRY_VOID(io::make_folder(folder));
    const std::string file = chain::network_file_path(request.home_root, request.network);
    if (io::file_exists(file)) {
        MILLRACE_TRY(const auto known, chain::read_network_file(file));
        if (!(known.domain == network.domain)) {
            return Err{Failure{"this folder belongs to another network of the same name", file,
                               "choose another --network name or --home"}};
        }
    } else {
        MILLRACE_TRY_VOID(chain::write_network_file(file, network));
    }
    const std::string keys = folder + "/" + request.role + "/keys";
    MILLRACE_TRY_VOID(io::make_folder(keys, 0700));
    MILLRACE_TRY(const auto key, chain::load_or_create_key(
                                     keys + "/account.json", request.password,
                                     network.dev ? crypto::scrypt_light : crypto::ScryptCost{}));
    if (!network.dev) return {};
    MILLRACE_TRY(const auto client, chain::connect_to_network(network));
    const Address account = crypto::address_of(key);
    MILLRACE_TRY(const Amount balance, client->balance(account));
    if (balance >= *parse_amount("2")) return {};
    MILLRACE_TRY(const auto grant,
                 ask<types::FaucetAnswer>(request.endpoint, types::FaucetRequest{account}));
    if (!grant.problem.empty()) {
        return Err{Failure{"the faucet gave nothing: " + grant.problem, request.endpoint,
                           "fund " + crypto::checksum_address(account) + " by hand"}};
    }
    return {};
}

}  // namespace millrace::cli
