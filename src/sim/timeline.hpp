// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/time.hpp"

namespace millrace::sim {

/// Virtual time: what is to happen, in order of time and, at one instant, in order of asking. The
/// only clock of the simulated world; nothing in it waits.
class Timeline {
  public:
    explicit Timeline(Instant start) : now_{start} {}

    [[nodiscard]] Instant now() const noexcept { return now_; }
    [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

    /// An instant that has passed means: as soon as possible.
    void at(Instant when, std::function<void()> action) {
        queue_.push({when < now_ ? now_ : when, sequence_++, std::move(action)});
    }
    void after(Duration span, std::function<void()> action) { at(now_ + span, std::move(action)); }

    /// Runs the next action; false when there is none.
    bool run_next() {
        if (queue_.empty()) return false;
        // top() is const only to keep the order, which moving the action out does not touch.
        Entry entry = std::move(const_cast<Entry&>(queue_.top()));
        queue_.pop();
        now_ = entry.when;
        ++steps_;
        entry.action();
        return true;
    }

  private:
    struct Entry {
        Instant when;
        std::uint64_t sequence = 0;
        std::function<void()> action;
        bool operator<(const Entry& right) const noexcept {
            return when != right.when ? when > right.when : sequence > right.sequence;
        }
    };
    Instant now_;
    std::uint64_t sequence_ = 0;
    std::uint64_t steps_ = 0;
    std::priority_queue<Entry> queue_;
};

}  // namespace millrace::sim
