// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"
#include "crypto/hash.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

constexpr std::size_t commitments_shown_max = 64;  ///< bound of RevealRequest
constexpr std::size_t durations_kept = 256;
constexpr std::size_t lies_listed_max = 1000;

/// The output root as the notice's own lists give it; null when they are not a valid tree.
std::optional<Hash32> root_of_outputs(const types::ReceiptNotice& notice) {
    if (!types::is_valid_tree(notice.files)) return std::nullopt;
    std::vector<types::OutputEntry> entries;
    entries.reserve(notice.files.size() + notice.deleted.size());
    for (const types::FileEntry& file : notice.files)
        entries.push_back({.path = file.path, .content = file.blob.plain});
    for (const std::string& path : notice.deleted) {
        if (!types::is_valid_path(path)) return std::nullopt;
        entries.push_back({.path = path, .content = {}, .deleted = true});
    }
    std::ranges::sort(entries, {}, &types::OutputEntry::path);
    const auto repeated = std::ranges::adjacent_find(entries, {}, &types::OutputEntry::path);
    if (repeated != entries.end()) return std::nullopt;
    return types::output_root(entries);
}

SignedReceipt signed_receipt(const LeaseEntry& entry) {
    return {.lease = entry.lease,
            .lease_signature = entry.signature,
            .receipt = *entry.receipt,
            .receipt_signature = entry.receipt_signature,
            .signer = entry.signer};
}

}  // namespace

void Requestor::State::on_message(PeerEntry& peer, const types::CommitmentNotice& notice) {
    LeaseEntry* entry = lease_of(notice.commitment.lease);
    if (entry == nullptr || entry->lease.provider != peer.record.provider)
        return bad_message(peer, "commits to a lease it does not have");
    if (entry->commitment && *entry->commitment != notice.commitment.commitment)
        return bad_message(peer, "changes its commitment");
    const bool is_new = entry->state == LeaseState::offered || entry->may_return();
    if (!is_new) {  // repeated: tell again what it seems to have missed
        if (entry->state == LeaseState::revealing)
            send_reveal(*entry);
        else if (!entry->is_out() && entry->state != LeaseState::received)
            send_verdict(*entry);
        return;
    }
    const auto signer = crypto::recover(notice.commitment.digest(config_.domain), notice.signature);
    if (!signer || *signer != entry->signer)
        return bad_message(peer, "signs a commitment with a key that is not its registered signer");
    JobEntry& job = jobs_.at(entry->lease.job);
    if (now_.ms > static_cast<std::int64_t>(entry->lease.deadline) * 1000) {
        lose(*entry, "the result came after the deadline", false);
        return send_verdict(*entry);
    }
    entry->commitment = notice.commitment.commitment;
    entry->committed = now_;
    entry->orphaned.reset();
    entry->due.reset();
    entry->why.clear();
    if (!entry->queued) {
        job.durations_ms.push_back((now_ - entry->started).count());
        if (job.durations_ms.size() > durations_kept) job.durations_ms.pop_front();
    }
    peer.refusals_in_row = 0;
    set_state(*entry, LeaseState::committed);
    request_reveals(job, entry->index);
    update_wanting(job, entry->index);
}

/// Once as many commitments stand as results must agree, all of them are revealed; whoever commits
/// later (a tie-breaker, a speculative copy) reveals at once, for it was bound before it saw
/// anything.
void Requestor::State::request_reveals(JobEntry& job, std::uint64_t index) {
    TaskEntry& task = job.tasks.at(index);
    std::size_t standing = 0;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || !entry->commitment) continue;
        if (entry->is_out() || entry->state == LeaseState::received) ++standing;
    }
    if (!task.is_revealed && standing < job.plan.settings.replicas) return;
    task.is_revealed = true;
    for (const Hash32& id : task.attempts) {
        LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || entry->state != LeaseState::committed) continue;
        set_state(*entry, LeaseState::revealing);
        entry->due = now_ + config_.timing.reveal_time;
        arm({.at = *entry->due, .kind = TimerKind::lease, .hash = id});
        send_reveal(*entry);
    }
}

