// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/cipher.hpp"
#include "types/settlement.hpp"
#include "types/task.hpp"

namespace millrace::types {

/// The conversation between a requestor and a provider, over one mutually authenticated TLS 1.3
/// connection that the requestor opens. Frame = u32 LE length of what follows, u16 LE type, u16 LE
/// version (1), then canonical RLP. A receiver closes the connection on a frame it cannot decode.
///
///   requestor                      provider
///   Hello ───────────────────────► Hello
///   LeaseOffer ──────────────────► LeaseAnswer
///        ◄──────────────── BlobRequest (module and inputs; BlobData back)
///        ◄──────────────── Progress…, CommitmentNotice
///   RevealRequest ───────────────► ReceiptNotice         (only once every replica committed)
///   BlobRequest ─────────────────► BlobData              (outputs, after agreement)
///   Verdict, VoucherNotice ──────► VoucherAck
///   CloseStream ─────────────────► StreamClosed          (provider settles; remainder returns)
inline constexpr std::uint32_t frame_size_max = 1u << 20;
inline constexpr std::uint32_t blob_chunk_max = 512 * 1024;  ///< bytes of one BlobData
inline constexpr std::uint16_t wire_version = 1;
inline constexpr std::size_t agent_size_max = 64;
inline constexpr std::size_t text_size_max = 1024;  ///< reasons and problems, UTF-8
inline constexpr std::size_t replicas_per_round_max = 64;
inline constexpr std::size_t leases_per_voucher_max = 1024;
inline constexpr std::size_t proof_steps_max = 32;
inline constexpr std::size_t network_toml_size_max = 16 * 1024;

struct Hello {
    Hash32 genesis;
    U256 chain_id;
    Address account;    ///< requestor's account, or the provider's registered owner
    std::string agent;  ///< "millrace/0.1.0", at most 64 bytes
    bool operator==(const Hello&) const = default;
};

struct LeaseOffer {
    Lease lease;
    Signature signature;  ///< by lease.requestor
    TaskSpec task;
    crypto::JobKey job_key;
    std::optional<AllocationProof> allocation;  ///< absent: the provider would work on trust
    bool operator==(const LeaseOffer&) const = default;
};

enum class LeaseRefusal : std::uint8_t {
    busy = 1,  ///< all slots taken
    price_too_low = 2,
    not_my_network = 3,
    bad_signature = 4,
    bad_task = 5,          ///< malformed, or over what this provider takes
    credit_exhausted = 6,  ///< too much unpaid work already
    stopping = 7,
    failed = 8,          ///< it tried and could not (own fault: worker died, disk full, time-out)
    module_refused = 9,  ///< the module is not valid under the profile; text says why
    blobs_missing = 10,  ///< the requestor did not deliver module or inputs
};

struct LeaseAnswer {  ///< may come later too, with a refusal, when a lease fails
    Hash32 lease;
    std::optional<LeaseRefusal> refusal;  ///< absent: accepted
    std::string text;                     ///< at most 1,024 bytes
    bool operator==(const LeaseAnswer&) const = default;
};

struct Progress {
    Hash32 lease;
    Fuel fuel;
    bool operator==(const Progress&) const = default;
};

struct CommitmentNotice {
    Commitment commitment;
    Signature signature;  ///< by the provider's signer
    bool operator==(const CommitmentNotice&) const = default;
};

struct RevealRequest {
    Hash32 lease;
    std::vector<Commitment> commitments;  ///< of every replica of this round, at most 64
    bool operator==(const RevealRequest&) const = default;
};

struct ReceiptNotice {
    Receipt receipt;
    Signature signature;  ///< by the provider's signer
    Hash32 salt;
    ResultSummary summary;         ///< hashes to receipt.result_id
    std::vector<FileEntry> files;  ///< changed files, sealed with the job key
    std::vector<std::string> deleted;
    SealedBlob standard_output;
    SealedBlob standard_error;
    bool operator==(const ReceiptNotice&) const = default;
};

struct BlobRequest {
    crypto::BlobId sealed;
    std::uint64_t offset = 0;  ///< multiple of blob_leaf_size
    std::uint32_t size = 0;    ///< at most blob_chunk_max; leaf-aligned or to the end
    bool operator==(const BlobRequest&) const = default;
};

struct BlobData {
    Hash32 sealed_root;
    std::uint64_t offset = 0;
    Bytes content;              ///< empty: "I do not have it"
    std::vector<Hash32> proof;  ///< crypto::verify_blob_chunk
    bool operator==(const BlobData&) const = default;
};

enum class VerdictKind : std::uint8_t { accepted = 1, contradicted = 2, cancelled = 3, late = 4 };

struct Verdict {
    Hash32 lease;
    VerdictKind kind = VerdictKind::accepted;
    Hash32 accepted_result;
    bool operator==(const Verdict&) const = default;
};

struct VoucherNotice {
    Voucher voucher;
    Signature signature;                        ///< by voucher.payer
    std::vector<Hash32> leases;                 ///< newly paid by this voucher, at most 1,024
    std::optional<AllocationProof> allocation;  ///< when the provider may not have it yet
    bool operator==(const VoucherNotice&) const = default;
};

struct VoucherAck {
    std::uint64_t allocation = 0;
    Amount cumulative;  ///< stored durably up to here
    bool operator==(const VoucherAck&) const = default;
};

struct CloseStream {
    std::uint64_t allocation = 0;
    bool operator==(const CloseStream&) const = default;
};

struct StreamClosed {
    std::uint64_t allocation = 0;
    Hash32 transaction;   ///< of the settlement; zero if there was nothing to settle
    std::string problem;  ///< empty on success
    bool operator==(const StreamClosed&) const = default;
};

/// Asked of any agent: how to join this network.
struct NetworkRequest {
    bool operator==(const NetworkRequest&) const = default;
};
struct NetworkAnswer {
    std::string network_toml;  ///< at most 16 KiB
    bool operator==(const NetworkAnswer&) const = default;
};
/// Development networks only: asks for coins to register with.
struct FaucetRequest {
    Address account;
    bool operator==(const FaucetRequest&) const = default;
};
struct FaucetAnswer {
    Hash32 transaction;
    std::string problem;
    bool operator==(const FaucetAnswer&) const = default;
};

using Message = std::variant<Hello, LeaseOffer, LeaseAnswer, Progress, CommitmentNotice,
                             RevealRequest, ReceiptNotice, BlobRequest, BlobData, Verdict,
                             VoucherNotice, VoucherAck, CloseStream, StreamClosed, NetworkRequest,
                             NetworkAnswer, FaucetRequest, FaucetAnswer>;

/// The frame's type number: the alternative's position in Message, plus 1.
std::uint16_t message_type(const Message& message) noexcept;
std::string_view message_name(const Message& message) noexcept;

/// Payload only (RLP), without the frame header.
Bytes encode_message(const Message& message);
Result<Message, codec::RlpError> decode_message(std::uint16_t type, ByteView payload);

/// Whole frame with header.
Bytes encode_frame(const Message& message);

enum class FrameError : std::uint8_t { too_large, bad_version, unknown_type, bad_payload };

/// Splits a byte stream into frames; buffers at most one frame of frame_size_max.
class FrameReader {
  public:
    void feed(ByteView bytes);
    /// Null: more bytes are needed. After an error the stream is dead: every later call repeats it.
    /// A bad length, version or type is told as soon as the header is there.
    Result<std::optional<Message>, FrameError> next();

  private:
    Result<std::optional<Message>, FrameError> fail(FrameError error);

    Bytes buffer_;
    std::size_t consumed_ = 0;
    std::optional<FrameError> failed_;
};

}  // namespace millrace::types
