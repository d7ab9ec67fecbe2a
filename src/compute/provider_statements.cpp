// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "base/assert.hpp"
#include "base/prng.hpp"
#include "compute/provider_state.hpp"
#include "crypto/hash.hpp"

// What a provider signs about a lease, when it reveals it, and the verdict it hears.

namespace millrace::compute {

using provider::LeaseEntry;

// ---- what is signed
// ------------------------------------------------------------------------------

Hash32 Provider::State::derived(std::string_view purpose, const Hash32& of) const {
    Bytes preimage = to_bytes(config_.seed.view());
    preimage.insert(preimage.end(), purpose.begin(), purpose.end());
    preimage.insert(preimage.end(), of.bytes.begin(), of.bytes.end());
    return crypto::keccak256(preimage);
}

/// All of it follows from the persisted result and the seed, so it is the same however often asked.
types::Commitment Provider::State::commitment_of(const Hash32& id, const LeaseEntry& entry) const {
    MILLRACE_ASSERT(entry.result.has_value());
    return {.lease = id,
            .commitment =
                types::commitment_hash(config_.domain.chain_id, entry.terms.task, config_.owner,
                                       entry.result->summary.result_id(), derived("salt", id))};
}

types::CommitmentNotice Provider::State::commitment_notice(const Hash32& id,
                                                           const LeaseEntry& entry) const {
    const types::Commitment commitment = commitment_of(id, entry);
    return {.commitment = commitment,
            .signature = crypto::sign(config_.signer, commitment.digest(config_.domain))};
}

types::ReceiptNotice Provider::State::receipt_notice(const Hash32& id,
                                                     const LeaseEntry& entry) const {
    MILLRACE_ASSERT(entry.result.has_value());
    const provider::TaskResult& result = *entry.result;
    const types::Receipt receipt{.lease = id,
                                 .task = entry.terms.task,
                                 .result_id = result.summary.result_id(),
                                 .fuel = result.summary.fuel};
    return {.receipt = receipt,
            .signature = crypto::sign(config_.signer, receipt.digest(config_.domain)),
            .salt = derived("salt", id),
            .summary = result.summary,
            .files = result.files,
            .deleted = result.deleted,
            .standard_output = result.standard_output,
            .standard_error = result.standard_error};
}

std::optional<Hash32> Provider::State::lie_about(const Hash32& task) const {
    if (config_.wrong_result_ppm == 0) return std::nullopt;
    const Hash32 lie = derived("lie", task);
    std::uint64_t seed = 0;
    for (std::size_t index = 0; index < 8; ++index)
        seed = seed << 8 | lie.bytes[index];
    if (!Prng{seed}.chance(config_.wrong_result_ppm)) return std::nullopt;
    return lie;
}

// ---- reveal and verdict
// --------------------------------------------------------------------------

void Provider::State::on_reveal(SessionId session, const types::RevealRequest& request, Step& at) {
    const auto found = leases_.find(request.lease);
    if (found == leases_.end()) {
        if (!ended_.contains(request.lease))
            misbehaved(session, "a reveal request for an unknown lease", at);
        return;
    }
    LeaseEntry& entry = found->second;
    if (entry.terms.requestor != sessions_.at(session).account || !entry.result)
        return misbehaved(session, "a reveal request out of turn", at);
    // Whoever shows our commitment got it from us; a round that lacks it is not this lease's round.
    if (std::ranges::count(request.commitments, commitment_of(request.lease, entry)) != 1)
        return misbehaved(session, "a reveal request without our commitment", at);
    entry.session = session;
    if (entry.state == LeaseState::committed) {
        set_state(request.lease, entry, LeaseState::revealed, at);
        make_readable(entry);
    }
    send(session, receipt_notice(request.lease, entry), at);
}

void Provider::State::on_verdict(SessionId session, const types::Verdict& verdict, Step& at) {
    const auto found = leases_.find(verdict.lease);
    const Session& peer = sessions_.at(session);
    if (found == leases_.end()) {
        // The end of a lease that was refused or forgotten is no news.
        const bool claims = verdict.kind == types::VerdictKind::accepted ||
                            verdict.kind == types::VerdictKind::contradicted;
        if (claims && !ended_.contains(verdict.lease))
            misbehaved(session, "a verdict on an unknown lease", at);
        return;
    }
    LeaseEntry& entry = found->second;
    if (entry.terms.requestor != peer.account || !peer.proven)
        return misbehaved(session, "a verdict on another's lease", at);
    if (entry.state >= LeaseState::accepted) return;  // repeated
    Payer& payer = payer_of(entry.terms.requestor);
    switch (verdict.kind) {
        case types::VerdictKind::accepted:
            if (entry.state != LeaseState::revealed ||
                verdict.accepted_result != entry.result->summary.result_id()) {
                return misbehaved(session, "accepts what this provider never claimed", at);
            }
            set_state(verdict.lease, entry, LeaseState::accepted, at);
            return assign(entry.terms.requestor, at);
        case types::VerdictKind::contradicted:
            if (!entry.result) return misbehaved(session, "a verdict before a result", at);
            ++payer.contradictions;
            note(verdict.lease, "contradicted: task " + std::to_string(entry.task.index), at);
            // Whoever does not lie knows that the requestor errs or cheats.
            if (lie_about(entry.terms.task)) {
                persist(provider::payer_record(entry.terms.requestor, payer), at);
            } else {
                count_unpaid(entry.terms.requestor, at);
            }
            return end(verdict.lease, at);
        case types::VerdictKind::late:
            note(verdict.lease, "the result came late", at);
            if (entry.result && at.now < instant_of(entry.terms.deadline))
                count_unpaid(entry.terms.requestor, at);
            return end(verdict.lease, at);
        case types::VerdictKind::cancelled:
            if (entry.state == LeaseState::revealed) count_unpaid(entry.terms.requestor, at);
            return end(verdict.lease, at);
    }
}

}  // namespace millrace::compute