void Requestor::State::send_reveal(LeaseEntry& entry) {
    const TaskEntry& task = jobs_.at(entry.lease.job).tasks.at(entry.index);
    types::RevealRequest request{.lease = entry.id, .commitments = {}};
    request.commitments.push_back({entry.id, *entry.commitment});
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* other = lease_of(id);
        if (other == nullptr || id == entry.id || !other->commitment) continue;
        if (request.commitments.size() == commitments_shown_max) break;
        request.commitments.push_back({id, *other->commitment});
    }
    send(entry.lease.provider, std::move(request));
}

/// Null when the receipt binds its provider to a result of this very lease.
std::optional<std::string> Requestor::State::receipt_problem(
    const LeaseEntry& entry, const types::ReceiptNotice& notice) const {
    const types::Receipt& receipt = notice.receipt;
    if (receipt.task != entry.lease.task) return "it names another task";
    if (notice.summary.result_id() != receipt.result_id)
        return "its summary does not hash to its result";
    if (notice.summary.fuel != receipt.fuel) return "its fuel differs from its summary's";
    if (receipt.fuel > entry.lease.fuel_limit) return "it claims more fuel than the limit";
    const Hash32 commitment =
        types::commitment_hash(config_.domain.chain_id, receipt.task, entry.lease.provider,
                               receipt.result_id, notice.salt);
    if (commitment != *entry.commitment) return "it reveals something else than was committed to";
    const auto signer = crypto::recover(receipt.digest(config_.domain), notice.signature);
    if (!signer || *signer != entry.signer) return "it is not signed by the registered signer";
    if (notice.files.size() + notice.deleted.size() > types::files_per_task_max)
        return "it lists too many files";
    const auto root = root_of_outputs(notice);
    if (!root || *root != notice.summary.output_root)
        return "its files do not hash to its output root";
    if (notice.standard_output.plain.root != notice.summary.stdout_root)
        return "its standard output is not the one of its summary";
    const types::TaskLimits& limits = jobs_.at(entry.lease.job).plan.common.limits;
    std::uint64_t size = 0;
    const auto add = [&size](const types::SealedBlob& blob) {
        return blob.plain.size <= types::blob_size_max &&
               !__builtin_add_overflow(size, blob.plain.size, &size);
    };
    bool is_bounded = add(notice.standard_output) && add(notice.standard_error);
    for (const types::FileEntry& file : notice.files)
        is_bounded = is_bounded && add(file.blob);
    if (!is_bounded || size > limits.output_bytes) return "its outputs are over the limit";
    return std::nullopt;
}

void Requestor::State::on_message(PeerEntry& peer, const types::ReceiptNotice& notice) {
    LeaseEntry* entry = lease_of(notice.receipt.lease);
    if (entry == nullptr || entry->lease.provider != peer.record.provider)
        return bad_message(peer, "reveals a lease it does not have");
    if (entry->state == LeaseState::received) return;
    if (!entry->is_out()) return send_verdict(*entry);
    if (entry->state != LeaseState::revealing)
        return bad_message(peer, "reveals before it was asked");
    if (const auto problem = receipt_problem(*entry, notice)) {
        bad_message(peer, "sends a receipt that does not hold: " + *problem);
        return lose(*entry, "its receipt does not hold: " + *problem, false);
    }
    JobEntry& job = jobs_.at(entry->lease.job);
    TaskEntry& task = job.tasks.at(entry->index);
    entry->receipt = notice.receipt;
    entry->receipt_signature = notice.signature;
    entry->notice = std::make_shared<const types::ReceiptNotice>(notice);
    entry->received = now_;
    entry->due.reset();
    ++job.replicas;
    set_state(*entry, LeaseState::received);
    const std::int64_t spent_ms =
        entry->committed ? (*entry->committed - entry->started).count() : 0;
    if (spent_ms > 0) {
        const std::uint64_t speed =
            notice.receipt.fuel.value * 1000 / static_cast<std::uint64_t>(spent_ms);
        peer.fuel_per_second = peer.fuel_per_second == 0
                                   ? speed
                                   : peer.fuel_per_second - peer.fuel_per_second / 4 + speed / 4;
    }
    if (task.result) return settle_receipt(job, task, *entry);
    decide(job, entry->index);
}

