// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// test/transcript/provider_*.txt (base/transcript_testing.hpp). Tasks are told apart by number.
//
//   offer 1 · again 1 · blobs · lost · finish 1 · fail 1 · reveal 1 · accept 1 · contradict 1
//   cancel 1 · voucher 1000 1 (cumulative, task) · final · close · settled · stop
//   advance 600000 (ms) · down · up · restart

#include <gtest/gtest.h>

#include <sstream>

#include "base/overload.hpp"
#include "base/transcript_testing.hpp"
#include "compute/provider_bench.hpp"

namespace millrace::compute::provider {
namespace {

class Scribe {
  public:
    std::string carry_out(const std::string& line) {
        std::istringstream words{line};
        std::string verb;
        std::uint64_t number = 0;
        std::uint64_t task = 0;
        words >> verb >> number >> task;
        bench_.effects.clear();
        act(verb, number, task);
        std::string text;
        for (const Effect& effect : bench_.effects) {
            const std::string told = told_of(effect);
            if (!told.empty()) text += "    " + told + "\n";
        }
        return text;
    }

  private:
    void act(const std::string& verb, std::uint64_t number, std::uint64_t task) {
        if (verb == "offer") {
            types::LeaseOffer offer = bench_.offer(number);
            offer.allocation = bench_.proof();
            offers_[number] = offer;
            numbers_[offer.lease.id()] = number;
            return bench_.receive(offer, session_);
        }
        if (verb == "again") return bench_.receive(offers_.at(number), session_);
        if (verb == "blobs") return bench_.step(BlobReady{blob_of("module").sealed()});
        if (verb == "lost") return bench_.step(BlobFailed{blob_of("module").sealed(), "line lost"});
        if (verb == "final") return bench_.finalize(bench_.proof());
        if (verb == "close") return bench_.receive(types::CloseStream{7}, session_);
        if (verb == "stop") return bench_.step(Stop{});
        if (verb == "advance") return bench_.advance(Duration{static_cast<std::int64_t>(number)});
        if (verb == "down") return bench_.step(PeerDown{session_});
        if (verb == "up") return bench_.up(++session_);
        if (verb == "restart") {
            EXPECT_TRUE(bench_.restart());
            return;
        }
        if (verb == "settled") {
            return bench_.step(VoucherSettled{.payer = bench_.requestor,
                                              .allocation = 7,
                                              .cumulative = signed_,
                                              .closed = true,
                                              .transaction = hash_of("tx")});
        }
        if (verb == "voucher") {
            signed_ = Amount{U256{number}};
            return bench_.receive(bench_.voucher(number, task, {id_of(task)}), session_);
        }
        on_task(verb, number);
    }

    void on_task(const std::string& verb, std::uint64_t number) {
        const Hash32 id = id_of(number);
        if (verb == "finish") {
            bench_.step(bench_.finished(id));
            for (const auto& notice : bench_.sent<types::CommitmentNotice>())
                commitments_[number] = notice.commitment;
        }
        if (verb == "fail")
            bench_.step(TaskFailed{id, types::LeaseRefusal::failed, "the disk is full"});
        if (verb == "reveal")
            bench_.receive(types::RevealRequest{id, {commitments_.at(number)}}, session_);
        const auto judge = [&](types::VerdictKind kind) {
            types::ResultSummary right = bench_.finished(id).summary;
            bench_.receive(types::Verdict{id, kind, right.result_id()}, session_);
        };
        if (verb == "accept") judge(types::VerdictKind::accepted);
        if (verb == "contradict") judge(types::VerdictKind::contradicted);
        if (verb == "cancel") judge(types::VerdictKind::cancelled);
    }

    [[nodiscard]] Hash32 id_of(std::uint64_t number) const { return offers_.at(number).lease.id(); }
    [[nodiscard]] std::string task(const Hash32& lease) const {
        const auto found = numbers_.find(lease);
        return found == numbers_.end() ? "of no task" : "task " + std::to_string(found->second);
    }

    [[nodiscard]] std::string told_of(const types::Message& message) const {
        if (const auto* answer = std::get_if<types::LeaseAnswer>(&message))
            return "LeaseAnswer " + task(answer->lease) + ": " +
                   (answer->refusal ? "refused, " + answer->text : std::string{"accepted"});
        if (const auto* notice = std::get_if<types::CommitmentNotice>(&message))
            return "CommitmentNotice " + task(notice->commitment.lease);
        if (const auto* notice = std::get_if<types::ReceiptNotice>(&message))
            return "ReceiptNotice " + task(notice->receipt.lease);
        if (const auto* ack = std::get_if<types::VoucherAck>(&message))
            return "VoucherAck " + to_decimal(ack->cumulative.wei);
        if (const auto* closed = std::get_if<types::StreamClosed>(&message))
            return "StreamClosed " +
                   (closed->problem.empty() ? std::string{"well"} : closed->problem);
        return std::string{types::message_name(message)};
    }

    [[nodiscard]] std::string told_of(const Effect& effect) const {
        return std::visit(
            Overload{
                [](const Persist& persist) { return "persist " + persist.record.table; },
                [](const Erase& erase) { return "erase " + erase.table; },
                [&](const Send& send) { return "send " + told_of(send.message); },
                [](const CloseSession& close) { return "close session: " + close.why; },
                [&](const FetchBlobs& fetch) {
                    return "fetch " + std::to_string(fetch.sealed.size()) + " blobs for " +
                           task(fetch.lease) +
                           (fetch.session == 0 ? " from what is stored" : " from the requestor");
                },
                [&](const RunTask& run) { return "run " + task(run.lease); },
                [&](const KillTask& kill) { return "kill " + task(kill.lease); },
                [](const CheckAllocation&) { return std::string{"look at the allocation"}; },
                [](const Settle& settle) {
                    return "settle " + to_decimal(settle.claims.at(0).voucher.cumulative.wei) +
                           (settle.claims.at(0).close ? " and close" : "");
                },
                [](const KeepBlobs& keep) {
                    return "keep " + std::to_string(keep.sealed.size()) + " blobs";
                },
                [](const ForgetBlobs& forget) {
                    return "forget " + std::to_string(forget.sealed.size()) + " blobs";
                },
                [](const Stopped&) { return std::string{"stopped"}; },
                [](const Note& note) { return "note: " + note.text; },
            },
            effect);
    }

    ProviderBench bench_;
    SessionId session_ = 1;
    std::map<std::uint64_t, types::LeaseOffer> offers_;
    std::map<Hash32, std::uint64_t> numbers_;
    std::map<std::uint64_t, types::Commitment> commitments_;
    Amount signed_;
};

TEST(ProviderTranscript, every_file_reads_as_it_did) {
    expect_transcripts<Scribe>("provider_");
}

}  // namespace
}  // namespace millrace::compute::provider
