// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// A world of paper for tests of the requestor: providers that behave as told, a chain that is a few
// sums, a store that is a map. Virtual time; no test waits.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/overload.hpp"
#include "compute/requestor_paper.hpp"
#include "crypto/merkle.hpp"

namespace millrace::compute::requestor {

class PaperWorld {
  public:
    struct PaperProvider {
        types::ProviderRecord record;
        crypto::SecretKey signer;
        Manner manner;
        bool up = false;
        Instant busy_until;
        std::map<Hash32, types::LeaseOffer> offers{};       ///< by lease
        std::map<Hash32, types::ReceiptNotice> receipts{};  ///< finished work, kept over crashes
        std::set<Hash32> accepted{};
        std::map<std::uint64_t, types::Voucher> vouchers{};  ///< best by allocation
    };
    struct PaperAllocation {
        std::map<Address, Amount> caps;
        Amount total;
        std::map<Address, Amount> settled;
        std::set<Address> closed;
    };

    explicit PaperWorld(std::uint64_t seed = 1, Amount deposit = Amount{U256{1'000'000'000'000}})
        : seed_{seed}, deposit_{deposit}, free_{deposit} {
        restart({});
    }

    Requestor& machine() { return *machine_; }
    Instant now() const { return now_; }
    std::vector<Effect>& log() { return log_; }
    std::map<Address, PaperProvider>& providers() { return providers_; }
    Amount free_deposit() const { return free_; }
    Amount deposit() const { return deposit_; }
    std::size_t persists() const { return persists_; }
    const std::map<std::uint64_t, PaperAllocation>& allocations() const { return allocations_; }
    const std::map<std::pair<std::string, Bytes>, Bytes>& store() const { return store_; }

    Address add_provider(std::uint64_t number, Manner manner = {}, std::uint64_t price = 1000,
                         std::uint32_t slots = 2) {
        PaperProvider provider{.record = {},
                               .signer = paper_key(2000 + number),
                               .manner = std::move(manner),
                               .busy_until = {}};
        provider.record.provider = crypto::address_of(paper_key(1000 + number));
        provider.record.signer = crypto::address_of(provider.signer);
        provider.record.node_key = paper_hash("node " + std::to_string(number));
        provider.record.endpoint = "127.0.0.1:" + std::to_string(7000 + number);
        provider.record.price = Amount{U256{price}};
        provider.record.slots = slots;
        provider.record.active = true;
        const Address address = provider.record.provider;
        providers_.emplace(address, std::move(provider));
        return address;
    }

    void announce() {
        ProvidersUpdated event;
        for (const auto& [address, provider] : providers_)
            event.providers.push_back(provider.record);
        give(event);
        give(DepositUpdated{free_, allocations_.size()});
    }

    /// Hands an event over now, and carries out what it causes.
    void give(const Event& event) {
        if (is_dead_) return;
        Effects effects;
        machine_->step(event, now_, effects);
        if (observer) observer(event, effects);
        carry_out(effects);
    }

    /// Runs until nothing is due before `until`, or `stop` says so.
    void run(
        Duration span, const std::function<bool()>& stop = [] { return false; }) {
        const Instant until = now_ + span;
        while (!stop()) {
            const auto timer = is_dead_ ? std::nullopt : machine_->next_deadline();
            const bool has_event = !pending_.empty();
            if (!timer && !has_event) break;
            const bool event_first =
                has_event && (!timer || pending_.begin()->first.first <= *timer);
            const Instant at = event_first ? pending_.begin()->first.first : *timer;
            if (at > until) break;
            now_ = std::max(now_, at);
            if (event_first) {
                const std::function<void()> action = std::move(pending_.begin()->second);
                pending_.erase(pending_.begin());
                action();
            } else {
                give(TimerFired{});
            }
        }
        if (!stop()) now_ = std::max(now_, until);
    }

    bool job_over(const Hash32& id) {
        const auto summary = machine_->summary(id);
        return summary && summary->job.state != JobState::running;
    }
    bool settled(const Hash32& id) {
        const auto summary = machine_->summary(id);
        return summary && summary->settled;
    }

    /// The process dies and starts again with what the store holds. Providers stay.
    void crash() {
        ++epoch_;
        is_dead_ = false;
        for (auto& [address, provider] : providers_)
            provider.up = false;
        std::vector<types::Record> records;
        records.reserve(store_.size());
        for (const auto& [key, value] : store_)
            records.push_back({key.first, key.second, value});
        restart(records);
        announce();
    }
    /// Kills the machine right after its n-th durable step from now (before anything is sent),
    /// once.
    void crash_after(std::size_t durable_steps) { crash_at_ = persists_ + durable_steps; }

