// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "blobs/downloader.hpp"
#include "compute/machine.hpp"
#include "sim/disk.hpp"
#include "sim/market_world.hpp"

namespace millrace::sim {

/// A computer that can lose its memory, with its disk and what it downloads. Actions scheduled
/// before a crash do not happen after it.
class Host {
  public:
    Host(World& world, std::string name) : world_{world}, name_{std::move(name)} {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    virtual ~Host() = default;
    [[nodiscard]] bool is_up() const noexcept { return up_; }

  protected:
    template <typename Action>
    void later(Duration span, Action action) {
        world_.timeline.after(span, [this, epoch = epoch_, action = std::move(action)] {
            if (epoch == epoch_ && up_) action();
        });
    }
    /// Where in a durable step the process dies; null: it lives.
    enum class Death : std::uint8_t { before_commit, after_commit, amid_effects };
    std::optional<Death> draw_death();

    void download(const blobs::Event& event);
    virtual void ask(blobs::SourceId source, const types::BlobRequest& request) = 0;
    virtual void blob_ended(const crypto::BlobId& sealed, bool ok, const std::string& why) = 0;

    /// Empty where `content` is null or cannot answer.
    static types::BlobData answer_to(const types::BlobRequest& request, const Bytes* content);
    /// Onto the disk, under the key.
    types::SealedBlob seal(const Bytes& plain, const crypto::JobKey& key);

    World& world_;
    std::string name_;
    bool up_ = false;
    std::uint64_t epoch_ = 0;
    RecordDisk rows_;
    BlobDisk blobs_;
    blobs::Downloader downloader_;
    std::optional<Instant> wake_at_;
    std::optional<Instant> download_wake_at_;
};

/// A Host that runs one machine as the daemons do (daemon/machine_loop.hpp): rows first, in one
/// transaction; then the step's other effects, in order; woken at the machine's deadline. In
/// trouble it dies before the commit, after it, or amid the effects.
template <compute::Machine Machine>
class MachineHost : public Host {
  public:
    using Event = typename Machine::Event;
    using Effect = typename Machine::Effect;
    using Effects = typename Machine::Effects;
    using Host::Host;

    [[nodiscard]] const Machine& machine() const noexcept { return *machine_; }

    void start() {
        up_ = true;
        machine_ = make_machine();
        Effects effects;
        if (auto restored = machine_->restore(rows_.all(), world_.now(), effects); !restored)
            return world_.violated(name_ + " restores: " + restored.error().text());
        carry_out_all(effects);
        wake();
        on_started();
    }

    void crash() {
        ++world_.report.crashes;
        world_.record(name_, "crash", {});
        up_ = false;
        ++epoch_;
        machine_.reset();
        wake_at_.reset();
        download_wake_at_.reset();
        downloader_ = blobs::Downloader{};
        blobs_.crash([this] { return world_.chance(500'000); });
        on_crashed();
        world_.timeline.after(world_.between(100, 15'000), [this] { start(); });
    }

  protected:
    virtual std::unique_ptr<Machine> make_machine() = 0;
    virtual void carry_out(const Effect& effect) = 0;
    virtual void on_started() {}
    /// Forgets the rest and closes its connections.
    virtual void on_crashed() = 0;

    void step(const Event& event) {
        if (!up_) return;
        Effects effects;
        machine_->step(event, world_.now(), effects);
        const bool durable = std::ranges::any_of(effects, [](const Effect& effect) {
            return std::holds_alternative<compute::Persist>(effect);
        });
        const auto death = durable ? draw_death() : std::nullopt;
        if (death == Death::before_commit) return crash();
        if (death == Death::after_commit || death == Death::amid_effects) {
            Effects done;
            std::size_t others = death == Death::amid_effects ? world_.prng.below(4) : 0;
            for (Effect& effect : effects) {
                const bool row = is_row(effect);
                if (row || others > 0) done.push_back(std::move(effect));
                if (!row && others > 0) --others;
            }
            carry_out_all(done);
            return crash();
        }
        carry_out_all(effects);
        wake();
    }

  private:
    static bool is_row(const Effect& effect) {
        return std::holds_alternative<compute::Persist>(effect) ||
               std::holds_alternative<compute::Erase>(effect);
    }

    void carry_out_all(const Effects& effects) {
        for (const Effect& effect : effects) {
            if (const auto* persist = std::get_if<compute::Persist>(&effect))
                rows_.put(persist->record);
            if (const auto* erase = std::get_if<compute::Erase>(&effect))
                rows_.erase(erase->table, erase->key);
        }
        for (const Effect& effect : effects)
            if (!is_row(effect)) carry_out(effect);
    }

    void wake() {
        if (!up_) return;
        const auto due = machine_->next_deadline();
        if (!due || (wake_at_ && *wake_at_ <= *due)) return;
        wake_at_ = std::max(*due, world_.now());
        later(*wake_at_ - world_.now(), [this, planned = *wake_at_] {
            if (wake_at_ == planned) wake_at_.reset();
            const auto now_due = machine_->next_deadline();
            if (now_due && *now_due <= world_.now()) {
                step(compute::TimerFired{});
                if (up_ && machine_->next_deadline() && *machine_->next_deadline() <= world_.now())
                    world_.violated(name_ + ": a timer spins");
            } else {
                wake();
            }
        });
    }

    std::unique_ptr<Machine> machine_;
};

}  // namespace millrace::sim
