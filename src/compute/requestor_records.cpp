// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"
#include "types/fields.hpp"

namespace millrace::compute {

using namespace requestor;
using codec::RlpWriter;
namespace fields = types::detail;

namespace {

constexpr std::size_t inputs_chunk_size = 1u << 20;
constexpr std::size_t inputs_chunk_count = 1024;

template <typename Body>
Bytes record_of(Body body) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(record_version);
    body(writer);
    writer.end_list(list);
    return std::move(writer).take();
}

void write_instant(RlpWriter& writer, Instant instant) {
    writer.write(static_cast<std::uint64_t>(instant.ms));  // two's complement
}

template <typename T, typename Write>
void write_optional(RlpWriter& writer, const std::optional<T>& value, Write write) {
    const auto list = writer.begin_list();
    if (value) write(*value);
    writer.end_list(list);
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

void write_notice(RlpWriter& writer, const std::shared_ptr<const types::ReceiptNotice>& notice) {
    const auto list = writer.begin_list();
    if (notice) writer.write(types::encode_message(*notice));
    writer.end_list(list);
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

}  // namespace millrace::compute
