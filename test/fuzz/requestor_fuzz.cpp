// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Arbitrary lives of a requestor: providers that come, go, lie, hang, withhold and send garbage; a
// chain whose transactions fail; a process that dies at any moment. Beside it a naive twin that
// only adds up what was seen on the wire and holds the machine to its laws.

#include <cstdio>
#include <cstdlib>

#include "compute/requestor_world.hpp"

namespace {

using namespace millrace;
using namespace millrace::compute::requestor;

constexpr std::size_t actions_max = 64;
constexpr std::uint64_t providers_count = 4;

[[noreturn]] void broken(const std::string& law) {
    std::fprintf(stderr, "law broken: %s\n", law.c_str());
    std::abort();
}

/// Bytes of the input, zeros after its end.
class Choices {
  public:
    explicit Choices(ByteView bytes) : bytes_{bytes} {}
    [[nodiscard]] bool at_end() const { return at_ >= bytes_.size(); }
    std::uint8_t byte() { return at_end() ? std::uint8_t{0} : bytes_[at_++]; }
    std::uint64_t below(std::uint64_t bound) { return byte() % bound; }
    Bytes take(std::size_t count) {
        Bytes taken;
        for (std::size_t index = 0; index < count; ++index)
            taken.push_back(byte());
        return taken;
    }

  private:
    ByteView bytes_;
    std::size_t at_ = 0;
};

/// Adds up what went over the wire, job by job and lease by lease, and knows nothing else.
class Twin {
  public:
    void watch(PaperWorld& world) {
        const std::vector<Effect>& log = world.log();
        for (; seen_ < log.size(); ++seen_)
            look(world, log[seen_]);
        if (!world.broken_laws.empty()) broken(world.broken_laws.front());
        for (const auto& [payee, provider] : world.providers()) {
            Amount owed;
            for (const Hash32& lease : paid_[payee]) {
                const auto offer = provider.offers.find(lease);
                const auto receipt = provider.receipts.find(lease);
                if (offer == provider.offers.end() || receipt == provider.receipts.end())
                    broken("a lease is paid without a receipt");
                owed = *checked_add(owed, *types::task_price(offer->second.lease.price,
                                                             receipt->second.receipt.fuel));
            }
            Amount signed_sum;
            for (const auto& [allocation, voucher] : provider.vouchers)
                signed_sum = *checked_add(signed_sum, voucher.cumulative);
            if (signed_sum > owed) broken("vouchers pay more than what was accepted");
        }
    }

  private:
    void look(PaperWorld& world, const Effect& effect) {
        if (const auto* send = std::get_if<Send>(&effect)) {
            if (const auto* offer = std::get_if<types::LeaseOffer>(&send->message)) {
                const Hash32 id = offer->lease.id();
                const auto known = offers_.find(id);
                if (known != offers_.end() && known->second != offer->lease)
                    broken("two leases under one id");
                offers_[id] = offer->lease;
                replicas_[{offer->lease.task, offer->lease.replica}].insert(id);
                if (replicas_[{offer->lease.task, offer->lease.replica}].size() > 1)
                    broken("two leases with one replica number");
            }
            if (const auto* verdict = std::get_if<types::Verdict>(&send->message)) {
                if (verdict->kind == types::VerdictKind::accepted)
                    paid_[send->provider].insert(verdict->lease);
                if (verdict->kind == types::VerdictKind::contradicted)
                    contradicted_.insert(verdict->lease);
            }
            if (const auto* notice = std::get_if<types::VoucherNotice>(&send->message)) {
                for (const Hash32& lease : notice->leases) {
                    if (contradicted_.contains(lease)) broken("a contradicted lease is paid");
                    paid_[send->provider].insert(lease);
                }
            }
        }
        if (const auto* done = std::get_if<TaskDone>(&effect)) {
            std::set<Address> agreeing;
            for (const auto& [address, provider] : world.providers()) {
                for (const auto& [lease, receipt] : provider.receipts) {
                    if (receipt.receipt.task == done->accepted.receipt.task &&
                        receipt.receipt.result_id == done->accepted.receipt.result_id)
                        agreeing.insert(address);
                }
            }
            if (agreeing.size() < 2) broken("a task is accepted without two equal receipts");
        }
    }

