// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdlib>
#include <deque>
#include <functional>
#include <utility>
#include <variant>
#include <vector>

#include "compute/machine.hpp"
#include "io/event_loop.hpp"
#include "io/log.hpp"
#include "store/record_store.hpp"

namespace millrace::daemon {

/// Runs one of the compute machines on the event loop: events one after another, also those that
/// come while effects are carried out; a step's rows in one durable batch before its other effects;
/// woken at the machine's deadline. Where the rows cannot be written the process ends: nothing is
/// half done then, since a step that was not committed never was after a restart.
template <compute::Machine Machine>
class MachineLoop {
  public:
    using Event = typename Machine::Event;
    using Effect = typename Machine::Effect;
    using Effects = typename Machine::Effects;
    struct Handlers {
        std::function<void(const Effect&)> carry_out;  ///< all but rows
        std::function<void()> on_drained{};            ///< no event waits
    };

    MachineLoop(io::EventLoop& loop, store::RecordStore& records, Machine machine,
                Handlers handlers)
        : loop_{loop},
          records_{records},
          machine_{std::move(machine)},
          handlers_{std::move(handlers)} {}
    MachineLoop(const MachineLoop&) = delete;
    MachineLoop& operator=(const MachineLoop&) = delete;

    [[nodiscard]] const Machine& machine() const noexcept { return machine_; }

    /// Before the first step. What the machine then wants done begins with the loop's next turn.
    Outcome<void> restore(const std::vector<types::Record>& rows) {
        Effects effects;
        MILLRACE_TRY_VOID(machine_.restore(rows, loop_.now(), effects));
        MILLRACE_TRY_VOID(commit(effects));
        loop_.post([this, effects = std::move(effects)] {
            draining_ = true;
            carry_out(effects);
            drain();
        });
        return {};
    }

    void step(Event event) {
        events_.push_back(std::move(event));
        if (!draining_) drain();
    }

  private:
    static bool is_row(const Effect& effect) {
        return std::holds_alternative<compute::Persist>(effect) ||
               std::holds_alternative<compute::Erase>(effect);
    }

    Outcome<void> commit(const Effects& effects) {
        std::vector<store::Change> batch;
        for (const Effect& effect : effects) {
            if (const auto* persist = std::get_if<compute::Persist>(&effect)) {
                const types::Record& row = persist->record;
                batch.push_back({row.table, row.key, row.value});
            } else if (const auto* erase = std::get_if<compute::Erase>(&effect)) {
                batch.push_back({erase->table, erase->key, std::nullopt});
            }
        }
        return batch.empty() ? Outcome<void>{} : records_.commit(batch);
    }

    void carry_out(const Effects& effects) {
        for (const Effect& effect : effects)
            if (!is_row(effect)) handlers_.carry_out(effect);
    }

    void drain() {
        draining_ = true;
        while (!events_.empty()) {
            const Event event = std::move(events_.front());
            events_.pop_front();
            Effects effects;
            machine_.step(event, loop_.now(), effects);
            if (const auto stored = commit(effects); !stored) {
                io::log_failure("the agent cannot go on", stored.error());
                std::_Exit(1);
            }
            carry_out(effects);
        }
        draining_ = false;
        if (handlers_.on_drained) handlers_.on_drained();
        arm_timer();
    }

    void arm_timer() {
        if (timer_ != 0) loop_.cancel(timer_);
        timer_ = 0;
        if (const auto due = machine_.next_deadline()) {
            timer_ = loop_.call_at(*due, [this] {
                timer_ = 0;
                step(compute::TimerFired{});
            });
        }
    }

    io::EventLoop& loop_;
    store::RecordStore& records_;
    Machine machine_;
    Handlers handlers_;
    std::deque<Event> events_;
    bool draining_ = false;
    io::TimerId timer_ = 0;
};

}  // namespace millrace::daemon
