// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"
#include "types/fields.hpp"

// Rows of the store read back, each into its entry. What follows from them all together is counted
// in requestor_restore.cpp.

namespace millrace::compute {

using namespace requestor;
using codec::RlpError;
using codec::RlpReaderView;
namespace fields = types::detail;

namespace {

constexpr std::size_t leaves_read_max = 4096;
constexpr std::size_t sources_max = 4096;

Result<RlpReaderView, RlpError> open_record(RlpReaderView& outer) {
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != record_version) return Err{RlpError::bad_value};
    return list;
}

Result<Instant, RlpError> read_instant(RlpReaderView& reader) {
    MILLRACE_TRY(const std::uint64_t ms, reader.read_u64());
    return Instant{static_cast<std::int64_t>(ms)};
}

template <typename T, typename Read>
Result<std::optional<T>, RlpError> read_optional(RlpReaderView& reader, Read read) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::optional<T> value;
    if (!list.at_end()) {
        MILLRACE_TRY(T present, read(list));
        value = std::move(present);
    }
    MILLRACE_TRY_VOID(list.finish());
    return value;
}

Result<Amount, RlpError> read_amount(RlpReaderView& reader) {
    MILLRACE_TRY(const U256 wei, reader.read_u256());
    return Amount{wei};
}

Result<bool, RlpError> read_bool(RlpReaderView& reader) {
    MILLRACE_TRY(const std::uint64_t number, fields::read_u64_max(reader, 1));
    return number == 1;
}

template <typename Enum>
Result<Enum, RlpError> read_enum(RlpReaderView& reader, Enum last) {
    MILLRACE_TRY(const std::uint64_t number,
                 fields::read_u64_max(reader, static_cast<std::uint64_t>(last)));
    if (number == 0) return Err{RlpError::bad_value};
    return static_cast<Enum>(number);
}

Result<std::string, RlpError> read_note(RlpReaderView& reader) {
    return reader.read_text(text_size_max);
}

Result<types::Receipt, RlpError> read_receipt(RlpReaderView& reader) {
    types::Receipt receipt;
    MILLRACE_TRY(receipt.lease, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.task, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.result_id, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.fuel.value, reader.read_u64());
    return receipt;
}

Result<std::shared_ptr<const types::ReceiptNotice>, RlpError> read_notice(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    if (list.at_end()) return std::shared_ptr<const types::ReceiptNotice>{};
    MILLRACE_TRY(const ByteView wire, list.read_string());
    MILLRACE_TRY_VOID(list.finish());
    const std::uint16_t type = types::message_type(types::ReceiptNotice{});
    MILLRACE_TRY(types::Message message, types::decode_message(type, wire));
    return std::make_shared<const types::ReceiptNotice>(
        std::get<types::ReceiptNotice>(std::move(message)));
}

Result<SignedReceipt, RlpError> read_signed(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    SignedReceipt receipt;
    MILLRACE_TRY(receipt.lease, types::Lease::decode_from(list));
    MILLRACE_TRY(receipt.lease_signature, list.read_fixed<types::Signature>());
    MILLRACE_TRY(receipt.receipt, read_receipt(list));
    MILLRACE_TRY(receipt.receipt_signature, list.read_fixed<types::Signature>());
    MILLRACE_TRY(receipt.signer, list.read_fixed<Address>());
    MILLRACE_TRY_VOID(list.finish());
    return receipt;
}

std::uint64_t number_at(ByteView key, std::size_t offset) {
    std::uint64_t number = 0;
    for (std::size_t index = 0; index < 8; ++index)
        number = number << 8 | key[offset + index];
    return number;
}

}  // namespace