void Requestor::State::decide(JobEntry& job, std::uint64_t index) {
    const TaskEntry& task = job.tasks.at(index);
    const bool is_open =
        job.states[index] == TaskState::waiting || job.states[index] == TaskState::running;
    if (!is_open) return;
    std::map<Hash32, std::uint32_t> votes;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || entry->state != LeaseState::received) continue;
        const Hash32& result = entry->receipt->result_id;
        if (++votes[result] >= job.plan.settings.replicas) return accept(job, index, result);
    }
    if (votes.size() > 1)
        note(job.plan.id, "task " + std::to_string(index) + ": " + std::to_string(votes.size()) +
                              " different results, one more provider is asked");
    update_wanting(job, index);
}

void Requestor::State::accept(JobEntry& job, std::uint64_t index, const Hash32& result) {
    TaskEntry& task = job.tasks.at(index);
    MILLRACE_ASSERT(!task.result);
    task.result = result;
    job.wanting.erase(index);
    job.active.erase(index);
    set_task_state(job, index, TaskState::fetching);
    job.fetching.insert(index);
    for (const Hash32& id : task.attempts) {  // the agreeing first: evidence needs them
        LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || entry->state != LeaseState::received) continue;
        if (entry->receipt->result_id == result) settle_receipt(job, task, *entry);
    }
    for (const Hash32& id : task.attempts) {
        LeaseEntry* entry = lease_of(id);
        if (entry == nullptr || entry->state != LeaseState::received) continue;
        settle_receipt(job, task, *entry);
    }
    MILLRACE_ASSERT(task.accepted != nullptr);
    const types::ResultSummary& summary = task.accepted->summary;
    if (summary.exit != types::ExitKind::exited || summary.code != 0) ++job.exit_not_zero;
    job.fuel_largest = std::max(job.fuel_largest, summary.fuel);
    if (const auto sum = checked_add(job.fuel_sum, U256{summary.fuel.value})) job.fuel_sum = *sum;
    ++job.fuel_samples;
    dirty_.tasks.insert({job.plan.id, index});
    start_fetch(job, index);
}

/// A receipt of a decided task: paid when it equals, evidence when it does not.
void Requestor::State::settle_receipt(JobEntry& job, TaskEntry& task, LeaseEntry& entry) {
    PeerEntry& peer = peer_of(entry.lease.provider);
    if (entry.receipt->result_id != *task.result) return contradict(job, task, entry);
    if (!task.accepted) task.accepted = entry.notice;
    const bool is_fetching = job.states[entry.index] == TaskState::fetching;
    if (is_fetching) task.sources.push_back({entry.lease.provider, entry.notice->standard_error});
    ++peer.accepted;
    if (const auto sum = checked_add(peer.fuel, entry.receipt->fuel)) peer.fuel = *sum;
    ProviderShare& share = job.shares[entry.lease.provider];
    ++share.accepted;
    if (const auto sum = checked_add(share.fuel, entry.receipt->fuel)) share.fuel = *sum;
    if (const auto sum = checked_add(job.fuel, entry.receipt->fuel)) job.fuel = *sum;
    pay(job, entry);
    set_state(entry, LeaseState::accepted);
    dirty_.peers.insert(entry.lease.provider);
    send_verdict(entry);
    if (is_fetching) {
        dirty_.tasks.insert({job.plan.id, entry.index});
        if (task.needs_source) {
            task.needs_source = false;
            job.wanting.erase(entry.index);
            continue_fetch(job, entry.index);
        }
    }
}

