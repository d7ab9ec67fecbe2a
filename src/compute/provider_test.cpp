// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/provider.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "compute/provider_bench.hpp"

namespace millrace::compute::provider {
namespace {

using types::LeaseRefusal;

TEST(Provider, takes_a_good_lease_and_fetches_what_it_names) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.task.files = {{"in.txt", blob_of("input")}};
    offer.lease.task = offer.task.id();
    offer = bench.signed_offer(offer);
    bench.receive(offer);
    EXPECT_FALSE(bench.refusal());
    ASSERT_EQ(bench.all<FetchBlobs>().size(), 1u);
    EXPECT_EQ(bench.all<FetchBlobs>()[0].sealed.size(), 2u);
    EXPECT_EQ(bench.all<KeepBlobs>()[0].sealed, bench.all<FetchBlobs>()[0].sealed);
    bench.step(BlobReady{blob_of("module").sealed()});
    EXPECT_TRUE(bench.all<RunTask>().empty());
    bench.step(BlobReady{blob_of("input").sealed()});
    ASSERT_EQ(bench.all<RunTask>().size(), 1u);
    EXPECT_EQ(bench.all<RunTask>()[0].task, offer.task);
    EXPECT_FALSE(bench.all<RunTask>()[0].lie);
}

TEST(Provider, refuses_with_the_reason) {
    ProviderBench bench;
    const auto refused = [&](auto change) {
        types::LeaseOffer offer = bench.offer(0);
        change(offer);
        bench.receive(bench.signed_offer(offer));
        return bench.refusal();
    };
    using Offer = types::LeaseOffer;
    EXPECT_EQ(refused([](Offer& o) { o.lease.price = Amount{U256{999}}; }),
              LeaseRefusal::price_too_low);
    EXPECT_EQ(refused([&](Offer& o) { o.lease.provider = bench.requestor; }),
              LeaseRefusal::not_my_network);
    EXPECT_EQ(refused([](Offer& o) { o.lease.task.bytes[0] ^= 1; }), LeaseRefusal::bad_task);
    EXPECT_EQ(refused([](Offer& o) { o.lease.job.bytes[0] ^= 1; }), LeaseRefusal::bad_task);
    EXPECT_EQ(refused([](Offer& o) { o.lease.fuel_limit = Fuel{1}; }), LeaseRefusal::bad_task);
    EXPECT_EQ(refused([&](Offer& o) { o.lease.deadline = 1; }), LeaseRefusal::bad_task);
    EXPECT_EQ(refused([&](Offer& o) { o.lease.deadline += 100'000'000; }), LeaseRefusal::bad_task);
    types::LeaseOffer forged = bench.offer(0);
    forged.signature = crypto::sign(key_of("thief"), forged.lease.digest(bench.config.domain));
    bench.receive(forged);
    EXPECT_EQ(bench.refusal(), LeaseRefusal::bad_signature);
    EXPECT_TRUE(bench.rows.empty()) << "a refused lease leaves nothing behind";
}

TEST(Provider, takes_no_more_leases_than_slots_and_queue) {
    ProviderBench bench;
    bench.receive([&] {
        types::LeaseOffer first = bench.offer(0);
        first.allocation = bench.proof();
        return first;
    }());
    bench.finalize(bench.proof());
    for (std::uint64_t index = 1; index < 3; ++index) {
        bench.receive(bench.offer(index));
        EXPECT_FALSE(bench.refusal());
    }
    bench.receive(bench.offer(3));
    EXPECT_EQ(bench.refusal(), LeaseRefusal::busy);
    bench.step(BlobReady{blob_of("module").sealed()});
    EXPECT_EQ(bench.all<RunTask>().size(), 2u);
    EXPECT_EQ(bench.machine.status().running, 2u);
    EXPECT_EQ(bench.machine.status().waiting, 1u);
}

TEST(Provider, result_is_persisted_in_the_step_that_commits_to_it) {
    ProviderBench bench;
    const types::CommitmentNotice notice = bench.commit(bench.offer(0));
    bool persisted = false;
    for (const Persist& persist : bench.all<Persist>())
        persisted = persisted || persist.record.table == "results";
    EXPECT_TRUE(persisted);
    EXPECT_EQ(crypto::recover(notice.commitment.digest(bench.config.domain), notice.signature),
              crypto::address_of(bench.signer));
    EXPECT_TRUE(bench.sent<types::ReceiptNotice>().empty());
}

TEST(Provider, nothing_is_revealed_before_our_own_commitment_is_shown) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    const types::CommitmentNotice mine = bench.commit(offer);
    const Hash32 id = offer.lease.id();
    bench.receive(types::RevealRequest{id, {}});
    EXPECT_TRUE(bench.sent<types::ReceiptNotice>().empty());
    types::Commitment changed = mine.commitment;
    changed.commitment.bytes[3] ^= 1;
    bench.receive(types::RevealRequest{id, {changed}});
    EXPECT_TRUE(bench.sent<types::ReceiptNotice>().empty());
    bench.receive(types::RevealRequest{id, {changed, mine.commitment}});
    ASSERT_EQ(bench.sent<types::ReceiptNotice>().size(), 1u);
    const types::ReceiptNotice receipt = bench.sent<types::ReceiptNotice>()[0];
    EXPECT_EQ(receipt.receipt.result_id, receipt.summary.result_id());
    EXPECT_EQ(types::commitment_hash(bench.config.domain.chain_id, offer.lease.task, bench.owner,
                                     receipt.receipt.result_id, receipt.salt),
              mine.commitment.commitment);
    EXPECT_EQ(crypto::recover(receipt.receipt.digest(bench.config.domain), receipt.signature),
              crypto::address_of(bench.signer));
}