Requestor::State::Restored Requestor::State::restore_job(const types::Record& record) {
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    JobEntry job;
    MILLRACE_TRY(job.sequence, list.read_u64());
    MILLRACE_TRY(job.submitted, read_instant(list));
    MILLRACE_TRY(job.finished, read_optional<Instant>(list, read_instant));
    MILLRACE_TRY(job.state, read_enum(list, JobState::cancelled));
    MILLRACE_TRY(job.is_ended, read_bool(list));
    MILLRACE_TRY(job.failure, read_optional<Failure>(
                                  list, [](RlpReaderView& reader) -> Result<Failure, RlpError> {
                                      Failure failure;
                                      MILLRACE_TRY(failure.what, read_note(reader));
                                      MILLRACE_TRY(failure.where, read_note(reader));
                                      MILLRACE_TRY(failure.remedy, read_note(reader));
                                      return failure;
                                  }));
    MILLRACE_TRY(job.plan, JobPlan::decode_head_from(list));
    MILLRACE_TRY_VOID(list.finish());
    const Hash32 id = job.plan.id;
    if (record.key != to_bytes(id.view())) return Err{RlpError::bad_value};
    job.states.assign(job.plan.task_count(), TaskState::waiting);
    sequence_next_ = std::max(sequence_next_, job.sequence + 1);
    job_order_[job.sequence] = id;
    jobs_[id] = std::move(job);
    return {};
}

Requestor::State::Restored Requestor::State::restore_inputs(const types::Record& record) {
    if (record.key.size() != Hash32::size + 8) return Err{RlpError::bad_value};
    const Hash32 id = *Hash32::from(ByteView{record.key}.first(Hash32::size));
    const std::uint64_t first = number_at(record.key, Hash32::size);
    JobEntry* job = job_of(id);
    if (job == nullptr) return Err{RlpError::bad_value};
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    MILLRACE_TRY(const ByteView raw, list.read_raw());
    MILLRACE_TRY_VOID(list.finish());
    MILLRACE_TRY(std::vector<TaskInput> slice, JobPlan::decode_inputs(raw));
    if (first > job->plan.inputs.size() || slice.size() > job->plan.inputs.size() - first)
        return Err{RlpError::bad_value};
    std::move(slice.begin(), slice.end(),
              job->plan.inputs.begin() + static_cast<std::ptrdiff_t>(first));
    job->input_keys.push_back(first);
    return {};
}

Requestor::State::Restored Requestor::State::restore_task(const types::Record& record) {
    if (record.key.size() != Hash32::size + 8) return Err{RlpError::bad_value};
    JobEntry* job = job_of(*Hash32::from(ByteView{record.key}.first(Hash32::size)));
    const std::uint64_t index = number_at(record.key, Hash32::size);
    if (job == nullptr || index >= job->states.size()) return Err{RlpError::bad_value};
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    TaskEntry task;
    MILLRACE_TRY(const TaskState state, read_enum(list, TaskState::cancelled));
    MILLRACE_TRY(task.result, read_optional<Hash32>(list, [](RlpReaderView& reader) {
                     return reader.read_fixed<Hash32>();
                 }));
    MILLRACE_TRY(task.accepted, read_notice(list));
    MILLRACE_TRY(
        task.sources,
        fields::read_items<OutputSource>(
            list, sources_max, [](RlpReaderView& reader) -> Result<OutputSource, RlpError> {
                MILLRACE_TRY(RlpReaderView item, reader.read_list());
                OutputSource source;
                MILLRACE_TRY(source.provider, item.read_fixed<Address>());
                MILLRACE_TRY(source.standard_error, fields::read_sealed(item));
                MILLRACE_TRY_VOID(item.finish());
                return source;
            }));
    MILLRACE_TRY(task.why, read_note(list));
    MILLRACE_TRY_VOID(list.finish());
    if (state == TaskState::fetching && (!task.accepted || task.sources.empty()))
        return Err{RlpError::bad_value};
    job->states[index] = state;
    job->tasks[index] = std::move(task);
    return {};
}

