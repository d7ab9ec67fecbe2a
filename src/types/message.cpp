// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/message.hpp"

#include <array>
#include <utility>

#include "types/fields.hpp"

// One pair of functions per message: write() appends its fields, read() takes them back in the same
// order. docs/formats/wire.md lists them.

namespace millrace::types {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

namespace {

using Done = Result<void, RlpError>;

template <typename Fixed>
detail::Read<Fixed> read_one(RlpReaderView& reader) {
    return reader.read_fixed<Fixed>();
}

detail::Read<bool> read_absent(RlpReaderView& reader) {
    RlpReaderView probe = reader;
    if (!probe.next_is_list()) return Err{RlpError::wrong_kind};
    MILLRACE_TRY(const RlpReaderView list, probe.read_list());
    if (!list.at_end()) return false;
    reader = probe;
    return true;
}

/// Absent is the empty list.
void write_proof(RlpWriter& writer, const std::optional<AllocationProof>& proof) {
    if (proof) {
        proof->encode_to(writer);
    } else {
        writer.end_list(writer.begin_list());
    }
}

Done read_proof(RlpReaderView& reader, std::optional<AllocationProof>& proof) {
    MILLRACE_TRY(const bool absent, read_absent(reader));
    if (absent) return {};
    MILLRACE_TRY(proof, AllocationProof::decode_from(reader));
    return {};
}

template <typename Fixed>
void write_list(RlpWriter& writer, const std::vector<Fixed>& items) {
    const auto list = writer.begin_list();
    for (const Fixed& item : items)
        writer.write(item);
    writer.end_list(list);
}

Done read_offset(RlpReaderView& reader, std::uint64_t& offset) {
    MILLRACE_TRY(offset, detail::read_u64_max(reader, blob_size_max));
    if (offset % crypto::blob_leaf_size != 0) return Err{RlpError::bad_value};
    return {};
}

void write(RlpWriter& writer, const Hello& hello) {
    writer.write(hello.genesis);
    writer.write(hello.chain_id);
    writer.write(hello.account);
    writer.write_text(hello.agent);
}
Done read(RlpReaderView& reader, Hello& hello) {
    MILLRACE_TRY(hello.genesis, reader.read_fixed<Hash32>());
    MILLRACE_TRY(hello.chain_id, reader.read_u256());
    MILLRACE_TRY(hello.account, reader.read_fixed<Address>());
    MILLRACE_TRY(hello.agent, detail::read_utf8(reader, agent_size_max));
    return {};
}

void write(RlpWriter& writer, const LeaseOffer& offer) {
    offer.lease.encode_to(writer);
    writer.write(offer.signature);
    writer.write_raw(offer.task.encode());
    writer.write(offer.job_key);
    write_proof(writer, offer.allocation);
}
Done read(RlpReaderView& reader, LeaseOffer& offer) {
    MILLRACE_TRY(offer.lease, Lease::decode_from(reader));
    MILLRACE_TRY(offer.signature, reader.read_fixed<Signature>());
    MILLRACE_TRY(const ByteView task, reader.read_raw());
    MILLRACE_TRY(offer.task, TaskSpec::decode(task));
    MILLRACE_TRY(offer.job_key, reader.read_fixed<crypto::JobKey>());
    return read_proof(reader, offer.allocation);
}

void write(RlpWriter& writer, const LeaseAnswer& answer) {
    writer.write(answer.lease);
    writer.write(answer.refusal ? static_cast<std::uint64_t>(*answer.refusal) : std::uint64_t{0});
    writer.write_text(answer.text);
}
Done read(RlpReaderView& reader, LeaseAnswer& answer) {
    MILLRACE_TRY(answer.lease, reader.read_fixed<Hash32>());
    constexpr auto refusal_last = static_cast<std::uint64_t>(LeaseRefusal::blobs_missing);
    MILLRACE_TRY(const std::uint64_t refusal, detail::read_u64_max(reader, refusal_last));
    if (refusal != 0) answer.refusal = static_cast<LeaseRefusal>(refusal);
    MILLRACE_TRY(answer.text, detail::read_utf8(reader, text_size_max));
    return {};
}

void write(RlpWriter& writer, const Progress& progress) {
    writer.write(progress.lease);
    writer.write(progress.fuel.value);
}
Done read(RlpReaderView& reader, Progress& progress) {
    MILLRACE_TRY(progress.lease, reader.read_fixed<Hash32>());
    MILLRACE_TRY(progress.fuel.value, detail::read_u64_max(reader, fuel_per_task_max));
    return {};
}

void write_commitment(RlpWriter& writer, const Commitment& commitment) {
    const auto list = writer.begin_list();
    writer.write(commitment.lease);
    writer.write(commitment.commitment);
    writer.end_list(list);
}
detail::Read<Commitment> read_commitment(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    Commitment commitment;
    MILLRACE_TRY(commitment.lease, list.read_fixed<Hash32>());
    MILLRACE_TRY(commitment.commitment, list.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(list.finish());
    return commitment;
}

void write(RlpWriter& writer, const CommitmentNotice& notice) {
    write_commitment(writer, notice.commitment);
    writer.write(notice.signature);
}
Done read(RlpReaderView& reader, CommitmentNotice& notice) {
    MILLRACE_TRY(notice.commitment, read_commitment(reader));
    MILLRACE_TRY(notice.signature, reader.read_fixed<Signature>());
    return {};
}

void write(RlpWriter& writer, const RevealRequest& request) {
    writer.write(request.lease);
    const auto list = writer.begin_list();
    for (const Commitment& commitment : request.commitments)
        write_commitment(writer, commitment);
    writer.end_list(list);
}
Done read(RlpReaderView& reader, RevealRequest& request) {
    MILLRACE_TRY(request.lease, reader.read_fixed<Hash32>());
    MILLRACE_TRY(request.commitments,
                 detail::read_items<Commitment>(reader, replicas_per_round_max, read_commitment));
    return {};
}

detail::Read<std::string> read_path(RlpReaderView& reader) {
    MILLRACE_TRY(std::string path, reader.read_text(path_size_max));
    if (!is_valid_path(path)) return Err{RlpError::bad_value};
    return path;
}

void write(RlpWriter& writer, const ReceiptNotice& notice) {
    writer.write(notice.receipt.lease);
    writer.write(notice.receipt.task);
    writer.write(notice.receipt.result_id);
    writer.write(notice.receipt.fuel.value);
    writer.write(notice.signature);
    writer.write(notice.salt);
    notice.summary.encode_to(writer);
    detail::write_files(writer, notice.files);
    const auto list = writer.begin_list();
    for (const std::string& path : notice.deleted)
        writer.write_text(path);
    writer.end_list(list);
    detail::write_sealed(writer, notice.standard_output);
    detail::write_sealed(writer, notice.standard_error);
}
Done read(RlpReaderView& reader, ReceiptNotice& notice) {
    MILLRACE_TRY(notice.receipt.lease, reader.read_fixed<Hash32>());
    MILLRACE_TRY(notice.receipt.task, reader.read_fixed<Hash32>());
    MILLRACE_TRY(notice.receipt.result_id, reader.read_fixed<Hash32>());
    MILLRACE_TRY(notice.receipt.fuel.value, detail::read_u64_max(reader, fuel_per_task_max));
    MILLRACE_TRY(notice.signature, reader.read_fixed<Signature>());
    MILLRACE_TRY(notice.salt, reader.read_fixed<Hash32>());
    MILLRACE_TRY(notice.summary, ResultSummary::decode_from(reader));
    MILLRACE_TRY(notice.files, detail::read_files(reader));
    MILLRACE_TRY(notice.deleted,
                 detail::read_items<std::string>(reader, files_per_task_max, read_path));
    for (std::size_t at = 1; at < notice.deleted.size(); ++at) {
        if (notice.deleted[at - 1] >= notice.deleted[at]) return Err{RlpError::bad_value};
    }
    MILLRACE_TRY(notice.standard_output, detail::read_sealed(reader));
    MILLRACE_TRY(notice.standard_error, detail::read_sealed(reader));
    return {};
}

void write(RlpWriter& writer, const BlobRequest& request) {
    detail::write_blob(writer, request.sealed);
    writer.write(request.offset);
    writer.write(std::uint64_t{request.size});
}
Done read(RlpReaderView& reader, BlobRequest& request) {
    MILLRACE_TRY(request.sealed, detail::read_blob(reader));
    MILLRACE_TRY_VOID(read_offset(reader, request.offset));
    MILLRACE_TRY(const std::uint64_t size, detail::read_u64_max(reader, blob_chunk_max));
    request.size = static_cast<std::uint32_t>(size);
    if (size == 0 || request.offset >= request.sealed.size) return Err{RlpError::bad_value};
    const std::uint64_t rest = request.sealed.size - request.offset;
    if (size > rest) return Err{RlpError::bad_value};
    if (size != rest && size % crypto::blob_leaf_size != 0) return Err{RlpError::bad_value};
    return {};
}

void write(RlpWriter& writer, const BlobData& data) {
    writer.write(data.sealed_root);
    writer.write(data.offset);
    writer.write(data.content);
    write_list(writer, data.proof);
}
Done read(RlpReaderView& reader, BlobData& data) {
    MILLRACE_TRY(data.sealed_root, reader.read_fixed<Hash32>());
    MILLRACE_TRY_VOID(read_offset(reader, data.offset));
    MILLRACE_TRY(data.content, reader.read_bytes(blob_chunk_max));
    MILLRACE_TRY(data.proof, detail::read_items<Hash32>(reader, proof_steps_max, read_one<Hash32>));
    return {};
}

void write(RlpWriter& writer, const Verdict& verdict) {
    writer.write(verdict.lease);
    writer.write(static_cast<std::uint64_t>(verdict.kind));
    writer.write(verdict.accepted_result);
}
Done read(RlpReaderView& reader, Verdict& verdict) {
    MILLRACE_TRY(verdict.lease, reader.read_fixed<Hash32>());
    constexpr auto kind_last = static_cast<std::uint64_t>(VerdictKind::late);
    MILLRACE_TRY(const std::uint64_t kind, detail::read_u64_max(reader, kind_last));
    if (kind == 0) return Err{RlpError::bad_value};
    verdict.kind = static_cast<VerdictKind>(kind);
    MILLRACE_TRY(verdict.accepted_result, reader.read_fixed<Hash32>());
    return {};
}

void write(RlpWriter& writer, const VoucherNotice& notice) {
    notice.voucher.encode_to(writer);
    writer.write(notice.signature);
    write_list(writer, notice.leases);
    write_proof(writer, notice.allocation);
}
Done read(RlpReaderView& reader, VoucherNotice& notice) {
    MILLRACE_TRY(notice.voucher, Voucher::decode_from(reader));
    MILLRACE_TRY(notice.signature, reader.read_fixed<Signature>());
    MILLRACE_TRY(notice.leases,
                 detail::read_items<Hash32>(reader, leases_per_voucher_max, read_one<Hash32>));
    return read_proof(reader, notice.allocation);
}

void write(RlpWriter& writer, const VoucherAck& ack) {
    writer.write(ack.allocation);
    writer.write(ack.cumulative.wei);
}
Done read(RlpReaderView& reader, VoucherAck& ack) {
    MILLRACE_TRY(ack.allocation, reader.read_u64());
    MILLRACE_TRY(ack.cumulative.wei, reader.read_u256());
    return {};
}

void write(RlpWriter& writer, const CloseStream& close) {
    writer.write(close.allocation);
}
Done read(RlpReaderView& reader, CloseStream& close) {
    MILLRACE_TRY(close.allocation, reader.read_u64());
    return {};
}

void write(RlpWriter& writer, const StreamClosed& closed) {
    writer.write(closed.allocation);
    writer.write(closed.transaction);
    writer.write_text(closed.problem);
}
Done read(RlpReaderView& reader, StreamClosed& closed) {
    MILLRACE_TRY(closed.allocation, reader.read_u64());
    MILLRACE_TRY(closed.transaction, reader.read_fixed<Hash32>());
    MILLRACE_TRY(closed.problem, detail::read_utf8(reader, text_size_max));
    return {};
}

void write(RlpWriter&, const NetworkRequest&) {}
Done read(RlpReaderView&, NetworkRequest&) {
    return {};
}

void write(RlpWriter& writer, const NetworkAnswer& answer) {
    writer.write_text(answer.network_toml);
}
Done read(RlpReaderView& reader, NetworkAnswer& answer) {
    MILLRACE_TRY(answer.network_toml, detail::read_utf8(reader, network_toml_size_max));
    return {};
}

void write(RlpWriter& writer, const FaucetRequest& request) {
    writer.write(request.account);
}
Done read(RlpReaderView& reader, FaucetRequest& request) {
    MILLRACE_TRY(request.account, reader.read_fixed<Address>());
    return {};
}

void write(RlpWriter& writer, const FaucetAnswer& answer) {
    writer.write(answer.transaction);
    writer.write_text(answer.problem);
}
Done read(RlpReaderView& reader, FaucetAnswer& answer) {
    MILLRACE_TRY(answer.transaction, reader.read_fixed<Hash32>());
    MILLRACE_TRY(answer.problem, detail::read_utf8(reader, text_size_max));
    return {};
}

template <typename T>
Result<Message, RlpError> decode_as(ByteView payload) {
    RlpReaderView outer{payload};
    MILLRACE_TRY(RlpReaderView fields, outer.read_list());
    MILLRACE_TRY_VOID(outer.finish());
    T message;
    MILLRACE_TRY_VOID(read(fields, message));
    MILLRACE_TRY_VOID(fields.finish());
    return Message{std::move(message)};
}

using Decoder = Result<Message, RlpError> (*)(ByteView);

template <std::size_t... Index>
constexpr auto make_decoders(std::index_sequence<Index...>) {
    return std::array<Decoder, sizeof...(Index)>{
        &decode_as<std::variant_alternative_t<Index, Message>>...};
}

constexpr std::size_t message_count = std::variant_size_v<Message>;
constexpr auto decoders = make_decoders(std::make_index_sequence<message_count>{});

constexpr std::array<std::string_view, message_count> names{
    "Hello",         "LeaseOffer",    "LeaseAnswer", "Progress",     "CommitmentNotice",
    "RevealRequest", "ReceiptNotice", "BlobRequest", "BlobData",     "Verdict",
    "VoucherNotice", "VoucherAck",    "CloseStream", "StreamClosed", "NetworkRequest",
    "NetworkAnswer", "FaucetRequest", "FaucetAnswer"};
static_assert(!names.back().empty(), "a name for every message");

}  // namespace

std::uint16_t message_type(const Message& message) noexcept {
    return static_cast<std::uint16_t>(message.index() + 1);
}

std::string_view message_name(const Message& message) noexcept {
    return names[message.index()];
}

Bytes encode_message(const Message& message) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    std::visit([&writer](const auto& fields) { write(writer, fields); }, message);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<Message, RlpError> decode_message(std::uint16_t type, ByteView payload) {
    if (type == 0 || type > message_count) return Err{RlpError::bad_value};
    return decoders[type - 1](payload);
}

}  // namespace millrace::types
