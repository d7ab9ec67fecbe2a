// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"
#include "types/fields.hpp"

namespace millrace::compute {

using namespace requestor;
using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;
namespace fields = types::detail;

namespace {

// The rows (docs/market.md): each value is an RLP list that starts with this version.
constexpr std::uint64_t record_version = 1;
constexpr std::size_t text_size_max = 4096;
constexpr std::size_t inputs_chunk_size = 1u << 20;
constexpr std::size_t inputs_chunk_count = 1024;
constexpr std::size_t leaves_read_max = 4096;
constexpr std::size_t sources_max = 4096;

template <typename Body>
Bytes record_of(Body body) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(record_version);
    body(writer);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<RlpReaderView, RlpError> open_record(RlpReaderView& outer) {
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != record_version) return Err{RlpError::bad_value};
    return list;
}

void write_instant(RlpWriter& writer, Instant instant) {
    writer.write(static_cast<std::uint64_t>(instant.ms));  // two's complement
}
Result<Instant, RlpError> read_instant(RlpReaderView& reader) {
    MILLRACE_TRY(const std::uint64_t ms, reader.read_u64());
    return Instant{static_cast<std::int64_t>(ms)};
}

template <typename T, typename Write>
void write_optional(RlpWriter& writer, const std::optional<T>& value, Write write) {
    const auto list = writer.begin_list();
    if (value) write(*value);
    writer.end_list(list);
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
template <typename Enum>
void write_enum(RlpWriter& writer, Enum value) {
    writer.write(static_cast<std::uint64_t>(value));
}
void write_bool(RlpWriter& writer, bool value) {
    writer.write(std::uint64_t{value ? 1u : 0u});
}

void write_receipt(RlpWriter& writer, const types::Receipt& receipt) {
    writer.write(receipt.lease);
    writer.write(receipt.task);
    writer.write(receipt.result_id);
    writer.write(receipt.fuel.value);
}
Result<types::Receipt, RlpError> read_receipt(RlpReaderView& reader) {
    types::Receipt receipt;
    MILLRACE_TRY(receipt.lease, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.task, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.result_id, reader.read_fixed<Hash32>());
    MILLRACE_TRY(receipt.fuel.value, reader.read_u64());
    return receipt;
}

void write_notice(RlpWriter& writer, const std::shared_ptr<const types::ReceiptNotice>& notice) {
    const auto list = writer.begin_list();
    if (notice) writer.write(types::encode_message(*notice));
    writer.end_list(list);
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

void write_signed(RlpWriter& writer, const SignedReceipt& receipt) {
    const auto list = writer.begin_list();
    receipt.lease.encode_to(writer);
    writer.write(receipt.lease_signature);
    write_receipt(writer, receipt.receipt);
    writer.write(receipt.receipt_signature);
    writer.write(receipt.signer);
    writer.end_list(list);
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

namespace requestor {

Bytes key_of(ByteView first, std::uint64_t second) {
    Bytes key = to_bytes(first);
    for (int shift = 56; shift >= 0; shift -= 8)
        key.push_back(static_cast<std::uint8_t>(second >> shift));
    return key;
}

Bytes key_of(std::uint64_t first, ByteView second) {
    Bytes key = key_of(ByteView{}, first);
    key.insert(key.end(), second.begin(), second.end());
    return key;
}

}  // namespace requestor

// ---- out ---------------------------------------------------------------------------------------

void Requestor::State::put(Effects& out, std::string table, Bytes key, Bytes value) {
    MILLRACE_ASSERT(value.size() <= types::record_value_size_max);
    out.push_back(Persist{{std::move(table), std::move(key), std::move(value)}});
}

void Requestor::State::flush_records(Effects& out) {
    for (const Hash32& id : dirty_.new_jobs) {
        JobEntry* job = job_of(id);
        if (job == nullptr) continue;
        const std::size_t total = job->plan.inputs.size();
        for (std::size_t first = 0; first < total;) {
            std::size_t count = std::min(inputs_chunk_count, total - first);
            Bytes chunk = job->plan.encode_inputs(first, count);
            while (chunk.size() > inputs_chunk_size && count > 1) {
                count = (count + 1) / 2;
                chunk = job->plan.encode_inputs(first, count);
            }
            put(out, "inputs", key_of(id.view(), first),
                record_of([&](RlpWriter& writer) { writer.write_raw(chunk); }));
            job->input_keys.push_back(first);
            first += count;
        }
    }
    for (const Hash32& id : dirty_.jobs) {
        if (const JobEntry* job = job_of(id)) put(out, "jobs", to_bytes(id.view()), encode(*job));
    }
    for (const auto& [id, index] : dirty_.tasks) {
        const JobEntry* job = job_of(id);
        if (job != nullptr && job->tasks.contains(index))
            put(out, "tasks", key_of(id.view(), index), encode(*job, index));
    }
    for (const Hash32& id : dirty_.leases) {
        if (const LeaseEntry* entry = lease_of(id))
            put(out, "leases", to_bytes(id.view()), encode(*entry));
    }
    for (const std::uint64_t number : dirty_.allocations) {
        if (const auto found = allocations_.find(number); found != allocations_.end())
            put(out, "allocations", key_of(number, {}), encode(found->second));
    }
    for (const StreamKey& key : dirty_.streams) {
        if (const auto found = streams_.find(key); found != streams_.end())
            put(out, "streams", key_of(key.first, key.second.view()), encode(found->second));
    }
    for (const Address& provider : dirty_.peers) {
        if (const auto found = peers_.find(provider); found != peers_.end())
            put(out, "providers", to_bytes(provider.view()), encode(found->second));
    }
    for (const Hash32& id : dirty_.evidence) {
        if (const auto found = evidence_.find(id); found != evidence_.end())
            put(out, "evidence", to_bytes(id.view()), encode(found->second));
    }
    dirty_ = {};
}

Bytes Requestor::State::encode(const JobEntry& job) const {
    return record_of([&job](RlpWriter& writer) {
        writer.write(job.sequence);
        write_instant(writer, job.submitted);
        write_optional(writer, job.finished, [&](Instant at) { write_instant(writer, at); });
        write_enum(writer, job.state);
        write_bool(writer, job.is_ended);
        write_optional(writer, job.failure, [&](const Failure& failure) {
            writer.write_text(failure.what);
            writer.write_text(failure.where);
            writer.write_text(failure.remedy);
        });
        job.plan.encode_head_to(writer);
    });
}

Bytes Requestor::State::encode(const JobEntry& job, std::uint64_t index) const {
    const TaskEntry& task = job.tasks.at(index);
    return record_of([&](RlpWriter& writer) {
        write_enum(writer, job.states[index]);
        write_optional(writer, task.result, [&](const Hash32& hash) { writer.write(hash); });
        write_notice(writer, task.accepted);
        const auto sources = writer.begin_list();
        for (const OutputSource& source : task.sources) {
            const auto item = writer.begin_list();
            writer.write(source.provider);
            fields::write_sealed(writer, source.standard_error);
            writer.end_list(item);
        }
        writer.end_list(sources);
        writer.write_text(std::string_view{task.why}.substr(0, text_size_max));
    });
}

Bytes Requestor::State::encode(const LeaseEntry& entry) const {
    return record_of([&entry](RlpWriter& writer) {
        const auto instant = [&writer](Instant at) { write_instant(writer, at); };
        entry.lease.encode_to(writer);
        writer.write(entry.signature);
        writer.write(entry.index);
        writer.write(entry.signer);
        writer.write(entry.allocation);
        write_enum(writer, entry.state);
        write_bool(writer, entry.speculative);
        write_bool(writer, entry.queued);
        write_bool(writer, entry.is_backed);
        write_bool(writer, entry.is_blameless);
        write_bool(writer, entry.verdict_due);
        write_instant(writer, entry.offered);
        write_instant(writer, entry.started);
        write_optional(writer, entry.committed, instant);
        write_optional(writer, entry.received, instant);
        write_optional(writer, entry.commitment, [&](const Hash32& hash) { writer.write(hash); });
        write_optional(writer, entry.receipt, [&](const types::Receipt& receipt) {
            write_receipt(writer, receipt);
            writer.write(entry.receipt_signature);
        });
        write_notice(writer, entry.notice);
        writer.write(entry.paid.wei);
        writer.write_text(std::string_view{entry.why}.substr(0, text_size_max));
    });
}

Bytes Requestor::State::encode(const StreamEntry& stream) const {
    return record_of([&stream](RlpWriter& writer) {
        writer.write(stream.job);
        writer.write(std::uint64_t{stream.index});
        writer.write(stream.cap.wei);
        writer.write(stream.cumulative.wei);
        writer.write(stream.tasks);
        writer.write(stream.acknowledged.wei);
        const auto leases = writer.begin_list();
        for (const Hash32& id : stream.unacknowledged)
            writer.write(id);
        writer.end_list(leases);
        write_enum(writer, stream.state);
        writer.write(stream.close_transaction);
    });
}

Bytes Requestor::State::encode(const AllocationEntry& allocation) const {
    return record_of([&allocation](RlpWriter& writer) {
        writer.write(allocation.job);
        const auto leaves = writer.begin_list();
        for (const AllocationLeaf& leaf : allocation.leaves) {
            const auto item = writer.begin_list();
            writer.write(leaf.payee);
            writer.write(leaf.cap.wei);
            writer.end_list(item);
        }
        writer.end_list(leaves);
        writer.write(allocation.expiry);
        writer.write(allocation.root);
        write_enum(writer, allocation.status);
        writer.write(allocation.transaction);
        writer.write_text(allocation.why);
        write_bool(writer, allocation.is_over);
    });
}

Bytes Requestor::State::encode(const PeerEntry& peer) const {
    return record_of([&peer](RlpWriter& writer) {
        writer.write(peer.fuel_per_second);
        writer.write(peer.accepted);
        writer.write(peer.contradicted);
        writer.write(peer.refused);
        writer.write(peer.lost);
        writer.write(peer.fuel.value);
        writer.write(peer.earned.wei);
    });
}

Bytes Requestor::State::encode(const EvidenceEntry& entry) const {
    return record_of([&entry](RlpWriter& writer) {
        writer.write(entry.job);
        writer.write(entry.index);
        write_signed(writer, entry.evidence.wrong);
        write_signed(writer, entry.evidence.right_first);
        write_signed(writer, entry.evidence.right_second);
        write_bool(writer, entry.is_reported);
        writer.write(entry.transaction);
        writer.write_text(entry.why);
    });
}

// ---- in ----------------------------------------------------------------------------------------

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
