// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The requestor's machine against the provider's own, message by message through the wire's
// encoding, with a chain of sums between them. Either side may die at any durable step.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compute/provider.hpp"
#include "compute/requestor_world.hpp"

namespace millrace::compute {
namespace {

namespace req = requestor;
namespace pro = provider;
using ::testing::IsEmpty;

using Rows = std::map<std::pair<std::string, Bytes>, Bytes>;

template <typename Effects, typename Persist, typename Erase>
bool store(const Effects& effects, Rows& rows) {
    bool durable = false;
    for (const auto& effect : effects) {
        if (const auto* persist = std::get_if<Persist>(&effect)) {
            rows[{persist->record.table, persist->record.key}] = persist->record.value;
            durable = true;
        }
        if (const auto* erase = std::get_if<Erase>(&effect)) {
            rows.erase({erase->table, erase->key});
            durable = true;
        }
    }
    return durable;
}

std::vector<types::Record> records_of(const Rows& rows) {
    std::vector<types::Record> records;
    for (const auto& [key, value] : rows)
        records.push_back({key.first, key.second, value});
    return records;
}

class PairWorld {
  public:
    struct Node {
        types::ProviderRecord record;
        Provider::Config config;
        std::unique_ptr<Provider> machine{};
        Rows rows{};
        bool is_dead = false;
        pro::SessionId session = 0;  ///< 0: not connected
        std::uint64_t life = 0;
        Duration task_time{50};
    };
    struct ChainAllocation {
        std::map<Address, Amount> caps;
        crypto::SumNode root;
        Instant final_at;
        std::map<Address, Amount> settled;
        std::set<Address> closed;
    };

    PairWorld() { start_requestor(); }

    Address add(std::uint64_t number, std::uint32_t wrong_ppm = 0) {
        const crypto::SecretKey signer = req::paper_key(2000 + number);
        const Address owner = crypto::address_of(req::paper_key(1000 + number));
        Node node{.record = {},
                  .config = {.domain = req::paper_domain(),
                             .owner = owner,
                             .signer = signer,
                             .seed = req::paper_hash("seed " + std::to_string(number)),
                             .price = Amount{U256{1000}},
                             .slots = 2,
                             .settle_threshold = {},
                             .wrong_result_ppm = wrong_ppm}};
        node.record.provider = owner;
        node.record.signer = crypto::address_of(signer);
        node.record.node_key = req::paper_hash("node " + std::to_string(number));
        node.record.endpoint = "127.0.0.1:" + std::to_string(7000 + number);
        node.record.price = Amount{U256{1000}};
        node.record.slots = 2;
        node.record.active = true;
        nodes_.emplace(owner, std::move(node));
        start_provider(owner);
        return owner;
    }

    void announce() {
        req::ProvidersUpdated event;
        for (const auto& [owner, node] : nodes_)
            event.providers.push_back(node.record);
        give(event);
        give(req::DepositUpdated{free_, allocations_.size()});
    }
    void give(const req::Event& event) {
        if (!requestor_ || requestor_dead_) return;
        req::Effects effects;
        requestor_->step(event, now_, effects);
        carry_out(effects);
    }
    void run(const std::function<bool()>& stop) {
        const Instant until = now_ + Duration{3'600'000};
        while (!stop() && now_ < until) {
            Instant next = pending_.empty() ? until : pending_.begin()->first.first;
            if (requestor_ && !requestor_dead_ && requestor_->next_deadline())
                next = std::min(next, *requestor_->next_deadline());
            for (const auto& [owner, node] : nodes_) {
                if (node.machine && !node.is_dead && node.machine->next_deadline())
                    next = std::min(next, *node.machine->next_deadline());
            }
            now_ = std::max(now_, next);
            if (!pending_.empty() && pending_.begin()->first.first <= now_) {
                const auto action = std::move(pending_.begin()->second);
                pending_.erase(pending_.begin());
                action();
                continue;
            }
            if (requestor_ && requestor_->next_deadline() && *requestor_->next_deadline() <= now_)
                give(req::TimerFired{});
            for (auto& [owner, node] : nodes_) {
                if (node.machine && node.machine->next_deadline() &&
                    *node.machine->next_deadline() <= now_)
                    give(owner, pro::TimerFired{});
            }
        }
    }