    void disconnect(const Address& address) {
        providers_.at(address).up = false;
        give(PeerDown{address, "connection reset"});
    }

    template <typename T>
    std::vector<T> sent(const Address& address) const {
        std::vector<T> found;
        for (const Effect& effect : log_) {
            const Send* send = std::get_if<Send>(&effect);
            if (send == nullptr || send->provider != address) continue;
            if (const T* message = std::get_if<T>(&send->message)) found.push_back(*message);
        }
        return found;
    }
    template <typename T>
    std::vector<T> effects() const {
        std::vector<T> found;
        for (const Effect& effect : log_) {
            if (const T* match = std::get_if<T>(&effect)) found.push_back(*match);
        }
        return found;
    }

    /// What each provider could settle now with its best vouchers.
    std::map<Address, Amount> claims() const {
        std::map<Address, Amount> sums;
        for (const auto& [address, provider] : providers_) {
            for (const auto& [number, voucher] : provider.vouchers)
                sums[address] = *checked_add(sums[address], voucher.cumulative);
        }
        return sums;
    }

    /// Laws that hold after every step; a broken one is returned as text.
    std::vector<std::string> broken_laws;
    /// Sees every step, for transcripts.
    std::function<void(const Event&, const Effects&)> observer;

  private:
    void restart(const std::vector<types::Record>& records) {
        machine_ = std::make_unique<Requestor>(Requestor::Config{
            .domain = paper_domain(), .key = paper_key(1), .seed = seed_, .timing = {}});
        Effects effects;
        const auto restored = machine_->restore(records, now_, effects);
        if (!restored) {
            broken_laws.push_back("restore: " + restored.error().text());
            return;
        }
        carry_out(effects);
    }

    void later(Duration delay, std::function<void()> action) {
        const std::uint64_t epoch = epoch_;
        pending_[{now_ + delay, order_++}] = [this, epoch, action = std::move(action)] {
            if (epoch == epoch_) action();
        };
    }
    void tell(const Address& address, types::Message message, Duration delay = Duration{1}) {
        later(delay, [this, address, message = std::move(message)] {
            if (providers_.at(address).up) give(MessageReceived{address, message});
        });
    }

    void carry_out(const Effects& effects) {
        bool durable = false;
        for (const Effect& effect : effects) {
            if (const auto* persist = std::get_if<Persist>(&effect)) {
                store_[{persist->record.table, persist->record.key}] = persist->record.value;
                durable = true;
            }
            if (const auto* erase = std::get_if<Erase>(&effect)) {
                store_.erase({erase->table, erase->key});
                durable = true;
            }
        }
        if (durable) ++persists_;
        if (durable && crash_at_ && persists_ >= *crash_at_) {
            crash_at_.reset();
            ++epoch_;  // nothing that was to be sent is sent
            is_dead_ = true;
            for (auto& [address, provider] : providers_)
                provider.up = false;
            pending_[{now_ + Duration{200}, order_++}] = [this] { crash(); };
            return;
        }
        for (const Effect& effect : effects) {
            log_.push_back(effect);
            std::visit(Overload{[this](const Connect& connect) { on_connect(connect); },
                                [this](const Disconnect& disconnect) {
                                    const Address address = disconnect.provider;
                                    providers_.at(address).up = false;
                                    later(Duration{0}, [this, address] {
                                        give(PeerDown{address, "closed by us"});
                                    });
                                },
                                [this](const Send& send) { on_send(send); },
                                [this](const FetchBlob& fetch) { on_fetch(fetch); },
                                [this](const Allocate& allocate) { on_allocate(allocate); },
                                [this](const ReportContradiction& report) { on_report(report); },
                                [](const auto&) {}},
                       effect);
        }
        check_laws();
    }

    void on_connect(const Connect& connect) {
        const Address address = connect.provider;
        later(Duration{1}, [this, address] {
            PaperProvider& provider = providers_.at(address);
            if (!provider.manner.reachable) return give(PeerDown{address, "connection refused"});
            provider.up = true;
            give(PeerUp{address});
            for (const auto& [lease, receipt] : std::map{provider.receipts}) {
                if (!provider.accepted.contains(lease)) commit(address, lease);
            }
        });
    }

