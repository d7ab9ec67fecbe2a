// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "compute/machine.hpp"
#include "compute/requestor_plan.hpp"
#include "types/message.hpp"

namespace millrace::compute::requestor {

// ---- events: what the world tells the requestor ------------------------------------------------

struct JobSubmitted {
    JobPlan plan;  ///< refused with JobDone{refused} when plan.problem() or the bounds say so
};
struct JobCancelled {
    Hash32 job;
};
/// A finished job and all its records may go. Ignored while it is open or streams are not closed.
struct JobForgotten {
    Hash32 job;
};
/// The registry as it stands; replaces what was known. At most 4,096 are kept.
struct ProvidersUpdated {
    std::vector<types::ProviderRecord> providers;
};
/// A connection stands: TLS proved the registered node key and the Hellos matched.
struct PeerUp {
    Address provider;
};
/// It ended, or Connect failed.
struct PeerDown {
    Address provider;
    std::string why;
};
/// From a provider that is up. Blob, Hello, network and faucet messages are the daemon's.
struct MessageReceived {
    Address provider;
    types::Message message;
};
/// Answer to FetchBlob. ok: the blob was opened, has its plain root, and is durably stored.
struct BlobFetched {
    Hash32 job;
    std::uint64_t index = 0;
    types::SealedBlob blob;
    Address provider;
    bool ok = false;
    std::string why;
};
/// The requestor's deposit at the last finalized block: not settled and not allocated. Sent at
/// start, and again after each AllocationUpdated{finalized} and after each funding.
struct DepositUpdated {
    Amount free;
    std::uint64_t allocation_next = 0;  ///< allocationCount(payer): number of the next one
};
enum class AllocationStatus : std::uint8_t {
    planned = 1,  ///< by the machine; the transaction is not known to be out
    sent = 2,
    latest = 3,  ///< in a block
    finalized = 4,
    failed = 5,  ///< reverted or refused: nothing stands on chain under this number
};
struct AllocationUpdated {
    std::uint64_t allocation = 0;
    AllocationStatus status = AllocationStatus::sent;
    Hash32 transaction;
    std::string why;
};
/// Answer to ReportContradiction.
struct ContradictionReported {
    Hash32 evidence;
    bool ok = false;
    Hash32 transaction;
    std::string why;
};
/// Answer to ReleaseAllocation.
struct AllocationReleased {
    std::uint64_t allocation = 0;
    bool ok = false;
    std::string why;
};
using compute::TimerFired;

using Event =
    std::variant<JobSubmitted, JobCancelled, JobForgotten, ProvidersUpdated, PeerUp, PeerDown,
                 MessageReceived, BlobFetched, DepositUpdated, AllocationUpdated,
                 ContradictionReported, AllocationReleased, TimerFired>;

// ---- effects: what the requestor wants done (order and durability: types/record.hpp) -----------

using compute::Erase;
using compute::Persist;
struct Connect {
    Address provider;
    Hash32 node_key;
    std::string endpoint;
    bool operator==(const Connect&) const = default;
};
struct Disconnect {
    Address provider;
    std::string why;
    bool operator==(const Disconnect&) const = default;
};
/// Dropped silently by the daemon when the peer is gone; PeerUp repeats what still matters.
struct Send {
    Address provider;
    types::Message message;
    bool operator==(const Send&) const = default;
};
enum class BlobPurpose : std::uint8_t { output_file = 1, standard_output = 2, standard_error = 3 };
/// Fetch, open with the job's key, store durably under its plain root, answer BlobFetched.
struct FetchBlob {
    Hash32 job;
    std::uint64_t index = 0;
    Address provider;
    types::SealedBlob blob;
    BlobPurpose purpose = BlobPurpose::output_file;
    std::string path;  ///< of an output file
    bool operator==(const FetchBlob&) const = default;
};
struct AllocationLeaf {
    Address payee;
    Amount cap;
    bool operator==(const AllocationLeaf&) const = default;
};
/// Append this allocation on chain; repeated after a restart with the same number, so look whether
/// it stands before sending. The leaves' order is that of the Merkle-sum tree.
struct Allocate {
    std::uint64_t allocation = 0;
    std::vector<AllocationLeaf> leaves;
    Amount total;
    std::uint64_t expiry = 0;  ///< seconds since the epoch; afterwards the rest may be released
    Hash32 root;
    bool operator==(const Allocate&) const = default;
};
/// The allocation's expiry has passed and some stream is still open: take the remainder back.
struct ReleaseAllocation {
    std::uint64_t allocation = 0;
    bool operator==(const ReleaseAllocation&) const = default;
};
/// A provider's signed statement with the lease it answers.
struct SignedReceipt {
    types::Lease lease;
    types::Signature lease_signature;
    types::Receipt receipt;
    types::Signature receipt_signature;
    Address signer;
    bool operator==(const SignedReceipt&) const = default;
};
/// One result against two equal ones, all of the same task: what Jobs.sol takes.
struct Evidence {
    Hash32 id;  ///< Keccak-256 of the wrong lease's id ‖ the accepted result
    SignedReceipt wrong;
    SignedReceipt right_first;
    SignedReceipt right_second;
    bool operator==(const Evidence&) const = default;
};
struct ReportContradiction {
    Evidence evidence;
    bool operator==(const ReportContradiction&) const = default;
};
/// Accepted, paid, outputs stored. A notice: lost in a crash, the query tasks() has it too.
struct TaskDone {
    Hash32 job;
    std::uint64_t index = 0;
    types::ReceiptNotice accepted;
    bool operator==(const TaskDone&) const = default;
};
enum class JobOutcome : std::uint8_t { completed = 1, failed = 2, cancelled = 3, refused = 4 };
/// No task is open any more (a notice, as TaskDone). `why` is set unless completed.
struct JobDone {
    Hash32 job;
    JobOutcome outcome = JobOutcome::completed;
    std::optional<Failure> why;
};
/// One line for the log; never a secret.
struct Note {
    Hash32 job;  ///< zero: no single job
    std::string text;
    bool operator==(const Note&) const = default;
};

using Effect = std::variant<Persist, Erase, Connect, Disconnect, Send, FetchBlob, Allocate,
                            ReleaseAllocation, ReportContradiction, TaskDone, JobDone, Note>;
using Effects = std::vector<Effect>;

}  // namespace millrace::compute::requestor
