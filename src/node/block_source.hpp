// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace millrace::node {

/// What decides which block comes next and when. Today one producer does (SoleProducer); consensus
/// will implement the same interface and add blocks that others proposed. A pure machine: the node
/// carries out its effects in order and reports back.
class BlockSource {
  public:
    virtual ~BlockSource() = default;

    /// Transactions that could be in a block wait in the pool.
    struct TransactionsWait {};
    /// A block stands on the disk; `more_wait`: the pool still holds pending transactions.
    struct BlockCommitted {
        std::uint64_t timestamp = 0;
        bool more_wait = false;
    };
    /// next_deadline() has come.
    struct DeadlineReached {};
    /// Development networks: make `count` blocks now, full or empty.
    struct MineNow {
        std::uint64_t count = 1;
        std::optional<std::uint64_t> timestamp;  ///< of the first
        std::uint64_t interval_s = 0;            ///< between their timestamps
    };
    using Event = std::variant<TransactionsWait, BlockCommitted, DeadlineReached, MineNow>;

    /// Fill a block from the pool, seal it, then report BlockCommitted.
    struct MakeBlock {
        std::uint64_t timestamp = 0;  ///< seconds; ≥ the parent's
    };
    using Effects = std::vector<MakeBlock>;

    virtual void step(const Event& event, Instant now, Effects& out) = 0;
    [[nodiscard]] virtual std::optional<Instant> next_deadline() const = 0;
};

/// One node makes every block.
///   instant     a block as soon as a transaction waits; those that came meanwhile share it
///   on demand   the same, but at most one block per `interval`: a quiet network is quiet
///   periodic    a block per `interval`, empty ones too (development clocks)
///   manual      only MineNow
class SoleProducer final : public BlockSource {
  public:
    enum class Mode : std::uint8_t { instant, on_demand, periodic, manual };
    struct Options {
        Mode mode = Mode::instant;
        Duration interval{1'000};
    };
    SoleProducer(Options options, std::uint64_t parent_timestamp, Instant now);

    void step(const Event& event, Instant now, Effects& out) override;
    [[nodiscard]] std::optional<Instant> next_deadline() const override;

    /// evm_setAutomine, evm_setIntervalMining.
    void change_mode(Options options, Instant now);
    [[nodiscard]] const Options& options() const noexcept { return options_; }

    /// evm_increaseTime: added to the clock from now on. The sum stays within 2^40 s.
    [[nodiscard]] bool increase_time(std::int64_t seconds);
    [[nodiscard]] std::int64_t time_offset_s() const noexcept { return offset_s_; }
    void set_time_offset_s(std::int64_t seconds) noexcept { offset_s_ = seconds; }
    /// evm_setNextBlockTimestamp: false when it is before the parent's; later blocks go on from it.
    [[nodiscard]] bool set_next_timestamp(std::uint64_t timestamp, Instant now);
    /// After a rollback.
    void set_parent_timestamp(std::uint64_t timestamp) noexcept { parent_timestamp_ = timestamp; }
    /// What a block made now would carry.
    [[nodiscard]] std::uint64_t timestamp_at(Instant now) const noexcept;

  private:
    void make(Instant now, Effects& out);

    Options options_;
    std::uint64_t parent_timestamp_;
    std::int64_t offset_s_ = 0;
    std::optional<std::uint64_t> forced_timestamp_;
    std::optional<Instant> deadline_;
    Instant last_made_;
    bool wait_ = false;            ///< transactions wait
    bool making_ = false;          ///< a block was asked for and has not been reported
    std::deque<MakeBlock> asked_;  ///< MineNow's, one at a time; at most mine_count_max
};

/// Bound of MineNow::count.
inline constexpr std::uint64_t mine_count_max = 100'000;

}  // namespace millrace::node