Requestor::State::Restored Requestor::State::restore_lease(const types::Record& record) {
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    LeaseEntry entry;
    MILLRACE_TRY(entry.lease, types::Lease::decode_from(list));
    MILLRACE_TRY(entry.signature, list.read_fixed<types::Signature>());
    MILLRACE_TRY(entry.index, list.read_u64());
    MILLRACE_TRY(entry.signer, list.read_fixed<Address>());
    MILLRACE_TRY(entry.allocation, list.read_u64());
    MILLRACE_TRY(entry.state, read_enum(list, LeaseState::cancelled));
    MILLRACE_TRY(entry.speculative, read_bool(list));
    MILLRACE_TRY(entry.queued, read_bool(list));
    MILLRACE_TRY(entry.is_backed, read_bool(list));
    MILLRACE_TRY(entry.is_blameless, read_bool(list));
    MILLRACE_TRY(entry.verdict_due, read_bool(list));
    MILLRACE_TRY(entry.offered, read_instant(list));
    MILLRACE_TRY(entry.started, read_instant(list));
    MILLRACE_TRY(entry.committed, read_optional<Instant>(list, read_instant));
    MILLRACE_TRY(entry.received, read_optional<Instant>(list, read_instant));
    MILLRACE_TRY(entry.commitment, read_optional<Hash32>(list, [](RlpReaderView& reader) {
                     return reader.read_fixed<Hash32>();
                 }));
    MILLRACE_TRY(entry.receipt,
                 read_optional<types::Receipt>(
                     list, [&entry](RlpReaderView& reader) -> Result<types::Receipt, RlpError> {
                         MILLRACE_TRY(types::Receipt receipt, read_receipt(reader));
                         MILLRACE_TRY(entry.receipt_signature,
                                      reader.read_fixed<types::Signature>());
                         return receipt;
                     }));
    MILLRACE_TRY(entry.notice, read_notice(list));
    MILLRACE_TRY(entry.paid, read_amount(list));
    MILLRACE_TRY(entry.why, read_note(list));
    MILLRACE_TRY_VOID(list.finish());
    entry.id = entry.lease.id();
    const JobEntry* job = job_of(entry.lease.job);
    const bool needs_receipt = entry.state == LeaseState::received ||
                               entry.state == LeaseState::accepted ||
                               entry.state == LeaseState::contradicted;
    const bool needs_notice = entry.state == LeaseState::received;
    const bool needs_commitment =
        entry.state == LeaseState::committed || entry.state == LeaseState::revealing;
    if (record.key != to_bytes(entry.id.view()) || job == nullptr ||
        entry.index >= job->states.size() || (needs_receipt && !entry.receipt) ||
        (needs_notice && !entry.notice) || (needs_commitment && !entry.commitment))
        return Err{RlpError::bad_value};
    leases_[entry.id] = std::move(entry);
    return {};
}