TEST(Provider, one_lease_has_one_commitment_and_one_receipt) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    const types::CommitmentNotice first = bench.commit(offer);
    bench.receive(offer);
    EXPECT_EQ(bench.sent<types::CommitmentNotice>(), std::vector{first});
    bench.step(bench.finished(offer.lease.id(), "another result"));
    EXPECT_TRUE(bench.effects.empty()) << "a second result of a lease is ignored";
    bench.receive(types::RevealRequest{offer.lease.id(), {first.commitment}});
    const auto receipt = bench.sent<types::ReceiptNotice>();
    ASSERT_TRUE(bench.restart());
    bench.up(2);
    bench.receive(offer, 2);
    EXPECT_EQ(bench.sent<types::CommitmentNotice>(), std::vector{first});
    bench.receive(types::RevealRequest{offer.lease.id(), {first.commitment}}, 2);
    EXPECT_EQ(bench.sent<types::ReceiptNotice>(), receipt);
}

TEST(Provider, outputs_are_readable_by_their_requestor_after_the_reveal_only) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    const types::CommitmentNotice mine = bench.commit(offer);
    const crypto::BlobId file = blob_of("file right").sealed();
    EXPECT_FALSE(bench.machine.may_read(1, file));
    bench.receive(types::RevealRequest{offer.lease.id(), {mine.commitment}});
    EXPECT_TRUE(bench.machine.may_read(1, file));
    bench.step(PeerUp{5, crypto::address_of(key_of("other")), hash_of("other node")});
    EXPECT_FALSE(bench.machine.may_read(5, file));
    bench.step(PeerUp{6, bench.requestor, hash_of("other node")});
    EXPECT_FALSE(bench.machine.may_read(6, file)) << "a claimed account proves nothing";
}

