// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "chain/chain_client.hpp"
#include "crypto/secp256k1.hpp"
#include "types/transaction.hpp"

namespace millrace::chain {

/// A transaction that is signed and written down, and whose fate is not known to be final yet. Fee
/// bumps of one nonce are several of these, of which the chain takes at most one.
struct SignedAttempt {
    std::uint64_t nonce = 0;
    Hash32 hash{};
    Bytes raw{};
    std::string purpose{};  ///< the caller's name for it: "allocate 3"
    bool operator==(const SignedAttempt&) const = default;
};

/// Sends the transactions of one key, each exactly once, also across a crash.
///
/// How: before the node hears of a transaction, it is written down by `persist`; after a crash
/// resume() sends the very same bytes again, and bytes that the chain has taken already change
/// nothing. A new transaction is signed only when the old one is mined or can never be. Two live
/// senders with one key would take each other's nonces: the home's lock prevents that.
class TransactionSender {
  public:
    struct Journal {
        /// Durable when it returns. Called before each first sending, also of a fee bump.
        std::function<Outcome<void>(const SignedAttempt&)> persist{};
        /// The attempt's nonce is settled: mined (the receipt was seen) or dead. All attempts with
        /// this nonce may be dropped from the journal.
        std::function<void(std::uint64_t nonce)> forget{};
    };
    struct Options {
        Duration poll_interval{100};  ///< between looks for a receipt; grows to ten times itself
        Duration bump_after{45'000};  ///< without a receipt: the same nonce with 25 % more fee
        std::uint32_t bumps_max = 6;
    };
    struct Request {
        std::optional<Address> to{};  ///< absent: creates a contract
        Amount value{};
        Bytes data{};
        std::string purpose{};
        std::optional<std::uint64_t> gas_limit{};  ///< absent: estimated, with a quarter on top
    };

    /// `client` must outlive the sender. An empty journal keeps nothing: for single commands whose
    /// user sees the outcome.
    TransactionSender(ChainClient& client, const crypto::SecretKey& key, Journal journal,
                      Options options);
    TransactionSender(ChainClient& client, const crypto::SecretKey& key)
        : TransactionSender{client, key, Journal{}, Options{}} {}

    [[nodiscard]] const Address& account() const noexcept { return account_; }

    /// Before the first submit(): what the journal held at the end of the last run.
    void resume(std::vector<SignedAttempt> attempts);

    /// Estimates, signs, persists and hands over to the node; does not wait for a block. A revert
    /// found in the estimate and an unfunded account are Failures before anything is signed. The
    /// hash is known from here on; with an answerless node it is sent again by poll().
    Outcome<Hash32> submit(const Request& request);

    /// One look at a submitted or resumed transaction: its receipt, or null while it waits. Sends
    /// again what the node lost, raises the fee when `bump_after` has passed. The hash may be of
    /// any attempt of the nonce; the receipt tells which one was mined. A Failure when it can never
    /// be mined (its nonce was used by another), when the hash is unknown here, or no node answers.
    Outcome<std::optional<TransactionReceipt>> poll(const Hash32& hash);

    /// poll() until there is a receipt or `timeout` has passed (a Failure that says it still may be
    /// mined; poll() later). A mined transaction that reverted is a Failure with its reason.
    Outcome<TransactionReceipt> wait(const Hash32& hash, Duration timeout);
    Outcome<TransactionReceipt> send(const Request& request, Duration timeout);

    /// Transactions without a known end, oldest first.
    [[nodiscard]] std::vector<SignedAttempt> open() const;
    /// Makes a wait() in another thread return soon with a Failure.
    void stop() noexcept;

  private:
    struct State;
    Address account_{};
    std::shared_ptr<State> state_;
};

}  // namespace millrace::chain
