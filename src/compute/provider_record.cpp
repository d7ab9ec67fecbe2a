// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/provider_record.hpp"

#include "types/fields.hpp"

namespace millrace::compute::provider {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;
namespace fields = types::detail;

namespace {

/// A record's value: [version, ...what `write` appends].
template <typename Write>
Bytes value_of(Write write) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(record_version);
    write(writer);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<RlpReaderView, RlpError> open_value(ByteView value) {
    RlpReaderView outer{value};
    MILLRACE_TRY(RlpReaderView list, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != record_version) return Err{RlpError::bad_value};
    return list;
}

std::uint64_t from_instant(Instant instant) {
    return static_cast<std::uint64_t>(instant.ms);
}
Instant to_instant(std::uint64_t ms) {
    return Instant{static_cast<std::int64_t>(ms)};
}

Result<std::string, RlpError> read_path(RlpReaderView& reader) {
    return reader.read_text(types::path_size_max);
}

}  // namespace

Bytes stream_key(const Address& payer, std::uint64_t allocation) {
    Bytes key = to_bytes(payer.view());
    for (int shift = 56; shift >= 0; shift -= 8)
        key.push_back(static_cast<std::uint8_t>(allocation >> shift));
    return key;
}

Record lease_record(const Hash32& id, const LeaseEntry& entry) {
    return {"leases", to_bytes(id.view()), value_of([&](RlpWriter& writer) {
                entry.terms.encode_to(writer);
                writer.write(entry.signature);
                writer.write_raw(entry.task.encode());
                writer.write(entry.key);
                writer.write(from_instant(entry.accepted_at));
            })};
}

Result<LeaseEntry, RlpError> decode_lease(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    LeaseEntry entry;
    MILLRACE_TRY(entry.terms, types::Lease::decode_from(list));
    MILLRACE_TRY(entry.signature, list.read_fixed<types::Signature>());
    MILLRACE_TRY(const ByteView task, list.read_raw());
    MILLRACE_TRY(entry.task, types::TaskSpec::decode(task));
    MILLRACE_TRY(entry.key, list.read_fixed<crypto::JobKey>());
    MILLRACE_TRY(const std::uint64_t accepted_at, list.read_u64());
    entry.accepted_at = to_instant(accepted_at);
    MILLRACE_TRY_VOID(list.finish());
    return entry;
}

Record lease_state_record(const Hash32& id, LeaseState state) {
    return {"lease_states", to_bytes(id.view()),
            value_of([&](RlpWriter& writer) { writer.write(static_cast<std::uint64_t>(state)); })};
}

Result<LeaseState, RlpError> decode_lease_state(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    MILLRACE_TRY(const std::uint64_t state, list.read_u64());
    MILLRACE_TRY_VOID(list.finish());
    if (state < static_cast<std::uint64_t>(LeaseState::revealed) ||
        state > static_cast<std::uint64_t>(LeaseState::settled)) {
        return Err{RlpError::bad_value};
    }
    return static_cast<LeaseState>(state);
}

Record result_record(const Hash32& id, const TaskResult& result) {
    return {"results", to_bytes(id.view()), value_of([&](RlpWriter& writer) {
                result.summary.encode_to(writer);
                fields::write_files(writer, result.files);
                const auto deleted = writer.begin_list();
                for (const std::string& path : result.deleted)
                    writer.write_text(path);
                writer.end_list(deleted);
                fields::write_sealed(writer, result.standard_output);
                fields::write_sealed(writer, result.standard_error);
            })};
}

Result<TaskResult, RlpError> decode_result(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    TaskResult result;
    MILLRACE_TRY(result.summary, types::ResultSummary::decode_from(list));
    MILLRACE_TRY(result.files, fields::read_files(list));
    MILLRACE_TRY(result.deleted,
                 fields::read_items<std::string>(list, types::files_per_task_max, read_path));
    MILLRACE_TRY(result.standard_output, fields::read_sealed(list));
    MILLRACE_TRY(result.standard_error, fields::read_sealed(list));
    MILLRACE_TRY_VOID(list.finish());
    return result;
}

Record ended_record(const Hash32& id, const Ended& ended) {
    return {"ended", to_bytes(id.view()),
            value_of([&](RlpWriter& writer) { writer.write(ended.deadline); })};
}

Result<Ended, RlpError> decode_ended(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    Ended ended;
    MILLRACE_TRY(ended.deadline, list.read_u64());
    MILLRACE_TRY_VOID(list.finish());
    return ended;
}

Record payer_record(const Address& account, const Payer& payer) {
    return {"payers", to_bytes(account.view()), value_of([&](RlpWriter& writer) {
                writer.write(payer.tasks_paid);
                writer.write(payer.earned.wei);
                writer.write(payer.settled.wei);
                writer.write(payer.contradictions);
                writer.write(payer.unpaid);
                writer.write(from_instant(payer.pause_until));
                writer.write(payer.node_key);
            })};
}

Result<Payer, RlpError> decode_payer(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    Payer payer;
    MILLRACE_TRY(payer.tasks_paid, list.read_u64());
    MILLRACE_TRY(payer.earned.wei, list.read_u256());
    MILLRACE_TRY(payer.settled.wei, list.read_u256());
    MILLRACE_TRY(payer.contradictions, list.read_u64());
    MILLRACE_TRY(payer.unpaid, list.read_u64());
    MILLRACE_TRY(const std::uint64_t pause_until, list.read_u64());
    payer.pause_until = to_instant(pause_until);
    MILLRACE_TRY(payer.node_key, list.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(list.finish());
    return payer;
}

Record stream_record(const Stream& stream) {
    return {"streams", stream_key(stream.voucher.payer, stream.voucher.allocation),
            value_of([&](RlpWriter& writer) {
                stream.voucher.encode_to(writer);
                writer.write(stream.signature);
                const auto proofs = writer.begin_list();
                if (stream.proof) stream.proof->encode_to(writer);
                writer.end_list(proofs);
                writer.write(static_cast<std::uint64_t>(stream.state));
                writer.write(stream.expiry);
                writer.write(stream.settled.wei);
                writer.write(stream.unassigned.wei);
                writer.write(std::uint64_t{stream.close_wanted});
                writer.write(std::uint64_t{stream.closed});
                writer.write(stream.close_transaction);
            })};
}

Result<Stream, RlpError> decode_stream(ByteView value) {
    MILLRACE_TRY(RlpReaderView list, open_value(value));
    Stream stream;
    MILLRACE_TRY(stream.voucher, types::Voucher::decode_from(list));
    MILLRACE_TRY(stream.signature, list.read_fixed<types::Signature>());
    MILLRACE_TRY(RlpReaderView proofs, list.read_list());
    if (!proofs.at_end()) {
        MILLRACE_TRY(stream.proof, types::AllocationProof::decode_from(proofs));
        MILLRACE_TRY_VOID(proofs.finish());
    }
    constexpr auto state_last = static_cast<std::uint64_t>(AllocationState::closed);
    MILLRACE_TRY(const std::uint64_t state, fields::read_u64_max(list, state_last));
    if (state == 0) return Err{RlpError::bad_value};
    stream.state = static_cast<AllocationState>(state);
    MILLRACE_TRY(stream.expiry, list.read_u64());
    MILLRACE_TRY(stream.settled.wei, list.read_u256());
    MILLRACE_TRY(stream.unassigned.wei, list.read_u256());
    MILLRACE_TRY(const std::uint64_t close_wanted, fields::read_u64_max(list, 1));
    MILLRACE_TRY(const std::uint64_t closed, fields::read_u64_max(list, 1));
    stream.close_wanted = close_wanted != 0;
    stream.closed = closed != 0;
    MILLRACE_TRY(stream.close_transaction, list.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(list.finish());
    return stream;
}

}  // namespace millrace::compute::provider