    types::ReceiptNotice work(const PaperProvider& provider, const types::LeaseOffer& offer) {
        types::ReceiptNotice notice;
        const std::string input = to_hex(offer.task.id().view());
        std::string answer = "answer " + input;
        const bool lies = provider.manner.lies(offer.task.index);
        if (lies && provider.manner.colludes) answer = "agreed lie " + input;
        if (lies && !provider.manner.colludes)
            answer = "lie of " + provider.record.endpoint + " " + input;
        notice.files = {{"out/tile.ppm", paper_blob(answer, 100)}};
        notice.standard_output = paper_blob("stdout " + answer, 7);
        notice.standard_error = paper_blob("stderr " + provider.record.endpoint, 3);
        std::vector<types::OutputEntry> entries;
        entries.push_back({"out/tile.ppm", notice.files[0].blob.plain, false});
        notice.summary.output_root = types::output_root(entries);
        notice.summary.stdout_root = notice.standard_output.plain.root;
        notice.summary.fuel = Fuel{provider.manner.fuel};
        notice.salt = paper_hash("salt " + to_hex(offer.lease.id().view()));
        notice.receipt = {.lease = offer.lease.id(),
                          .task = offer.lease.task,
                          .result_id = notice.summary.result_id(),
                          .fuel = notice.summary.fuel};
        notice.signature = crypto::sign(provider.signer, notice.receipt.digest(paper_domain()));
        if (provider.manner.forges_signature) notice.signature.bytes[5] ^= 1;
        return notice;
    }

    void commit(const Address& address, const Hash32& lease) {
        const PaperProvider& provider = providers_.at(address);
        const types::ReceiptNotice& notice = provider.receipts.at(lease);
        const types::Commitment commitment{
            lease, types::commitment_hash(paper_domain().chain_id, notice.receipt.task, address,
                                          notice.receipt.result_id, notice.salt)};
        tell(address,
             types::CommitmentNotice{
                 commitment, crypto::sign(provider.signer, commitment.digest(paper_domain()))});
    }

    void on_send(const Send& send) {
        const Address address = send.provider;
        PaperProvider& provider = providers_.at(address);
        if (!provider.up) return;
        std::visit(
            Overload{[&](const types::LeaseOffer& offer) { on_offer(address, provider, offer); },
                     [&](const types::RevealRequest& request) {
                         const auto found = provider.receipts.find(request.lease);
                         if (found != provider.receipts.end()) tell(address, found->second);
                     },
                     [&](const types::Verdict& verdict) {
                         if (verdict.kind != types::VerdictKind::late)
                             provider.accepted.insert(verdict.lease);
                     },
                     [&](const types::VoucherNotice& notice) {
                         types::Voucher& best = provider.vouchers[notice.voucher.allocation];
                         if (notice.voucher.cumulative < best.cumulative)
                             broken_laws.push_back("a voucher went backwards");
                         const auto signer = crypto::recover(notice.voucher.digest(paper_domain()),
                                                             notice.signature);
                         if (signer != machine_->account())
                             broken_laws.push_back("a voucher is not signed by its payer");
                         best = notice.voucher;
                         for (const Hash32& lease : notice.leases)
                             provider.accepted.insert(lease);
                         tell(address, types::VoucherAck{best.allocation, best.cumulative});
                     },
                     [&](const types::CloseStream& close) { on_close(address, provider, close); },
                     [](const auto&) {}},
            send.message);
    }

    void on_offer(const Address& address, PaperProvider& provider, const types::LeaseOffer& offer) {
        const Hash32 lease = offer.lease.id();
        const auto signer = crypto::recover(offer.lease.digest(paper_domain()), offer.signature);
        if (signer != machine_->account()) broken_laws.push_back("a lease is not signed");
        if (!offer.allocation) broken_laws.push_back("a lease without its leaf");
        if (provider.manner.refuses)
            return tell(address, types::LeaseAnswer{lease, provider.manner.refuses,
                                                    provider.manner.refusal_text});
        tell(address, types::LeaseAnswer{lease, std::nullopt, {}});
        if (provider.receipts.contains(lease)) return commit(address, lease);
        if (provider.offers.contains(lease) && running_.contains(lease)) return;
        provider.offers[lease] = offer;
        if (provider.manner.hangs(offer.task.index)) return;
        running_.insert(lease);
        provider.busy_until = std::max(provider.busy_until, now_) + provider.manner.task_time;
        // Work goes on whether the requestor lives or not.
        pending_[{provider.busy_until, order_++}] = [this, address, lease, offer] {
            running_.erase(lease);
            PaperProvider& worker = providers_.at(address);
            worker.receipts[lease] = work(worker, offer);
            if (worker.up) commit(address, lease);
        };
    }