void Requestor::State::contradict(JobEntry& job, TaskEntry& task, LeaseEntry& entry) {
    PeerEntry& peer = peer_of(entry.lease.provider);
    ++peer.contradicted;
    ++job.contradictions;
    ProviderShare& share = job.shares[entry.lease.provider];
    ++share.contradictions;
    if (share.contradicted_tasks.size() < lies_listed_max)
        share.contradicted_tasks.push_back(entry.index);
    entry.why = "its result differs from the accepted one";
    set_state(entry, LeaseState::contradicted);
    dirty_.peers.insert(entry.lease.provider);
    send_verdict(entry);
    note(job.plan.id, "task " + std::to_string(entry.index) + ": " +
                          short_name(entry.lease.provider) + " is contradicted, its result " +
                          short_name(entry.receipt->result_id) + " is not paid");
    std::vector<const LeaseEntry*> agreeing;
    for (const Hash32& id : task.attempts) {
        const LeaseEntry* other = lease_of(id);
        if (other != nullptr && other->state == LeaseState::accepted) agreeing.push_back(other);
    }
    if (agreeing.size() < 2) return;  // a job that trusts single results has no evidence
    Bytes name = to_bytes(entry.id.view());
    name.insert(name.end(), task.result->bytes.begin(), task.result->bytes.end());
    EvidenceEntry evidence;
    evidence.evidence = {.id = crypto::keccak256(name),
                         .wrong = signed_receipt(entry),
                         .right_first = signed_receipt(*agreeing[0]),
                         .right_second = signed_receipt(*agreeing[1])};
    evidence.job = job.plan.id;
    evidence.index = entry.index;
    const Hash32 id = evidence.evidence.id;
    evidence_[id] = std::move(evidence);
    dirty_.evidence.insert(id);
    report(evidence_[id]);
}

/// What became of a lease, for its provider. Kept for its return when it is away.
void Requestor::State::send_verdict(LeaseEntry& entry) {
    types::Verdict verdict;
    verdict.lease = entry.id;
    const JobEntry& job = jobs_.at(entry.lease.job);
    const auto task = job.tasks.find(entry.index);
    if (task != job.tasks.end() && task->second.result)
        verdict.accepted_result = *task->second.result;
    switch (entry.state) {
        case LeaseState::accepted:
            verdict.kind = types::VerdictKind::accepted;
            break;
        case LeaseState::contradicted:
            verdict.kind = types::VerdictKind::contradicted;
            break;
        case LeaseState::cancelled:
        case LeaseState::refused:
            verdict.kind = types::VerdictKind::cancelled;
            break;
        case LeaseState::lost:
            verdict.kind = now_.ms > static_cast<std::int64_t>(entry.lease.deadline) * 1000
                               ? types::VerdictKind::late
                               : types::VerdictKind::cancelled;
            break;
        case LeaseState::offered:
        case LeaseState::committed:
        case LeaseState::revealing:
        case LeaseState::received:
            return;
    }
    const bool is_up = peer_of(entry.lease.provider).link == Link::up;
    if (entry.verdict_due == is_up) {
        entry.verdict_due = !is_up;
        dirty_.leases.insert(entry.id);
        if (!is_up) verdicts_due_[entry.lease.provider].insert(entry.id);
    }
    if (is_up) send(entry.lease.provider, verdict);
}

void Requestor::State::report(EvidenceEntry& entry) {
    if (entry.is_reported) return;
    ++entry.attempts;
    emit(ReportContradiction{entry.evidence});
}

void Requestor::State::on(const ContradictionReported& event) {
    const auto found = evidence_.find(event.evidence);
    if (found == evidence_.end() || found->second.is_reported) return;
    EvidenceEntry& entry = found->second;
    entry.is_reported = event.ok;
    entry.transaction = event.transaction;
    entry.why = event.ok ? std::string{} : event.why.substr(0, 1024);
    dirty_.evidence.insert(event.evidence);
    if (event.ok) return;
    note(entry.job, "the contradiction in task " + std::to_string(entry.index) +
                        " could not be reported: " + entry.why);
    constexpr std::uint32_t attempts_max = 5;
    if (entry.attempts < attempts_max)
        arm({.at = now_ + Duration{60'000}, .kind = TimerKind::evidence, .hash = event.evidence});
}

}  // namespace millrace::compute
