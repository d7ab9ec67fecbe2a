// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/block_source.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/overload.hpp"

namespace millrace::node {

namespace {
constexpr std::int64_t offset_s_max = std::int64_t{1} << 40;
}

SoleProducer::SoleProducer(Options options, std::uint64_t parent_timestamp, Instant now)
    : options_{options}, parent_timestamp_{parent_timestamp}, last_made_{Instant{0}} {
    change_mode(options, now);
}

void SoleProducer::change_mode(Options options, Instant now) {
    options_ = options;
    deadline_.reset();
    if (options_.mode == Mode::periodic) deadline_ = now + options_.interval;
    if (wait_ && options_.mode != Mode::manual && !deadline_) deadline_ = now;
}

std::uint64_t SoleProducer::timestamp_at(Instant now) const noexcept {
    if (forced_timestamp_) return *forced_timestamp_;
    const std::int64_t clock = now.ms / 1000 + offset_s_;
    return std::max(parent_timestamp_, clock > 0 ? static_cast<std::uint64_t>(clock) : 0);
}

bool SoleProducer::increase_time(std::int64_t seconds) {
    if (seconds < -offset_s_max || seconds > offset_s_max) return false;
    const std::int64_t sum = offset_s_ + seconds;
    if (sum < -offset_s_max || sum > offset_s_max) return false;
    offset_s_ = sum;
    return true;
}

bool SoleProducer::set_next_timestamp(std::uint64_t timestamp, Instant now) {
    if (timestamp < parent_timestamp_) return false;
    if (timestamp > static_cast<std::uint64_t>(offset_s_max)) return false;
    forced_timestamp_ = timestamp;
    offset_s_ = static_cast<std::int64_t>(timestamp) - now.ms / 1000;
    return true;
}

void SoleProducer::make(Instant now, Effects& out) {
    MILLRACE_ASSERT(!making_);
    const std::uint64_t timestamp = timestamp_at(now);
    forced_timestamp_.reset();
    parent_timestamp_ = timestamp;
    making_ = true;
    last_made_ = now;
    out.push_back({timestamp});
}

void SoleProducer::step(const Event& event, Instant now, Effects& out) {
    std::visit(Overload{[&](const TransactionsWait&) {
                            wait_ = true;
                            if (deadline_ || options_.mode == Mode::manual) return;
                            if (options_.mode == Mode::instant) {
                                deadline_ = now;
                            } else if (options_.mode == Mode::on_demand) {
                                deadline_ = std::max(now, last_made_ + options_.interval);
                            }
                        },
                        [&](const BlockCommitted& committed) {
                            making_ = false;
                            parent_timestamp_ = committed.timestamp;
                            wait_ = committed.more_wait;
                            if (!wait_ || deadline_ || options_.mode == Mode::manual) return;
                            deadline_ = options_.mode == Mode::on_demand
                                            ? std::max(now, last_made_ + options_.interval)
                                            : now;
                        },
                        [](const DeadlineReached&) {},
                        [&](const MineNow& mine) {
                            const std::uint64_t count = std::min(mine.count, mine_count_max);
                            std::uint64_t timestamp = std::max(
                                mine.timestamp.value_or(timestamp_at(now)), parent_timestamp_);
                            for (std::uint64_t index = 0; index < count; ++index) {
                                asked_.push_back({timestamp});
                                timestamp += mine.interval_s;
                            }
                        }},
               event);
    if (making_) return;
    if (!asked_.empty()) {
        forced_timestamp_ = std::max(asked_.front().timestamp, parent_timestamp_);
        asked_.pop_front();
        return make(now, out);
    }
    if (!deadline_ || now < *deadline_) return;
    deadline_.reset();
    if (options_.mode == Mode::periodic) {
        deadline_ = now + options_.interval;
        return make(now, out);
    }
    if (wait_ && options_.mode != Mode::manual) make(now, out);
}

std::optional<Instant> SoleProducer::next_deadline() const {
    if (making_) return std::nullopt;
    if (!asked_.empty()) return Instant{0};
    return deadline_;
}

}  // namespace millrace::node