TEST(Provider, stop_kills_settles_and_ends) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.accept(offer);
    bench.finalize(*offer.allocation);
    bench.receive(bench.voucher(1'000, 1, {}));
    bench.start(bench.offer(1));
    EXPECT_EQ(bench.machine.status().running, 1u);
    bench.step(Stop{});
    EXPECT_EQ(bench.all<KillTask>().size(), 1u);
    EXPECT_EQ(bench.all<Settle>().size(), 1u);
    EXPECT_TRUE(bench.all<Stopped>().empty());
    bench.receive(bench.offer(2));
    EXPECT_EQ(bench.refusal(), LeaseRefusal::stopping);
    bench.step(VoucherSettled{bench.requestor, 7, Amount{U256{1'000}}, false, hash_of("tx")});
    EXPECT_EQ(bench.all<Stopped>().size(), 1u);
}

TEST(Provider, contradicted_lease_is_over_and_counted) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    bench.reveal(offer, "wrong");
    bench.receive(types::Verdict{offer.lease.id(), types::VerdictKind::contradicted,
                                 hash_of("the accepted one")});
    EXPECT_EQ(bench.machine.status().contradictions, 1u);
    EXPECT_TRUE(bench.machine.status().leases.empty());
    bench.receive(offer);
    EXPECT_EQ(bench.refusal(), LeaseRefusal::failed) << "an ended lease is not run again";
    ASSERT_TRUE(bench.restart());
    bench.up(2);
    bench.receive(offer, 2);
    EXPECT_EQ(bench.refusal(), LeaseRefusal::failed);
}

TEST(Provider, accepting_what_was_never_claimed_is_not_believed) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    bench.reveal(offer);
    bench.receive(types::Verdict{offer.lease.id(), types::VerdictKind::accepted, hash_of("x")});
    EXPECT_EQ(bench.machine.status().leases.at(0).state, LeaseState::revealed);
}

TEST(Provider, cancelled_lease_is_killed) {
    ProviderBench bench;
    const Hash32 id = bench.start(bench.offer(0));
    bench.receive(types::Verdict{id, types::VerdictKind::cancelled, {}});
    EXPECT_EQ(bench.all<KillTask>().size(), 1u);
    EXPECT_EQ(bench.machine.status().running, 0u);
    EXPECT_EQ(bench.all<ForgetBlobs>().size(), 1u);
}

TEST(Provider, vanished_requestor_is_dropped_after_the_deadline) {
    ProviderBench bench;
    bench.receive(bench.offer(0));
    bench.step(PeerDown{1});
    bench.step(BlobFailed{blob_of("module").sealed(), "the connection was lost"});
    EXPECT_EQ(bench.machine.status().leases.size(), 1u) << "it may come back";
    bench.advance(bench.config.timing.blob_wait);
    EXPECT_TRUE(bench.machine.status().leases.empty());
    EXPECT_EQ(bench.all<ForgetBlobs>().size(), 1u);
}

TEST(Provider, returning_requestor_resumes_the_fetch) {
    ProviderBench bench;
    const types::LeaseOffer offer = bench.offer(0);
    bench.receive(offer);
    bench.step(PeerDown{1});
    bench.step(BlobFailed{blob_of("module").sealed(), "the connection was lost"});
    bench.up(2);
    bench.receive(offer, 2);
    ASSERT_EQ(bench.all<FetchBlobs>().size(), 1u);
    EXPECT_EQ(bench.all<FetchBlobs>()[0].session, 2u);
}

TEST(Provider, returning_requestor_is_told_again_what_stands) {
    ProviderBench bench;
    const types::CommitmentNotice mine = bench.commit(bench.offer(0));
    bench.step(PeerDown{1});
    bench.up(2);
    EXPECT_EQ(bench.sent<types::CommitmentNotice>(), std::vector{mine});
    bench.step(PeerUp{3, bench.requestor, hash_of("a stranger's node key")});
    EXPECT_TRUE(bench.sent<types::CommitmentNotice>().empty());
}

TEST(Provider, undelivered_blobs_end_the_lease) {
    ProviderBench bench;
    bench.receive(bench.offer(0));
    bench.step(BlobFailed{blob_of("module").sealed(), "the source does not have it"});
    EXPECT_EQ(bench.refusal(), LeaseRefusal::blobs_missing);
}

TEST(Provider, deadline_ends_a_running_task) {
    ProviderBench bench;
    bench.start(bench.offer(0));
    bench.advance(Duration{600'000});
    EXPECT_EQ(bench.all<KillTask>().size(), 1u);
    EXPECT_EQ(bench.refusal(), LeaseRefusal::failed);
    EXPECT_FALSE(bench.machine.next_deadline());
    for (const auto& [key, value] : bench.rows)
        EXPECT_EQ(key.first, "payers") << "nothing stays of an expired lease";
}

TEST(Provider, requestor_that_never_pays_is_left_alone) {
    ProviderBench bench;
    for (std::uint64_t index = 0; index < 3; ++index) {
        bench.accept(bench.offer(index));
        bench.advance(Duration{1'200'000});
    }
    bench.receive(bench.offer(9));
    EXPECT_EQ(bench.refusal(), LeaseRefusal::credit_exhausted);
    bench.advance(bench.config.timing.default_pause);
    bench.receive(bench.offer(10));
    EXPECT_FALSE(bench.refusal());
}

TEST(Provider, flooding_peer_is_dropped) {
    ProviderBench bench;
    for (std::uint32_t count = 0; count < Provider::bad_messages_max; ++count) {
        EXPECT_TRUE(bench.all<CloseSession>().empty());
        bench.receive(types::Verdict{hash_of("nothing"), types::VerdictKind::accepted, {}});
    }
    EXPECT_EQ(bench.all<CloseSession>().size(), 1u);
    bench.receive(bench.offer(0));
    EXPECT_TRUE(bench.effects.empty());
}

TEST(Provider, stranger_with_a_borrowed_account_cannot_close_or_judge) {
    ProviderBench bench;
    types::LeaseOffer offer = bench.offer(0);
    offer.allocation = bench.proof();
    bench.reveal(offer);
    bench.finalize(*offer.allocation);
    bench.step(PeerUp{9, bench.requestor, hash_of("another node key")});
    bench.receive(types::CloseStream{7}, 9);
    EXPECT_TRUE(bench.all<Settle>().empty());
    bench.receive(types::Verdict{offer.lease.id(), types::VerdictKind::contradicted, {}}, 9);
    EXPECT_EQ(bench.machine.status().contradictions, 0u);
}

TEST(Provider, lies_are_reproducible_and_differ_between_providers) {
    ProviderBench bench;
    Provider::Config config = bench.default_config();
    config.wrong_result_ppm = 500'000;
    config.slots = 1;
    const auto lies_of = [&](std::string_view seed) {
        config.seed = hash_of(seed);
        bench.rebuild(config);
        std::vector<std::optional<Hash32>> lies;
        for (std::uint64_t index = 0; index < 64; ++index) {
            const types::LeaseOffer offer = bench.offer(index);
            bench.start(offer);
            lies.push_back(bench.all<RunTask>().at(0).lie);
            bench.receive(
                types::Verdict{offer.lease.id(), types::VerdictKind::cancelled, Hash32{}});
        }
        return lies;
    };
    const auto first = lies_of("one");
    EXPECT_EQ(first, lies_of("one"));
    const auto second = lies_of("two");
    const auto count =
        std::ranges::count_if(first, [](const auto& lie) { return lie.has_value(); });
    EXPECT_GT(count, 16);
    EXPECT_LT(count, 48);
    for (std::size_t index = 0; index < first.size(); ++index) {
        if (first[index] && second[index]) {
            EXPECT_NE(*first[index], *second[index]);
        }
    }
}

TEST(Provider, falsified_content_differs_from_the_truth_and_from_other_lies) {
    for (const std::size_t size : {0u, 1u, 5u, 8u, 9u, 100'000u}) {
        const Bytes truth(size, 65);
        Bytes one = truth;
        Bytes two = truth;
        falsify(one, hash_of("one"));
        falsify(two, hash_of("two"));
        EXPECT_NE(one, truth);
        EXPECT_NE(two, truth);
        EXPECT_NE(one, two) << size;
    }
}

TEST(Provider, every_kept_blob_is_forgotten_in_the_end) {
    ProviderBench bench;
    std::map<crypto::BlobId, int> kept;
    const auto count = [&] {
        for (const KeepBlobs& keep : bench.all<KeepBlobs>())
            for (const auto& blob : keep.sealed)
                EXPECT_EQ(++kept[blob], 1);
        for (const ForgetBlobs& forget : bench.all<ForgetBlobs>())
            for (const auto& blob : forget.sealed)
                EXPECT_EQ(--kept[blob], 0);
    };
    const types::LeaseOffer one = bench.offer(0);
    const types::LeaseOffer two = bench.offer(1);
    bench.receive(one);
    count();
    bench.receive(two);
    count();
    bench.step(BlobReady{blob_of("module").sealed()});
    count();
    bench.step(bench.finished(one.lease.id()));
    count();
    EXPECT_EQ(kept[blob_of("module").sealed()], 1) << "the other lease still needs it";
    bench.receive(types::Verdict{two.lease.id(), types::VerdictKind::cancelled, {}});
    count();
    bench.receive(types::Verdict{one.lease.id(), types::VerdictKind::cancelled, {}});
    count();
    for (const auto& [blob, held] : kept)
        EXPECT_EQ(held, 0);
}

TEST(Provider, damaged_or_newer_records_are_refused_by_name) {
    ProviderBench bench;
    bench.commit(bench.offer(0));
    for (auto& [key, value] : bench.rows) {
        const Bytes good = value;
        value[value.size() / 2] ^= 0x55;
        value.pop_back();
        const auto outcome = bench.restart();
        EXPECT_FALSE(outcome) << key.first;
        if (!outcome) {
            EXPECT_NE(outcome.error().where.find(key.first), std::string::npos);
        }
        value = good;
    }
    EXPECT_TRUE(bench.restart());
}

}  // namespace
}  // namespace millrace::compute::provider
