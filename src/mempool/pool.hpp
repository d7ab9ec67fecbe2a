// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/u256.hpp"
#include "types/transaction.hpp"

namespace millrace::mempool {

/// A transaction whose signature has been checked.
struct PooledTransaction {
    types::SignedTransaction transaction;
    Hash32 hash;
    Address sender;
    std::uint32_t size = 0;  ///< bytes of encode()
};
using PooledPtr = std::shared_ptr<const PooledTransaction>;

enum class PoolError : std::uint8_t {
    already_known,
    nonce_too_low,
    nonce_too_high,  ///< too far ahead of the account (nonce_gap_max)
    insufficient_funds,
    underpriced,              ///< below the pool's floor, or below what a full pool would evict
    replacement_underpriced,  ///< needs price_bump_percent more in both fees
    sender_full,
    too_large,
    gas_limit_too_high,
};
std::string_view to_text(PoolError error) noexcept;

/// What the pool must know about a sender, from the newest state.
struct SenderState {
    std::uint64_t nonce = 0;
    U256 balance;
};

/// Transactions that wait for a block: a queue per sender in order of nonce; those without a gap
/// are pending, the others queued. A value without I/O; the order of what it gives depends on
/// nothing but what it was told.
///
/// A full pool lets the last transaction of its least worthy sender go. A sender is worth the
/// lowest fee (then tip) of all it has waiting, for none can be in a block before those in front of
/// it; one with a gap is worth less than any without: what can never be in a block costs nothing to
/// send. A newcomer must be worth more than what goes for it. All transactions of a sender together
/// cost at most its balance. Replacing takes price_bump_percent more in both fees.
///
/// Every call takes O(log n), content() and the start of a selection O(n).
class Pool {
  public:
    struct Limits {
        std::size_t count_max = 65'536;
        std::size_t bytes_max = 64u << 20;
        std::size_t sender_count_max = 16'384;
        std::uint64_t nonce_gap_max = 16'384;
        std::uint64_t gas_limit_max = 30'000'000;
        std::uint32_t price_bump_percent = 10;
        U256 tip_floor{};
    };
    explicit Pool(Limits limits);
    ~Pool();

    /// `evicted` are those that had to go for it, replaced ones included.
    struct Added {
        bool pending = false;
        std::vector<PooledPtr> evicted;
    };
    /// `sender` is what update() was last told of it; with anything else, update() happens first,
    /// and after an error nobody is told what left by it.
    Result<Added, PoolError> add(PooledTransaction transaction, const SenderState& sender);

    /// After a block: senders whose nonce or balance changed. Gives what left the pool by it.
    std::vector<PooledPtr> update(const Address& sender, const SenderState& state);
    /// Removes one, for example because a block builder refused it for good; later ones of the same
    /// sender become queued.
    bool remove(const Hash32& hash);

    /// Pending transactions, best tip at `base_fee` first, each sender's in order of nonce; those
    /// that cannot pay the base fee are left out, with what follows them. Lazily: stops when the
    /// caller does. The pool outlives it and may change meanwhile: what has left is not given.
    class Selection {
      public:
        ~Selection();
        Selection(Selection&&) noexcept;
        [[nodiscard]] PooledPtr next();
        /// Leaves out what is left of the sender of the last next().
        void skip_sender();

      private:
        friend class Pool;
        Selection();
        struct State;
        std::unique_ptr<State> state_;
    };
    [[nodiscard]] Selection select(const U256& base_fee) const;

    [[nodiscard]] PooledPtr find(const Hash32& hash) const;
    /// The first nonce not taken by a pending transaction; null when none of the sender's waits.
    [[nodiscard]] std::optional<std::uint64_t> next_nonce(const Address& sender) const;
    struct Status {
        std::size_t pending = 0;
        std::size_t queued = 0;
        std::size_t bytes = 0;
    };
    [[nodiscard]] Status status() const noexcept;
    /// All, ordered by sender and nonce; `pending` says which kind.
    struct Entry {
        PooledPtr transaction;
        bool pending = false;
    };
    [[nodiscard]] std::vector<Entry> content() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::mempool
