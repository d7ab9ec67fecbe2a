// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "compute/machine.hpp"
#include "types/message.hpp"

namespace millrace::compute::provider {

/// One connection; never 0, never used twice. 0 stands for "none".
using SessionId = std::uint64_t;

// ---- events: what the world tells the provider -------------------------------------------------

/// A requestor connected; the Hellos matched. `account` is what its Hello claims, `node_key` what
/// TLS has proven.
struct PeerUp {
    SessionId session = 0;
    Address account;
    Hash32 node_key;
};
/// Told before the BlobFailed that follow from it: a lease then waits for its requestor to return.
struct PeerDown {
    SessionId session = 0;
};
/// Blob, Hello, network and faucet messages are the daemon's and ignored here.
struct MessageReceived {
    SessionId session = 0;
    types::Message message;
};
/// Answers to FetchBlobs, blob by blob: stored durably, or no session delivers it.
struct BlobReady {
    crypto::BlobId sealed;
};
struct BlobFailed {
    crypto::BlobId sealed;
    std::string why;
};
/// Answers to RunTask. Outputs are stored durably, sealed with the job's key, before TaskFinished.
struct TaskFinished {
    Hash32 lease;
    types::ResultSummary summary;
    std::vector<types::FileEntry> files;  ///< changed, sorted by path
    std::vector<std::string> deleted;     ///< sorted
    types::SealedBlob standard_output;
    types::SealedBlob standard_error;
    Duration elapsed{0};
};
struct TaskFailed {
    Hash32 lease;
    types::LeaseRefusal kind = types::LeaseRefusal::failed;
    std::string why;
};
struct TaskProgress {
    Hash32 lease;
    Fuel fuel;
};
/// What the chain says of an allocation, and whether `proof` shows our leaf in it.
enum class AllocationState : std::uint8_t {
    unreachable = 1,  ///< the chain did not answer; asked again later
    absent = 2,       ///< no such allocation yet; asked again later
    latest = 3,       ///< stands and the proof holds, not final yet; asked again later
    finalized = 4,
    invalid = 5,  ///< the proof does not hold: never counts
    closed = 6,   ///< our stream of it is closed already: nothing more to get
};
/// Answer to CheckAllocation.
struct AllocationSeen {
    Address payer;
    types::AllocationProof proof;  ///< the one that was asked about
    AllocationState state = AllocationState::absent;
    std::uint64_t expiry = 0;  ///< seconds since the epoch
    Amount settled;            ///< already paid out of this stream
};
/// Answers to Settle, for each claim. A claim that closes is answered with closed = true.
struct VoucherSettled {
    Address payer;
    std::uint64_t allocation = 0;
    Amount cumulative;
    bool closed = false;
    Hash32 transaction;
};
struct SettleFailed {
    Address payer;
    std::uint64_t allocation = 0;
    std::string why;
};
/// Take no more leases, kill what runs, settle everything; then Stopped follows.
struct Stop {};
using compute::TimerFired;

using Event =
    std::variant<PeerUp, PeerDown, MessageReceived, BlobReady, BlobFailed, TaskFinished, TaskFailed,
                 TaskProgress, AllocationSeen, VoucherSettled, SettleFailed, Stop, TimerFired>;

// ---- effects: what the provider wants done (order and durability: types/record.hpp) ------------

using compute::Erase;
using compute::Persist;
/// Dropped silently when the session is gone.
struct Send {
    SessionId session = 0;
    types::Message message;
    bool operator==(const Send&) const = default;
};
/// Close the connection; PeerDown need not follow (and is ignored if it does).
struct CloseSession {
    SessionId session = 0;
    std::string why;
    bool operator==(const CloseSession&) const = default;
};
/// Get the blobs from the session (and any other place), each answered with BlobReady or
/// BlobFailed. Session 0: only what is stored already, the rest fails at once.
struct FetchBlobs {
    SessionId session = 0;
    Hash32 lease;
    std::vector<crypto::BlobId> sealed;  ///< distinct, none empty
    bool operator==(const FetchBlobs&) const = default;
};
/// Run the task: every blob it names is stored. With `lie` set (Config::wrong_result_ppm), change a
/// result before anything of it is hashed: falsify() below.
struct RunTask {
    Hash32 lease;
    types::TaskSpec task;
    crypto::JobKey key;
    std::uint64_t deadline = 0;  ///< seconds since the epoch
    std::optional<Hash32> lie;
    bool operator==(const RunTask&) const = default;
};
/// Its answer, if one still comes, is ignored. Known to be running.
struct KillTask {
    Hash32 lease;
    bool operator==(const KillTask&) const = default;
};
/// Look at the chain; answered with AllocationSeen.
struct CheckAllocation {
    Address payer;
    types::AllocationProof proof;
    bool operator==(const CheckAllocation&) const = default;
};
/// One claim of Deposits.settle. With cumulative 0 the signature is zero and only `close` counts.
struct Claim {
    types::Voucher voucher;
    types::Signature signature;
    types::AllocationProof proof;
    bool close = false;
    bool operator==(const Claim&) const = default;
};
/// At most claims_per_settle_max; each is answered. Repeated after a restart: a claim that was
/// settled already is answered as settled, a stream closed already as closed.
struct Settle {
    std::vector<Claim> claims;
    bool operator==(const Settle&) const = default;
};
/// Blobs this machine needs (also repeated after a restart, before anything else) and does not need
/// any more. Strictly paired: a blob is kept once however many leases name it.
struct KeepBlobs {
    std::vector<crypto::BlobId> sealed;
    bool operator==(const KeepBlobs&) const = default;
};
struct ForgetBlobs {
    std::vector<crypto::BlobId> sealed;
    bool operator==(const ForgetBlobs&) const = default;
};
/// Everything is settled or has been tried; the process may end.
struct Stopped {
    bool operator==(const Stopped&) const = default;
};
/// One line for the log; never a secret.
struct Note {
    Hash32 lease;  ///< zero: no single lease
    std::string text;
    bool operator==(const Note&) const = default;
};

using Effect = std::variant<Persist, Erase, Send, CloseSession, FetchBlobs, RunTask, KillTask,
                            CheckAllocation, Settle, KeepBlobs, ForgetBlobs, Stopped, Note>;
using Effects = std::vector<Effect>;

inline constexpr std::size_t claims_per_settle_max = 64;

/// Lying on purpose (tests and demonstrations): changes `content` in a way that depends on `lie`,
/// so that two liars do not agree. For the first changed file, or standard output when no file is
/// changed. Empty content becomes 8 bytes.
void falsify(Bytes& content, const Hash32& lie);

}  // namespace millrace::compute::provider
