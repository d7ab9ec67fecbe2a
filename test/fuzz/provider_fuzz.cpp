// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A requestor, a chain and a disk that obey the fuzzer. Beside the machine's own assertions:
//  - one lease has one commitment and one receipt, over every restart;
//  - nothing is revealed before our commitment was shown;
//  - cumulative amounts never fall, and an acknowledged voucher is on disk;
//  - no more tasks run than there are slots, and blobs are kept and forgotten in pairs;
//  - timers do not spin.

#include <set>

#include "base/assert.hpp"
#include "compute/provider_bench.hpp"
#include "compute/provider_record.hpp"
#include "script.hpp"

using namespace millrace;
using namespace millrace::compute;
using namespace millrace::compute::provider;

namespace {

class Run {
  public:
    explicit Run(ByteView script) : script_{script} {
        bench_.effects.clear();
        for (std::uint64_t index = 0; index < 4; ++index) {
            types::LeaseOffer offer = bench_.offer(index);
            if (index != 3) offer.allocation = bench_.proof(index % 2, 3'000);
            offers_.push_back(offer);
        }
    }

    void go() {
        while (!script_.empty()) {
            act(take());
            check();
        }
    }

  private:
    std::uint8_t take() { return script_.take(); }

    void act(std::uint8_t choice) {
        const std::uint8_t detail = take();
        const types::LeaseOffer& offer = offers_[detail % offers_.size()];
        const Hash32 id = offer.lease.id();
        const SessionId session = 1 + (detail >> 6);
        switch (choice % 16) {
            case 0:
                return bench_.receive(offer, session);
            case 1:
                return bench_.step(BlobReady{blob_of("module").sealed()});
            case 2:
                return bench_.step(BlobFailed{blob_of("module").sealed(), "fuzz"});
            case 3:
                return bench_.step(bench_.finished(id, (detail & 16) != 0 ? "other" : "right"));
            case 4:
                return bench_.step(TaskFailed{id, types::LeaseRefusal::failed, "fuzz"});
            case 5: {
                types::RevealRequest request{id, {}};
                const auto mine = commitments_.find(id);
                if (mine != commitments_.end() && (detail & 32) == 0)
                    request.commitments.push_back(mine->second);
                shown_ = !request.commitments.empty();
                bench_.receive(request, session);
                for (const auto& notice : bench_.sent<types::ReceiptNotice>()) {
                    MILLRACE_ASSERT(shown_);
                    MILLRACE_ASSERT(notice.receipt.lease == id);
                }
                return;
            }
            case 6: {
                const auto kind = static_cast<types::VerdictKind>(1 + (detail >> 2) % 4);
                const auto receipt = receipts_.find(id);
                const Hash32 result =
                    receipt == receipts_.end() ? Hash32{} : receipt->second.receipt.result_id;
                return bench_.receive(types::Verdict{id, kind, result}, session);
            }
            case 7: {
                const std::uint8_t more = take();
                return bench_.receive(bench_.voucher(more * 20, more / 16, {id}, detail % 2),
                                      session);
            }
            case 8:
                return bench_.receive(types::CloseStream{detail % 3u}, session);
            case 9:
                return bench_.finalize(bench_.proof(detail % 2, 3'000),
                                       static_cast<AllocationState>(1 + (detail >> 1) % 6));
            case 10:
                return bench_.step(VoucherSettled{.payer = bench_.requestor,
                                                  .allocation = detail % 2u,
                                                  .cumulative = held_[detail % 2u],
                                                  .closed = (detail & 4) != 0,
                                                  .transaction = hash_of("tx")});
            case 11:
                return bench_.step(SettleFailed{bench_.requestor, detail % 2u, "fuzz"});
            case 12:
                return bench_.advance(Duration{detail * 700});
            case 13:
                return bench_.step(PeerDown{session});
            case 14:
                return bench_.up(session);
            case 15: {
                kept_.clear();
                running_.clear();
                MILLRACE_ASSERT(bench_.restart().has_value());
                return;
            }
        }
    }

    void check() {
        for (const Effect& effect : bench_.effects) {
            if (const auto* run = std::get_if<RunTask>(&effect))
                MILLRACE_ASSERT(running_.insert(run->lease).second);
            if (const auto* kill = std::get_if<KillTask>(&effect))
                MILLRACE_ASSERT(running_.erase(kill->lease) == 1);
            if (const auto* keep = std::get_if<KeepBlobs>(&effect)) {
                for (const auto& blob : keep->sealed)
                    MILLRACE_ASSERT(kept_.insert(blob).second);
            }
            if (const auto* forget = std::get_if<ForgetBlobs>(&effect)) {
                for (const auto& blob : forget->sealed)
                    MILLRACE_ASSERT(kept_.erase(blob) == 1);
            }
            if (const auto* settle = std::get_if<Settle>(&effect)) {
                for (const Claim& claim : settle->claims)
                    MILLRACE_ASSERT(claim.voucher.cumulative <= claim.proof.cap);
            }
        }
        for (const auto& notice : bench_.sent<types::CommitmentNotice>()) {
            const auto [place, is_new] =
                commitments_.emplace(notice.commitment.lease, notice.commitment);
            MILLRACE_ASSERT(is_new || place->second == notice.commitment);
            const Bytes key = to_bytes(notice.commitment.lease.view());
            MILLRACE_ASSERT(bench_.rows.contains({"results", key}));
        }
        for (const auto& notice : bench_.sent<types::ReceiptNotice>()) {
            const auto [place, is_new] = receipts_.emplace(notice.receipt.lease, notice);
            MILLRACE_ASSERT(is_new || place->second == notice);
        }
        for (const auto& ack : bench_.sent<types::VoucherAck>()) {
            const auto row =
                bench_.rows.find({"streams", stream_key(bench_.requestor, ack.allocation)});
            if (row == bench_.rows.end()) {
                MILLRACE_ASSERT(ack.cumulative.wei.is_zero());
                continue;
            }
            const auto stored = decode_stream(row->second);
            MILLRACE_ASSERT(stored.has_value());
            MILLRACE_ASSERT(stored->voucher.cumulative == ack.cumulative);
            MILLRACE_ASSERT(ack.cumulative >= held_[ack.allocation]);
            held_[ack.allocation] = ack.cumulative;
        }
        for (const auto& answer : bench_.sent<types::LeaseAnswer>()) {
            if (answer.refusal) running_.erase(answer.lease);
        }
        // What ended by itself is no longer running for us.
        const Status status = bench_.machine.status();
        std::set<Hash32> running;
        for (const LeaseRow& row : status.leases) {
            if (row.state == LeaseState::running) running.insert(row.lease);
        }
        running_ = running;
        MILLRACE_ASSERT(status.running == running.size());
        MILLRACE_ASSERT(status.running <= status.slots);
        MILLRACE_ASSERT(status.running + status.waiting <= status.slots + 1u);
        bench_.step(TimerFired{});
        const auto due = bench_.machine.next_deadline();
        MILLRACE_ASSERT(!due || *due > bench_.now);
        for (const Effect& effect : bench_.effects) {
            if (const auto* keep = std::get_if<KeepBlobs>(&effect))
                kept_.insert(keep->sealed.begin(), keep->sealed.end());
            if (const auto* forget = std::get_if<ForgetBlobs>(&effect))
                for (const auto& blob : forget->sealed)
                    MILLRACE_ASSERT(kept_.erase(blob) == 1);
            if (const auto* run = std::get_if<RunTask>(&effect)) running_.insert(run->lease);
            if (const auto* kill = std::get_if<KillTask>(&effect)) running_.erase(kill->lease);
        }
    }

    Script script_;
    ProviderBench bench_;
    std::vector<types::LeaseOffer> offers_;
    std::map<Hash32, types::Commitment> commitments_;
    std::map<Hash32, types::ReceiptNotice> receipts_;
    std::map<std::uint64_t, Amount> held_;
    std::set<Hash32> running_;
    std::set<crypto::BlobId> kept_;
    bool shown_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t script_max = 300;
    Run{ByteView{data, std::min(size, script_max)}}.go();
    return 0;
}
