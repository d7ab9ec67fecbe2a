// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "chain/chain_client.hpp"
#include "chain/network_file.hpp"
#include "chain/transaction_sender.hpp"
#include "crypto/secp256k1.hpp"
#include "daemon/chain_thread.hpp"
#include "io/event_loop.hpp"
#include "io/home.hpp"
#include "io/node_key.hpp"
#include "store/blob_store.hpp"
#include "store/record_store.hpp"
#include "types/settlement.hpp"

namespace millrace::daemon {

/// What every agent process has: its home and lock, keys, stores, event loop and the chain. The
/// chain's client and sender belong to the chain thread.
class AgentBase {
  public:
    struct Options {
        std::string home_root;
        std::string network;
        std::string role;      ///< "agent-0", "provider-1"
        std::string password;  ///< of keys/account.json, which is made when absent
        std::string log_level = "info";
        std::uint64_t cache_bytes = store::BlobStore::cache_bytes_default;
    };

    static Outcome<std::unique_ptr<AgentBase>> open(const Options& options);

    [[nodiscard]] io::EventLoop& loop() noexcept { return loop_; }
    [[nodiscard]] io::RoleHome& home() noexcept { return *home_; }
    [[nodiscard]] const std::string& home_root() const noexcept { return home_root_; }
    [[nodiscard]] store::RecordStore& records() noexcept { return *records_; }
    [[nodiscard]] store::BlobStore& blobs() noexcept { return *blobs_; }
    [[nodiscard]] const crypto::SecretKey& key() const noexcept { return *key_; }
    [[nodiscard]] Address account() const noexcept { return crypto::address_of(*key_); }
    [[nodiscard]] const io::NodeKey& node_key() const noexcept { return *node_key_; }
    [[nodiscard]] const chain::NetworkFile& network() const noexcept { return network_; }
    [[nodiscard]] const types::SettlementDomain& domain() const noexcept { return domain_; }

    /// `work(ChainClient&, TransactionSender&)` on the chain thread, `done` on the loop's. When too
    /// many calls wait, `done` gets a Failure. Results are Outcomes.
    template <typename Work, typename Done>
    void on_chain(Work work, const Done& done) {
        using Answer = decltype(work(*client_, *sender_));
        const bool taken = chain_thread_->call(
            [this, work = std::move(work)]() mutable { return work(*client_, *sender_); }, done);
        if (!taken) {
            loop_.post([done]() mutable {
                done(Answer{Err{Failure{"too many calls to the chain wait", "agent",
                                        "is the chain reachable and fast enough?"}}});
            });
        }
    }

    /// Sends one transaction without holding up the chain thread while it waits for a block.
    /// `submit` looks whether anything is to be done and submits; a zero hash means that nothing
    /// was. `done` gets the hash of what was mined, or a Failure (also when it reverted).
    using Submit = std::function<Outcome<Hash32>(chain::ChainClient&, chain::TransactionSender&)>;
    void transact(Submit submit, std::function<void(Outcome<Hash32>)> done);

    /// The attempt with this purpose that a crash left open, if any: its end is waited for instead
    /// of sending another.
    static std::optional<Hash32> open_attempt(const chain::TransactionSender& sender,
                                              const std::string& purpose);

  private:
    AgentBase() = default;
    void await_receipt(const Hash32& transaction, std::function<void(Outcome<Hash32>)> done);

    std::string home_root_;
    std::unique_ptr<io::RoleHome> home_;
    io::EventLoop loop_;
    std::unique_ptr<store::RecordStore> records_;
    std::unique_ptr<store::RecordStore> transactions_;
    std::unique_ptr<store::BlobStore> blobs_;
    std::unique_ptr<crypto::SecretKey> key_;
    std::unique_ptr<io::NodeKey> node_key_;
    chain::NetworkFile network_;
    types::SettlementDomain domain_;
    std::unique_ptr<chain::ChainClient> client_;
    std::unique_ptr<chain::TransactionSender> sender_;
    std::unique_ptr<ChainThread> chain_thread_;  ///< last: ends before what it uses
};

}  // namespace millrace::daemon
