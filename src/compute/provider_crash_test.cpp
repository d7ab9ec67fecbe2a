// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <gtest/gtest.h>

#include <algorithm>

#include "compute/provider_bench.hpp"
#include "compute/provider_record.hpp"

// The provider dropped at every durable step of a lease's whole life, before or after the commit,
// and restored: it ends with the same signatures and the same claim.

namespace millrace::compute::provider {
namespace {

enum class Death : std::uint8_t { none, before_commit, after_commit };

/// What the world has of it in the end.
struct Outcome {
    std::vector<types::CommitmentNotice> commitments;
    std::vector<types::ReceiptNotice> receipts;
    std::vector<Claim> claims;
    Amount acknowledged;
    Amount earned;
    Amount settled;
    bool operator==(const Outcome&) const = default;
};

template <typename T>
void collect_distinct(std::vector<T>& into, const std::vector<T>& from) {
    for (const T& item : from) {
        if (std::ranges::find(into, item) == into.end()) into.push_back(item);
    }
}

class Life {
  public:
    Life(std::size_t durable_steps_until_death, Death death)
        : left_{durable_steps_until_death}, death_{death} {
        offer_ = bench_.offer(0);
        offer_.allocation = bench_.proof();
    }

    /// False when it lived longer than the chosen step.
    bool live() {
        const Hash32 id = offer_.lease.id();
        until([&] { return seen<types::LeaseAnswer>(); }, [&] { receive(offer_); });
        until([&] { return finalized_; },
              [&] {
                  receive(offer_);
                  finalized_ = true;
                  step(AllocationSeen{bench_.requestor,
                                      bench_.proof(),
                                      AllocationState::finalized,
                                      9'999'999'999,
                                      {}});
              });
        until([&] { return !outcome_.commitments.empty(); },
              [&] {
                  receive(offer_);
                  step(BlobReady{blob_of("module").sealed()});
                  step(bench_.finished(id));
              });
        until([&] { return !outcome_.receipts.empty(); },
              [&] {
                  receive(types::RevealRequest{id, {outcome_.commitments.at(0).commitment}});
              });
        until([&] { return !outcome_.acknowledged.wei.is_zero(); },
              [&] {
                  receive(types::Verdict{id, types::VerdictKind::accepted,
                                         outcome_.receipts.at(0).receipt.result_id});
                  receive(bench_.voucher(1'000, 1, {id}));
              });
        until([&] { return closed_; }, [&] { receive(types::CloseStream{7}); });
        outcome_.earned = bench_.machine.status().earned;
        outcome_.settled = bench_.machine.status().settled;
        return died_;
    }
    [[nodiscard]] const Outcome& outcome() const { return outcome_; }

  private:
    /// The requestor repeats itself until it is answered, as it does after each reconnection.
    template <typename Done, typename Attempt>
    void until(Done done, Attempt attempt) {
        for (int tries = 0; tries < 5 && !done(); ++tries)
            attempt();
        ASSERT_TRUE(done());
    }
    template <typename T>
    [[nodiscard]] bool seen() const {
        return answered_;
    }
    void receive(types::Message message) { step(MessageReceived{session_, std::move(message)}); }

    void step(const Event& event) {
        bench_.effects.clear();
        bench_.machine.step(event, bench_.now, bench_.effects);
        const bool durable = !bench_.all<Persist>().empty() || !bench_.all<Erase>().empty();
        const bool dies = durable && death_ != Death::none && left_-- == 0;
        if (!dies || death_ == Death::after_commit) bench_.carry_out();
        if (dies) {
            death_ = Death::none;
            died_ = true;
            finalized_ = false;
            return restart();
        }
        observe();
    }

    void restart() {
        ASSERT_TRUE(bench_.restart());
        observe();
        ++session_;
        bench_.up(session_);
        observe();
    }

    void observe() {
        answered_ = answered_ || !bench_.sent<types::LeaseAnswer>().empty();
        collect_distinct(outcome_.commitments, bench_.sent<types::CommitmentNotice>());
        collect_distinct(outcome_.receipts, bench_.sent<types::ReceiptNotice>());
        for (const auto& ack : bench_.sent<types::VoucherAck>())
            outcome_.acknowledged = std::max(outcome_.acknowledged, ack.cumulative);
        for (const auto& closed : bench_.sent<types::StreamClosed>())
            closed_ = closed_ || !closed.transaction.is_zero();
        std::vector<Claim> claims;
        for (const Settle& settle : bench_.all<Settle>())
            claims.insert(claims.end(), settle.claims.begin(), settle.claims.end());
        collect_distinct(outcome_.claims, claims);
        for (const Claim& claim : claims)
            step(VoucherSettled{claim.voucher.payer, claim.voucher.allocation,
                                claim.voucher.cumulative, claim.close, hash_of("tx")});
    }

    ProviderBench bench_;
    types::LeaseOffer offer_;
    Outcome outcome_;
    SessionId session_ = 1;
    std::size_t left_;
    Death death_;
    bool died_ = false;
    bool finalized_ = false;
    bool answered_ = false;
    bool closed_ = false;
};

TEST(ProviderCrash, at_every_durable_step_it_ends_with_the_same_claims) {
    Life undisturbed{0, Death::none};
    undisturbed.live();
    ASSERT_EQ(undisturbed.outcome().commitments.size(), 1u);
    ASSERT_EQ(undisturbed.outcome().receipts.size(), 1u);
    ASSERT_EQ(undisturbed.outcome().claims.size(), 1u);
    ASSERT_EQ(undisturbed.outcome().settled, Amount{U256{1'000}});
    std::size_t deaths = 0;
    for (const Death death : {Death::before_commit, Death::after_commit}) {
        for (std::size_t at = 0; at < 40; ++at) {
            Life life{at, death};
            deaths += life.live() ? 1u : 0u;
            EXPECT_EQ(life.outcome(), undisturbed.outcome())
                << "died at durable step " << at
                << (death == Death::before_commit ? " before" : " after") << " the commit";
        }
    }
    EXPECT_GE(deaths, 12u) << "the life has that many durable steps";
}

}  // namespace
}  // namespace millrace::compute::provider