Requestor::State::Restored Requestor::State::restore_stream(const types::Record& record) {
    if (record.key.size() != 8 + Address::size) return Err{RlpError::bad_value};
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    StreamEntry stream;
    stream.allocation = number_at(record.key, 0);
    stream.payee = *Address::from(ByteView{record.key}.subspan(8));
    MILLRACE_TRY(stream.job, list.read_fixed<Hash32>());
    MILLRACE_TRY(const std::uint64_t index, fields::read_u64_max(list, 0xffff'ffff));
    stream.index = static_cast<std::uint32_t>(index);
    MILLRACE_TRY(stream.cap, read_amount(list));
    MILLRACE_TRY(stream.cumulative, read_amount(list));
    MILLRACE_TRY(stream.tasks, list.read_u64());
    MILLRACE_TRY(stream.acknowledged, read_amount(list));
    MILLRACE_TRY(stream.unacknowledged,
                 fields::read_items<Hash32>(list, 1024, [](RlpReaderView& reader) {
                     return reader.read_fixed<Hash32>();
                 }));
    MILLRACE_TRY(stream.state, read_enum(list, StreamState::released));
    MILLRACE_TRY(stream.close_transaction, list.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(list.finish());
    const auto allocation = allocations_.find(stream.allocation);
    if (stream.cumulative > stream.cap || stream.cap > money_max ||
        stream.acknowledged > stream.cumulative || allocation == allocations_.end() ||
        stream.index >= allocation->second.leaves.size() || !jobs_.contains(stream.job))
        return Err{RlpError::bad_value};
    streams_[{stream.allocation, stream.payee}] = std::move(stream);
    return {};
}

Requestor::State::Restored Requestor::State::restore_allocation(const types::Record& record) {
    if (record.key.size() != 8) return Err{RlpError::bad_value};
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    AllocationEntry allocation;
    allocation.number = number_at(record.key, 0);
    MILLRACE_TRY(allocation.job, list.read_fixed<Hash32>());
    MILLRACE_TRY(
        allocation.leaves,
        fields::read_items<AllocationLeaf>(
            list, leaves_read_max, [](RlpReaderView& reader) -> Result<AllocationLeaf, RlpError> {
                MILLRACE_TRY(RlpReaderView item, reader.read_list());
                AllocationLeaf leaf;
                MILLRACE_TRY(leaf.payee, item.read_fixed<Address>());
                MILLRACE_TRY(leaf.cap, read_amount(item));
                MILLRACE_TRY_VOID(item.finish());
                if (leaf.cap > money_max) return Err{RlpError::bad_value};
                return leaf;
            }));
    MILLRACE_TRY(allocation.expiry, list.read_u64());
    MILLRACE_TRY(allocation.root, list.read_fixed<Hash32>());
    MILLRACE_TRY(allocation.status, read_enum(list, AllocationStatus::failed));
    MILLRACE_TRY(allocation.transaction, list.read_fixed<Hash32>());
    MILLRACE_TRY(allocation.why, read_note(list));
    MILLRACE_TRY(allocation.is_over, read_bool(list));
    MILLRACE_TRY_VOID(list.finish());
    for (const AllocationLeaf& leaf : allocation.leaves)
        allocation.total = plus(allocation.total, leaf.cap);
    allocations_[allocation.number] = std::move(allocation);
    return {};
}

Requestor::State::Restored Requestor::State::restore_provider(const types::Record& record) {
    const auto provider = Address::from(record.key);
    if (!provider) return Err{RlpError::bad_value};
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    PeerEntry& peer = peer_of(*provider);
    MILLRACE_TRY(peer.fuel_per_second, list.read_u64());
    MILLRACE_TRY(peer.accepted, list.read_u64());
    MILLRACE_TRY(peer.contradicted, list.read_u64());
    MILLRACE_TRY(peer.refused, list.read_u64());
    MILLRACE_TRY(peer.lost, list.read_u64());
    MILLRACE_TRY(peer.fuel.value, list.read_u64());
    MILLRACE_TRY(peer.earned, read_amount(list));
    return list.finish();
}

Requestor::State::Restored Requestor::State::restore_evidence(const types::Record& record) {
    RlpReaderView outer{record.value};
    MILLRACE_TRY(RlpReaderView list, open_record(outer));
    const auto id = Hash32::from(record.key);
    if (!id) return Err{RlpError::bad_value};
    EvidenceEntry entry;
    entry.evidence.id = *id;
    MILLRACE_TRY(entry.job, list.read_fixed<Hash32>());
    MILLRACE_TRY(entry.index, list.read_u64());
    MILLRACE_TRY(entry.evidence.wrong, read_signed(list));
    MILLRACE_TRY(entry.evidence.right_first, read_signed(list));
    MILLRACE_TRY(entry.evidence.right_second, read_signed(list));
    MILLRACE_TRY(entry.is_reported, read_bool(list));
    MILLRACE_TRY(entry.transaction, list.read_fixed<Hash32>());
    MILLRACE_TRY(entry.why, read_note(list));
    MILLRACE_TRY_VOID(list.finish());
    evidence_[*id] = std::move(entry);
    return {};
}

}  // namespace millrace::compute