    void on_close(const Address& address, PaperProvider& provider,
                  const types::CloseStream& close) {
        const std::uint64_t number = close.allocation;
        PaperAllocation& allocation = allocations_.at(number);
        Amount paid;
        if (const auto voucher = provider.vouchers.find(number); voucher != provider.vouchers.end())
            paid = voucher->second.cumulative;
        if (paid > allocation.caps.at(address)) broken_laws.push_back("a voucher exceeds its leaf");
        if (!allocation.closed.contains(address)) {
            allocation.closed.insert(address);
            allocation.settled[address] = paid;
            free_ = *checked_add(free_, *checked_sub(allocation.caps.at(address), paid));
        }
        tell(address, types::StreamClosed{number, paper_hash("close"), {}}, Duration{20});
        later(Duration{40}, [this] { give(DepositUpdated{free_, allocations_.size()}); });
    }

    void on_fetch(const FetchBlob& fetch) {
        later(Duration{2}, [this, fetch] {
            const PaperProvider& provider = providers_.at(fetch.provider);
            const bool ok = provider.up && !provider.manner.withholds_outputs;
            give(BlobFetched{fetch.job, fetch.index, fetch.blob, fetch.provider, ok,
                             ok ? "" : "it does not have it"});
        });
    }

    void on_allocate(const Allocate& allocate) {
        const std::uint64_t number = allocate.allocation;
        if (!allocations_.contains(number)) {
            if (number != allocations_.size())
                broken_laws.push_back("an allocation number is skipped");
            PaperAllocation allocation;
            for (const AllocationLeaf& leaf : allocate.leaves) {
                allocation.caps[leaf.payee] = leaf.cap;
                allocation.total = *checked_add(allocation.total, leaf.cap);
            }
            if (allocation.total != allocate.total) broken_laws.push_back("a total is not the sum");
            const auto rest = checked_sub(free_, allocation.total);
            if (!rest) return broken_laws.push_back("allocated over the deposit");
            free_ = *rest;
            allocations_[number] = std::move(allocation);
        }
        later(Duration{10}, [this, number] {
            give(AllocationUpdated{number, AllocationStatus::latest, paper_hash("tx"), {}});
        });
        later(Duration{900}, [this, number] {
            give(AllocationUpdated{number, AllocationStatus::finalized, paper_hash("tx"), {}});
            give(DepositUpdated{free_, allocations_.size()});
        });
    }

    void on_report(const ReportContradiction& report) {
        const Evidence& evidence = report.evidence;
        if (evidence.right_first.receipt.result_id != evidence.right_second.receipt.result_id ||
            evidence.wrong.receipt.result_id == evidence.right_first.receipt.result_id)
            broken_laws.push_back("evidence does not contradict");
        if (evidence.right_first.lease.provider == evidence.right_second.lease.provider ||
            evidence.wrong.lease.provider == evidence.right_first.lease.provider ||
            evidence.wrong.lease.provider == evidence.right_second.lease.provider)
            broken_laws.push_back("evidence by one provider twice");
        const Hash32 id = evidence.id;
        later(Duration{30}, [this, id] {
            give(ContradictionReported{id, true, paper_hash("report"), {}});
        });
    }

    void check_laws() {
        if (machine_->signed_total() > machine_->allocated_open() && !allocations_.empty()) {
            Amount settled;
            for (const auto& [number, allocation] : allocations_) {
                for (const auto& [payee, amount] : allocation.settled)
                    settled = *checked_add(settled, amount);
            }
            if (machine_->signed_total() > *checked_add(settled, machine_->allocated_open()))
                broken_laws.push_back("vouchers exceed the leaves");
        }
    }

    std::uint64_t seed_;
    Amount deposit_;
    Amount free_;
    Instant now_{1'000'000'000};
    std::unique_ptr<Requestor> machine_;
    std::map<Address, PaperProvider> providers_;
    std::map<std::uint64_t, PaperAllocation> allocations_;
    std::map<std::pair<std::string, Bytes>, Bytes> store_;
    std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> pending_;
    std::set<Hash32> running_;
    std::uint64_t order_ = 0;
    std::uint64_t epoch_ = 0;
    std::size_t persists_ = 0;
    std::optional<std::size_t> crash_at_;
    bool is_dead_ = false;
    std::vector<Effect> log_;
};

}  // namespace millrace::compute::requestor