    void crash_requestor_after(std::size_t steps) { requestor_dies_ = steps; }
    void crash_provider_after(const Address& owner, std::size_t steps) {
        provider_dies_ = {owner, steps};
    }

    Requestor& requestor() { return *requestor_; }
    bool settled(const Hash32& job) {
        if (!requestor_) return false;
        const auto summary = requestor_->summary(job);
        return summary && summary->settled;
    }
    Amount paid(const Address& owner) const {
        Amount sum;
        for (const auto& [number, allocation] : allocations_) {
            const auto found = allocation.settled.find(owner);
            if (found != allocation.settled.end()) sum = *checked_add(sum, found->second);
        }
        return sum;
    }
    Amount free() const { return free_; }
    std::vector<std::string> broken;
    std::vector<std::string> notes;
    const Amount deposit{U256{1'000'000'000}};

  private:
    void later(Duration delay, std::function<void()> action) {
        pending_[{now_ + delay, order_++}] = std::move(action);
    }
    template <typename Message>
    static types::Message through_wire(const Message& message) {
        types::FrameReader reader;
        reader.feed(types::encode_frame(message));
        auto decoded = reader.next();
        MILLRACE_ASSERT(decoded.has_value() && decoded.value().has_value());
        return std::move(**decoded);
    }

    // ---- requestor
    void start_requestor() {
        requestor_ = std::make_unique<Requestor>(Requestor::Config{
            .domain = req::paper_domain(), .key = req::paper_key(1), .seed = 5, .timing = {}});
        ++requestor_life_;
        req::Effects effects;
        const auto restored = requestor_->restore(records_of(requestor_rows_), now_, effects);
        if (!restored) broken.push_back(restored.error().text());
        carry_out(effects);
    }
    void kill_requestor() {
        requestor_.reset();
        requestor_dead_ = false;
        ++requestor_life_;
        for (auto& [owner, node] : nodes_) {
            const pro::SessionId session = std::exchange(node.session, 0);
            if (session != 0)
                later(Duration{1},
                      [this, owner = owner, session] { give(owner, pro::PeerDown{session}); });
        }
        later(Duration{300}, [this] {
            start_requestor();
            announce();
        });
    }
    void carry_out(const req::Effects& effects) {
        const bool durable =
            store<req::Effects, req::Persist, req::Erase>(effects, requestor_rows_);
        if (durable && requestor_dies_ && --*requestor_dies_ == 0) {
            requestor_dies_.reset();
            requestor_dead_ = true;
            later(Duration{0}, [this] { kill_requestor(); });
            return;
        }
        for (const req::Effect& effect : effects) {
            std::visit(
                Overload{[this](const req::Connect& connect) { on_connect(connect.provider); },
                         [this](const req::Disconnect& disconnect) { cut(disconnect.provider); },
                         [this](const req::Send& send) {
                             Node& node = nodes_.at(send.provider);
                             if (node.session == 0) return;
                             deliver(send.provider, node.session, through_wire(send.message));
                         },
                         [this](const req::FetchBlob& fetch) { on_fetch(fetch); },
                         [this](const req::Allocate& allocate) { on_allocate(allocate); },
                         [this](const req::ReportContradiction& report) {
                             const Hash32 id = report.evidence.id;
                             to_requestor(Duration{30}, req::ContradictionReported{
                                                            id, true, req::paper_hash("tx"), {}});
                         },
                         [this](const req::Note& note) { notes.push_back(note.text); },
                         [](const auto&) {}},
                effect);
        }
    }
    void to_requestor(Duration delay, req::Event event) {
        const std::uint64_t life = requestor_life_;
        later(delay, [this, life, event = std::move(event)] {
            if (life == requestor_life_) give(event);
        });
    }
    void on_connect(const Address& owner) {
        const std::uint64_t life = requestor_life_;
        later(Duration{2}, [this, owner, life] {
            if (life != requestor_life_) return;
            Node& node = nodes_.at(owner);
            if (!node.machine) return give(req::PeerDown{owner, "connection refused"});
            node.session = ++session_next_;
            give(owner, pro::PeerUp{node.session, requestor_->account(), req::paper_hash("me")});
            give(req::PeerUp{owner});
        });
    }
    void cut(const Address& owner) {
        const pro::SessionId session = std::exchange(nodes_.at(owner).session, 0);
        if (session != 0)
            later(Duration{1}, [this, owner, session] { give(owner, pro::PeerDown{session}); });
        to_requestor(Duration{1}, req::PeerDown{owner, "cut"});
    }
    void deliver(const Address& owner, pro::SessionId session, types::Message message) {
        later(Duration{1}, [this, owner, session, message = std::move(message)] {
            if (nodes_.at(owner).session == session)
                give(owner, pro::MessageReceived{session, message});
        });
    }
    void on_fetch(const req::FetchBlob& fetch) {
        const Node& node = nodes_.at(fetch.provider);
        const bool ok = node.machine && node.session != 0 &&
                        node.machine->may_read(node.session, fetch.blob.sealed());
        to_requestor(Duration{3}, req::BlobFetched{fetch.job, fetch.index, fetch.blob,
                                                   fetch.provider, ok, ok ? "" : "not readable"});
    }
    void on_allocate(const req::Allocate& allocate) {
        const std::uint64_t number = allocate.allocation;
        if (!allocations_.contains(number)) {
            ChainAllocation allocation;
            std::vector<crypto::Allocation> list;
            for (const req::AllocationLeaf& leaf : allocate.leaves) {
                allocation.caps[leaf.payee] = leaf.cap;
                list.push_back({leaf.payee, leaf.cap.wei});
            }
            allocation.root = crypto::SumTree::build(list)->root();
            if (allocation.root.hash != allocate.root) broken.push_back("another root");
            allocation.final_at = now_ + Duration{800};
            const auto rest = checked_sub(free_, allocate.total);
            if (!rest) return broken.push_back("allocated over the deposit");
            free_ = *rest;
            allocations_[number] = std::move(allocation);
        }
        to_requestor(Duration{100},
                     req::AllocationUpdated{number, req::AllocationStatus::latest, {}, {}});
        to_requestor(Duration{850},
                     req::AllocationUpdated{number, req::AllocationStatus::finalized, {}, {}});
        const std::uint64_t life = requestor_life_;
        later(Duration{851}, [this, life] {
            if (life == requestor_life_) give(req::DepositUpdated{free_, allocations_.size()});
        });
    }

    // ---- providers
    void start_provider(const Address& owner) {
        Node& node = nodes_.at(owner);
        node.machine = std::make_unique<Provider>(node.config);
        ++node.life;
        pro::Effects effects;
        const auto restored = node.machine->restore(records_of(node.rows), now_, effects);
        if (!restored) broken.push_back(restored.error().text());
        carry_out(owner, effects);
    }
    void kill_provider(const Address& owner) {
        Node& node = nodes_.at(owner);
        node.machine.reset();
        node.is_dead = false;
        ++node.life;
        node.session = 0;
        to_requestor(Duration{1}, req::PeerDown{owner, "connection reset"});
        later(Duration{400}, [this, owner] { start_provider(owner); });
    }
    void give(const Address& owner, const pro::Event& event) {
        Node& node = nodes_.at(owner);
        if (!node.machine || node.is_dead) return;
        pro::Effects effects;
        node.machine->step(event, now_, effects);
        carry_out(owner, effects);
    }
    void to_provider(const Address& owner, Duration delay, pro::Event event) {
        const std::uint64_t life = nodes_.at(owner).life;
        later(delay, [this, owner, life, event = std::move(event)] {
            if (nodes_.at(owner).life == life) give(owner, event);
        });
    }
    void carry_out(const Address& owner, const pro::Effects& effects) {
        Node& node = nodes_.at(owner);
        const bool durable = store<pro::Effects, pro::Persist, pro::Erase>(effects, node.rows);
        if (durable && provider_dies_ && provider_dies_->first == owner &&
            --provider_dies_->second == 0) {
            provider_dies_.reset();
            node.is_dead = true;
            later(Duration{0}, [this, owner] { kill_provider(owner); });
            return;
        }
        for (const pro::Effect& effect : effects) {
            std::visit(Overload{[&](const pro::Send& send) {
                                    if (send.session != node.session || node.session == 0) return;
                                    to_requestor(
                                        Duration{1},
                                        req::MessageReceived{owner, through_wire(send.message)});
                                },
                                [&](const pro::CloseSession& close) {
                                    if (close.session == node.session) cut(owner);
                                    broken.push_back("provider closed the session: " + close.why);
                                },
                                [&](const pro::FetchBlobs& fetch) {
                                    for (const crypto::BlobId& blob : fetch.sealed)
                                        to_provider(owner, Duration{2}, pro::BlobReady{blob});
                                },
                                [&](const pro::RunTask& run) {
                                    to_provider(owner, node.task_time, finished(run));
                                },
                                [&](const pro::CheckAllocation& check) {
                                    to_provider(owner, Duration{5}, seen(owner, check));
                                },
                                [&](const pro::Settle& settle) { on_settle(owner, settle); },
                                [](const auto&) {}},
                       effect);
        }
    }
    static pro::TaskFinished finished(const pro::RunTask& run) {
        std::string answer = "answer " + to_hex(run.task.id().view());
        if (run.lie) answer += to_hex(run.lie->view());
        pro::TaskFinished done;
        done.lease = run.lease;
        done.files = {{"out/tile", req::paper_blob(answer, 100)}};
        done.standard_output = req::paper_blob("stdout", 7);
        done.standard_error = req::paper_blob("stderr", 3);
        std::vector<types::OutputEntry> entries;
        entries.push_back({"out/tile", done.files[0].blob.plain, false});
        done.summary.output_root = types::output_root(entries);
        done.summary.stdout_root = done.standard_output.plain.root;
        done.summary.fuel = Fuel{2'000'000'000};
        done.elapsed = Duration{50};
        return done;
    }
    pro::AllocationSeen seen(const Address& owner, const pro::CheckAllocation& check) const {
        pro::AllocationSeen answer{
            .payer = check.payer, .proof = check.proof, .expiry = 0, .settled = {}};
        const auto found = allocations_.find(check.proof.allocation);
        if (found == allocations_.end()) return answer;
        std::vector<crypto::SumNode> path;
        for (const types::AllocationProof::Step& step : check.proof.path)
            path.push_back({step.sibling, to_word(step.sum.wei)});
        const bool holds = crypto::verify_allocation(
            found->second.root, {owner, check.proof.cap.wei}, check.proof.index, path);
        answer.state = !holds                           ? pro::AllocationState::invalid
                       : now_ >= found->second.final_at ? pro::AllocationState::finalized
                                                        : pro::AllocationState::latest;
        answer.expiry = static_cast<std::uint64_t>(now_.ms) / 1000 + 20'000;
        return answer;
    }
    void on_settle(const Address& owner, const pro::Settle& settle) {
        for (const pro::Claim& claim : settle.claims) {
            ChainAllocation& allocation = allocations_.at(claim.voucher.allocation);
            const Amount cap = allocation.caps.at(owner);
            if (claim.voucher.cumulative > cap) broken.push_back("over the cap");
            if (!claim.voucher.cumulative.wei.is_zero()) {
                const auto signer =
                    crypto::recover(claim.voucher.digest(req::paper_domain()), claim.signature);
                if (signer != crypto::address_of(req::paper_key(1)))
                    broken.push_back("claim is not signed by the payer");
            }
            Amount& settled = allocation.settled[owner];
            settled = std::max(settled, claim.voucher.cumulative);
            if (claim.close && allocation.closed.insert(owner).second)
                free_ = *checked_add(free_, *checked_sub(cap, settled));
            to_provider(owner, Duration{20},
                        pro::VoucherSettled{.payer = claim.voucher.payer,
                                            .allocation = claim.voucher.allocation,
                                            .cumulative = settled,
                                            .closed = claim.close,
                                            .transaction = req::paper_hash("settle")});
        }
        to_requestor(Duration{60}, req::DepositUpdated{free_, allocations_.size()});
    }

    Instant now_{1'000'000'000};
    std::unique_ptr<Requestor> requestor_;
    Rows requestor_rows_;
    std::uint64_t requestor_life_ = 0;
    bool requestor_dead_ = false;
    std::optional<std::size_t> requestor_dies_;
    std::optional<std::pair<Address, std::size_t>> provider_dies_;
    std::map<Address, Node> nodes_;
    std::map<std::uint64_t, ChainAllocation> allocations_;
    Amount free_{deposit};
    std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> pending_;
    std::uint64_t order_ = 0;
    pro::SessionId session_next_ = 0;
};

void expect_right_end(PairWorld& world, const Hash32& job, const std::vector<Address>& nodes) {
    EXPECT_THAT(world.broken, IsEmpty());
    const auto summary = world.requestor().summary(job);
    ASSERT_TRUE(summary);
    EXPECT_EQ(summary->job.state, req::JobState::completed);
    EXPECT_TRUE(summary->settled);
    Amount paid;
    for (const Address& node : nodes)
        paid = *checked_add(paid, world.paid(node));
    EXPECT_EQ(to_decimal(paid.wei), to_decimal(summary->spent.wei));
    EXPECT_EQ(to_decimal(checked_add(paid, world.free())->wei), to_decimal(world.deposit.wei));
    for (const req::ProviderShare& share : summary->providers)
        EXPECT_EQ(to_decimal(world.paid(share.provider).wei), to_decimal(share.earned.wei));
}

TEST(Pair, a_job_on_real_providers_is_accepted_paid_and_settled) {
    PairWorld world;
    const std::vector<Address> nodes{world.add(1), world.add(2), world.add(3), world.add(4)};
    const req::JobPlan plan = req::paper_plan("pair", 40);
    world.announce();
    world.give(req::JobSubmitted{plan});
    world.run([&] { return world.settled(plan.id); });
    expect_right_end(world, plan.id, nodes);
    EXPECT_EQ(world.requestor().summary(plan.id)->contradictions, 0u);
}

TEST(Pair, a_real_liar_is_caught_in_every_task_it_lied_about) {
    PairWorld world;
    const Address bad = world.add(1, 500'000);
    const std::vector<Address> nodes{bad, world.add(2), world.add(3), world.add(4)};
    req::JobPlan plan = req::paper_plan("pair", 40);
    plan.settings.contradictions_max = 1000;
    world.announce();
    world.give(req::JobSubmitted{plan});
    world.run([&] { return world.settled(plan.id); });
    expect_right_end(world, plan.id, nodes);
    const auto summary = world.requestor().summary(plan.id);
    EXPECT_GT(summary->contradictions, 0u);
    for (const req::ProviderShare& share : summary->providers)
        EXPECT_TRUE(share.provider == bad || share.contradictions == 0);
}

class RequestorDies : public ::testing::TestWithParam<std::size_t> {};
TEST_P(RequestorDies, at_any_durable_step_and_every_account_is_right) {
    PairWorld world;
    const std::vector<Address> nodes{world.add(1, 300'000), world.add(2), world.add(3)};
    req::JobPlan plan = req::paper_plan("pair", 8);
    plan.settings.contradictions_max = 1000;
    world.announce();
    world.crash_requestor_after(GetParam());
    world.give(req::JobSubmitted{plan});
    world.run([&] { return world.settled(plan.id); });
    expect_right_end(world, plan.id, nodes);
}
INSTANTIATE_TEST_SUITE_P(Every, RequestorDies, ::testing::Range<std::size_t>(1, 80));

class ProviderDies : public ::testing::TestWithParam<std::size_t> {};
TEST_P(ProviderDies, at_any_durable_step_and_every_account_is_right) {
    PairWorld world;
    const std::vector<Address> nodes{world.add(1, 300'000), world.add(2), world.add(3)};
    req::JobPlan plan = req::paper_plan("pair", 8);
    plan.settings.contradictions_max = 1000;
    world.announce();
    world.crash_provider_after(nodes[1], GetParam());
    world.give(req::JobSubmitted{plan});
    world.run([&] { return world.settled(plan.id); });
    expect_right_end(world, plan.id, nodes);
}
INSTANTIATE_TEST_SUITE_P(Every, ProviderDies, ::testing::Range<std::size_t>(1, 60));

}  // namespace
}  // namespace millrace::compute
