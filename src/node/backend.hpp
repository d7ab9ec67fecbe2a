// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "mempool/pool.hpp"
#include "node/chain.hpp"

namespace millrace::node {

/// Why a transaction was not taken, with geth's wording for clients that look at it
/// ("nonce too low", "already known", "insufficient funds for gas * price + value", …).
struct SubmitError {
    std::string message;
};

/// A block that has become final, for subscriptions and filters.
struct NewHead {
    std::shared_ptr<const types::Block> block;
    Hash32 hash;
    std::shared_ptr<const std::vector<types::TransactionReceipt>> receipts;
    bool removed = false;  ///< undone by evm_revert
};
struct NewPending {
    Hash32 hash;
};
using NodeEvent = std::variant<NewHead, NewPending>;

/// What the meaning of JSON-RPC (node/api.hpp) needs from a running node; all calls from any
/// thread. Replies may come on any thread, once each.
class Backend {
  public:
    virtual ~Backend() = default;

    [[nodiscard]] virtual std::shared_ptr<const ChainView> view() const = 0;
    [[nodiscard]] virtual bool development() const = 0;
    /// Seconds, for eth_call on "pending" and the age of the head.
    [[nodiscard]] virtual std::uint64_t now() const = 0;
    /// Seconds that only pass, untouched by evm_increaseTime: the age of filters.
    [[nodiscard]] virtual std::uint64_t steady_seconds() const { return now(); }

    /// In the pool's log before the reply; with instant blocks, in a block before the reply.
    using SubmitReply = std::function<void(Result<Hash32, SubmitError>)>;
    virtual void submit(types::SignedTransaction transaction, Address sender,
                        SubmitReply reply) = 0;

    [[nodiscard]] virtual mempool::PooledPtr pending(const Hash32& hash) const = 0;
    [[nodiscard]] virtual std::optional<std::uint64_t> pending_nonce(
        const Address& sender) const = 0;
    [[nodiscard]] virtual mempool::Pool::Status pool_status() const = 0;
    [[nodiscard]] virtual std::vector<mempool::Pool::Entry> pool_content() const = 0;
    /// What a block on the head would be now: header fields and the transactions that would be in
    /// it.
    [[nodiscard]] virtual types::Block pending_block() const = 0;

    /// Called for every event, in order, on the chain's thread: must be quick. Returns an id.
    virtual std::uint64_t listen(std::function<void(const NodeEvent&)> call) = 0;
    virtual void unlisten(std::uint64_t id) = 0;

    // Development networks only; each reply comes when it has taken effect.
    using Done = std::function<void(Result<U256, SubmitError>)>;
    struct Mine {
        std::uint64_t count = 1;
        std::optional<std::uint64_t> timestamp;
        std::uint64_t interval_s = 0;  ///< between timestamps of several
    };
    struct Snapshot {};
    struct Revert {
        U256 snapshot;
    };
    struct IncreaseTime {
        std::int64_t seconds = 0;
    };
    struct SetNextTimestamp {
        std::uint64_t timestamp = 0;
    };
    struct SetAutomine {
        bool on = true;
    };
    struct SetInterval {
        std::uint64_t milliseconds = 0;  ///< 0: none
    };
    struct SetCoinbase {
        Address address;
    };
    struct SetPrevRandao {
        Hash32 value;
    };
    struct SetAccount {
        Address address;
        std::optional<U256> balance;
        std::optional<std::uint64_t> nonce;
        std::optional<Bytes> code;
        std::vector<std::pair<U256, U256>> slots;
    };
    struct DropTransaction {
        Hash32 hash;
    };
    using Control =
        std::variant<Mine, Snapshot, Revert, IncreaseTime, SetNextTimestamp, SetAutomine,
                     SetInterval, SetCoinbase, SetPrevRandao, SetAccount, DropTransaction>;
    virtual void control(Control control, Done done) = 0;

    /// Keys of funded accounts a development network signs for (eth_accounts, eth_sendTransaction);
    /// empty elsewhere.
    [[nodiscard]] virtual const std::vector<crypto::SecretKey>& development_keys() const = 0;
};

}  // namespace millrace::node