    std::size_t seen_ = 0;
    std::map<Hash32, types::Lease> offers_;
    std::map<std::pair<Hash32, std::uint32_t>, std::set<Hash32>> replicas_;
    std::map<Address, std::set<Hash32>> paid_;
    std::set<Hash32> contradicted_;
};

Manner manner_of(Choices& choices) {
    Manner manner;
    const std::uint64_t lie_every = 1 + choices.below(5);
    const std::uint8_t flags = choices.byte();
    if ((flags & 1) != 0)
        manner.lies = [lie_every](std::uint64_t index) { return index % lie_every == 0; };
    if ((flags & 2) != 0)
        manner.hangs = [lie_every](std::uint64_t index) { return index % (lie_every + 3) == 1; };
    if ((flags & 4) != 0) manner.refuses = static_cast<types::LeaseRefusal>(1 + choices.below(10));
    manner.withholds_outputs = (flags & 24) == 8;
    manner.forges_signature = (flags & 96) == 32;
    manner.reachable = (flags & 128) == 0 || (flags & 64) == 0;
    manner.task_time = Duration{1 + 20 * static_cast<std::int64_t>(choices.byte())};
    manner.fuel = 1 + 39'000'000 * choices.below(256);
    return manner;
}

types::Message garbage(Choices& choices, const std::vector<Hash32>& leases) {
    const Hash32 lease = leases.empty() ? Hash32{} : leases[choices.byte() % leases.size()];
    Hash32 noise;
    noise.bytes[0] = choices.byte();
    switch (choices.below(8)) {
        case 0:
            return types::LeaseAnswer{
                lease, static_cast<types::LeaseRefusal>(1 + choices.below(10)), "no"};
        case 1:
            return types::CommitmentNotice{{lease, noise}, {}};
        case 2: {
            types::ReceiptNotice notice;
            notice.receipt.lease = lease;
            notice.receipt.fuel = Fuel{choices.byte()};
            return notice;
        }
        case 3:
            return types::VoucherAck{choices.below(3), Amount{U256{choices.byte() * 1000u}}};
        case 4:
            return types::StreamClosed{choices.below(9) + 50, {}, {}};
        case 5:
            return types::Progress{lease, Fuel{choices.byte()}};
        case 6:
            return types::Verdict{};
        default: {
            const Bytes payload = choices.take(choices.below(40));
            auto decoded =
                types::decode_message(static_cast<std::uint16_t>(1 + choices.below(18)), payload);
            if (decoded) return std::move(decoded).value();
            return types::CloseStream{};
        }
    }
}

void act(PaperWorld& world, Choices& choices, std::vector<Address>& addresses) {
    const Address& address = addresses[choices.byte() % addresses.size()];
    switch (choices.below(10)) {
        case 0:
        case 1:
        case 2:
            world.run(Duration{1 + 40 * static_cast<std::int64_t>(choices.byte())});
            break;
        case 3:
            world.disconnect(address);
            break;
        case 4:
            world.crash();
            break;
        case 5:
            world.crash_after(1 + choices.below(8));
            break;
        case 6:
            world.providers().at(address).manner = manner_of(choices);
            break;
        case 7: {
            std::vector<Hash32> leases;
            for (const auto& [lease, offer] : world.providers().at(address).offers)
                leases.push_back(lease);
            world.give(MessageReceived{address, garbage(choices, leases)});
            break;
        }
        case 8: {
            JobPlan plan =
                paper_plan("job " + std::to_string(choices.below(3)), 1 + choices.below(12));
            if (choices.below(4) == 0)
                plan.settings.total_max = Amount{U256{choices.byte() * 1000u}};
            plan.settings.contradictions_max = 1 + static_cast<std::uint32_t>(choices.below(4));
            world.give(JobSubmitted{plan});
            break;
        }
        default:
            if (choices.below(4) == 0)
                world.give(JobCancelled{paper_hash("job " + std::to_string(choices.below(3)))});
            else
                world.give(AllocationUpdated{choices.below(4), AllocationStatus::sent, {}, {}});
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices{ByteView{data, size}};
    PaperWorld world{choices.byte(), Amount{U256{1'000 * (1 + 4 * std::uint64_t{choices.byte()})}}};
    std::vector<Address> addresses;
    for (std::uint64_t number = 1; number <= providers_count; ++number)
        addresses.push_back(world.add_provider(number, manner_of(choices), 500 + 100 * number,
                                               1 + static_cast<std::uint32_t>(number % 3)));
    world.announce();
    world.give(JobSubmitted{paper_plan("job 0", 1 + choices.below(8))});
    Twin twin;
    for (std::size_t count = 0; count < actions_max && !choices.at_end(); ++count) {
        act(world, choices, addresses);
        twin.watch(world);
    }
    // Then everybody turns honest: what is left must end by itself, one way or the other.
    for (const Address& address : addresses)
        world.providers().at(address).manner = Manner{};
    world.run(Duration{24 * 3'600'000});
    twin.watch(world);
    for (const JobRow& job : world.machine().jobs()) {
        if (job.state != JobState::running || !job.waits_for.empty()) continue;
        std::fprintf(stderr, "%s",
                     world.machine().explain(job.id, std::nullopt, world.now()).c_str());
        for (std::uint64_t index = 0; index < job.tasks; ++index)
            std::fprintf(stderr, "%s", world.machine().explain(job.id, index, world.now()).c_str());
        broken("a job neither ends nor says why it waits");
    }
    return 0;
}
