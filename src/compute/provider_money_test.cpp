// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// What a provider risks for whom, and how it comes to its money.

#include <gtest/gtest.h>

#include "compute/provider_bench.hpp"
#include "compute/provider_record.hpp"

namespace millrace::compute::provider {
namespace {

using types::LeaseRefusal;

TEST(Provider, one_unpaid_task_until_the_allocation_is_final) {
    ProviderBench bench;
    types::LeaseOffer first = bench.offer(0);
    first.allocation = bench.proof();
    bench.receive(first);
    EXPECT_EQ(bench.all<CheckAllocation>().size(), 1u);
    bench.receive(bench.offer(1));
    EXPECT_FALSE(bench.refusal());
    bench.receive(bench.offer(2));
    EXPECT_EQ(bench.refusal(), LeaseRefusal::credit_exhausted) << "nothing to look at came with it";
    bench.step(BlobReady{blob_of("module").sealed()});
    EXPECT_EQ(bench.all<RunTask>().size(), 1u) << "one is risked on trust";
    bench.finalize(bench.proof(), AllocationState::latest);
    EXPECT_TRUE(bench.all<RunTask>().empty());
    bench.finalize(bench.proof());
    EXPECT_EQ(bench.all<RunTask>().size(), 1u);
}

TEST(Provider, uncovered_lease_is_given_back_after_a_while) {
    ProviderBench bench;
    bench.start(bench.offer(0));
    bench.start(bench.offer(1));
    EXPECT_TRUE(bench.all<RunTask>().empty());
    ASSERT_TRUE(bench.machine.next_deadline());
    bench.advance_to(*bench.machine.next_deadline());
    EXPECT_EQ(bench.refusal(), LeaseRefusal::credit_exhausted);
}

TEST(Provider, credit_never_exceeds_the_leaf) {
    ProviderBench bench;
    types::LeaseOffer first = bench.offer(0);
    first.allocation = bench.proof(7, 3'999);  // two tasks at their limit cost 4,000
    bench.receive(first);
    bench.finalize(*first.allocation);
    bench.start(bench.offer(1));
    EXPECT_EQ(bench.machine.status().running, 1u);
}

TEST(Provider, credit_grows_with_what_is_paid_and_relieves_with_time) {
    ProviderBench bench;
    Provider::Config config = bench.default_config();
    config.slots = 16;
    config.queue = 16;
    config.credit_tasks_first = 2;
    bench.rebuild(config);
    types::LeaseOffer first = bench.offer(0);
    first.allocation = bench.proof();
    bench.receive(first);
    bench.finalize(*first.allocation);
    for (std::uint64_t index = 1; index < 6; ++index)
        bench.receive(bench.offer(index));
    bench.step(BlobReady{blob_of("module").sealed()});
    EXPECT_EQ(bench.machine.status().running, 2u);
    bench.step(bench.finished(first.lease.id()));
    const auto mine = bench.sent<types::CommitmentNotice>().at(0);
    EXPECT_EQ(bench.machine.status().running, 1u);
    bench.receive(types::RevealRequest{first.lease.id(), {mine.commitment}});
    const auto receipt = bench.sent<types::ReceiptNotice>().at(0);
    bench.receive(
        types::Verdict{first.lease.id(), types::VerdictKind::accepted, receipt.receipt.result_id});
    EXPECT_EQ(bench.machine.status().running, 1u);
    bench.receive(bench.voucher(1'000, 1, {first.lease.id()}));
    EXPECT_EQ(bench.machine.status().running, 3u) << "one paid: three may be open";
    bench.advance(config.timing.credit_relief);
    EXPECT_EQ(bench.machine.status().running, 4u) << "waiting too long lets one more run";
}

TEST(Provider, voucher_is_persisted_in_the_step_that_acknowledges_it) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    bench.accept(offer);
    bench.receive(bench.voucher(1'000, 1, {offer.lease.id()}));
    ASSERT_EQ(bench.sent<types::VoucherAck>().size(), 1u);
    EXPECT_EQ(bench.sent<types::VoucherAck>()[0].cumulative, Amount{U256{1'000}});
    EXPECT_TRUE(bench.rows.contains({"streams", stream_key(bench.requestor, 7)}));
    // Repeated: the same answer, nothing counted twice.
    bench.receive(bench.voucher(1'000, 1, {offer.lease.id()}));
    EXPECT_EQ(bench.sent<types::VoucherAck>()[0].cumulative, Amount{U256{1'000}});
    EXPECT_TRUE(bench.all<Persist>().empty());
    EXPECT_EQ(bench.machine.status().earned, Amount{U256{1'000}});
}

TEST(Provider, cumulative_of_a_stream_never_falls) {
    ProviderBench bench;
    bench.accept(bench.offer(0));
    bench.receive(bench.voucher(1'000, 1, {}));
    bench.receive(bench.voucher(999, 2, {}));
    EXPECT_EQ(bench.sent<types::VoucherAck>().at(0).cumulative, Amount{U256{1'000}});
    bench.receive(bench.voucher(2'000, 0, {}));
    EXPECT_EQ(bench.sent<types::VoucherAck>().at(0).cumulative, Amount{U256{1'000}});
    EXPECT_EQ(bench.machine.status().earned, Amount{U256{1'000}});
}

TEST(Provider, forged_or_oversized_vouchers_count_for_nothing) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof(7, 1'500);
    bench.accept(offer);
    types::VoucherNotice forged = bench.voucher(1'000, 1, {offer.lease.id()});
    forged.signature = crypto::sign(key_of("thief"), forged.voucher.digest(bench.config.domain));
    bench.receive(forged);
    EXPECT_TRUE(bench.sent<types::VoucherAck>().empty());
    bench.receive(bench.voucher(1'501, 1, {offer.lease.id()}));
    EXPECT_TRUE(bench.sent<types::VoucherAck>().empty());
    types::VoucherNotice foreign = bench.voucher(1'000, 1, {});
    foreign.voucher.payee = bench.requestor;
    foreign.signature =
        crypto::sign(bench.requestor_key, foreign.voucher.digest(bench.config.domain));
    bench.receive(foreign);
    EXPECT_TRUE(bench.sent<types::VoucherAck>().empty());
    EXPECT_TRUE(bench.machine.status().earned.wei.is_zero());
}

TEST(Provider, voucher_of_an_allocation_that_is_not_final_pays_no_credit) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.accept(offer);
    bench.receive(bench.voucher(1'000, 1, {offer.lease.id()}));
    EXPECT_EQ(bench.machine.status().payers.at(0).tasks_paid, 0u);
    bench.start(bench.offer(1));
    EXPECT_EQ(bench.machine.status().running, 0u);
    bench.finalize(*offer.allocation);
    EXPECT_EQ(bench.machine.status().payers.at(0).tasks_paid, 1u);
    EXPECT_EQ(bench.machine.status().running, 1u);
}

TEST(Provider, lost_verdict_is_made_good_by_a_voucher_that_names_the_lease) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.reveal(offer);
    bench.finalize(*offer.allocation);
    bench.receive(bench.voucher(1'000, 1, {offer.lease.id()}));
    EXPECT_EQ(bench.machine.status().payers.at(0).tasks_paid, 1u);
    EXPECT_TRUE(bench.machine.status().leases.empty());
}

TEST(Provider, close_settles_the_newest_voucher_and_tells_the_transaction) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.accept(offer);
    bench.finalize(*offer.allocation);
    bench.receive(bench.voucher(1'000, 1, {offer.lease.id()}));
    EXPECT_TRUE(bench.all<Settle>().empty());
    bench.receive(types::CloseStream{7});
    ASSERT_EQ(bench.all<Settle>().size(), 1u);
    const Claim claim = bench.all<Settle>()[0].claims.at(0);
    EXPECT_TRUE(claim.close);
    EXPECT_EQ(claim.voucher.cumulative, Amount{U256{1'000}});
    EXPECT_EQ(claim.proof, *offer.allocation);
    bench.receive(types::CloseStream{7});
    EXPECT_TRUE(bench.all<Settle>().empty()) << "one settlement at a time";
    bench.step(VoucherSettled{bench.requestor, 7, claim.voucher.cumulative, true, hash_of("tx")});
    ASSERT_EQ(bench.sent<types::StreamClosed>().size(), 1u);
    EXPECT_EQ(bench.sent<types::StreamClosed>()[0].transaction, hash_of("tx"));
    ASSERT_TRUE(bench.restart());
    bench.up(3);
    bench.receive(types::CloseStream{7}, 3);
    EXPECT_EQ(bench.sent<types::StreamClosed>().at(0).transaction, hash_of("tx"));
    EXPECT_EQ(bench.machine.status().settled, Amount{U256{1'000}});
}

TEST(Provider, failed_settlement_is_tried_again_later) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.accept(offer);
    bench.finalize(*offer.allocation);
    bench.receive(bench.voucher(1'000, 1, {}));
    bench.receive(types::CloseStream{7});
    bench.step(SettleFailed{bench.requestor, 7, "nonce too low"});
    EXPECT_TRUE(bench.all<Settle>().empty());
    bench.advance(bench.config.timing.settle_retry_min);
    EXPECT_EQ(bench.all<Settle>().size(), 1u);
}

TEST(Provider, settles_over_the_threshold_and_before_the_expiry) {
    ProviderBench bench;
    Provider::Config config = bench.default_config();
    config.settle_threshold = Amount{U256{5'000}};
    bench.rebuild(config);
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.accept(offer);
    bench.finalize(*offer.allocation);
    bench.receive(bench.voucher(4'999, 1, {}));
    EXPECT_TRUE(bench.all<Settle>().empty());
    bench.receive(bench.voucher(5'000, 2, {}));
    EXPECT_EQ(bench.all<Settle>().size(), 1u);
    bench.step(VoucherSettled{bench.requestor, 7, Amount{U256{5'000}}, false, hash_of("tx")});
    bench.receive(bench.voucher(5'001, 3, {}));
    EXPECT_TRUE(bench.all<Settle>().empty());
    bench.advance(Duration{100'000'000 - 1'800'000});
    EXPECT_EQ(bench.all<Settle>().size(), 1u);
}

}  // namespace
}  // namespace millrace::compute::provider
