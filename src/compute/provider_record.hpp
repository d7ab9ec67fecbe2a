// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compute/provider_event.hpp"
#include "compute/provider_view.hpp"
#include "types/record.hpp"
#include "types/settlement.hpp"

// What the provider remembers, and how it is written: one row per fact (types/record.hpp). Values
// are RLP lists whose first item is the version, 1.

namespace millrace::compute::provider {

using types::Record;

/// Table "results": what a finished task gave. Never changes once written.
struct TaskResult {
    types::ResultSummary summary;
    std::vector<types::FileEntry> files;
    std::vector<std::string> deleted;
    types::SealedBlob standard_output;
    types::SealedBlob standard_error;
    bool operator==(const TaskResult&) const = default;
};

/// Table "leases" (terms, written once) and "lease_states" (state, from `revealed` on).
struct LeaseEntry {
    types::Lease terms;
    types::Signature signature;
    types::TaskSpec task;
    crypto::JobKey key;
    Instant accepted_at;
    LeaseState state = LeaseState::fetching;
    std::optional<TaskResult> result;

    // Not remembered over a restart.
    SessionId session = 0;
    std::uint64_t sequence = 0;  ///< order of acceptance
    std::set<crypto::BlobId> blobs_missing;
    std::optional<Instant> blob_wait_until;  ///< set while no session can deliver
    Instant waiting_since;
    std::optional<Instant> due;  ///< its timer
    Instant progress_sent;
    Fuel progress;
    Amount worth;  ///< price of the result
};

/// Table "payers": a requestor's history with us.
struct Payer {
    std::uint64_t tasks_paid = 0;
    Amount earned;
    Amount settled;
    std::uint64_t contradictions = 0;
    std::uint64_t unpaid = 0;
    Instant pause_until;
    Hash32 node_key;  ///< of the connection that last carried a signature of this account

    std::optional<Instant> blocked_since;  ///< credit denied although covered; not remembered
};

/// Table "streams": key = payer ‖ allocation (8 bytes, big-endian).
struct Stream {
    types::Voucher voucher;      ///< newest; cumulative 0 while there is none
    types::Signature signature;  ///< zero while there is none
    std::optional<types::AllocationProof> proof;
    AllocationState state = AllocationState::absent;
    std::uint64_t expiry = 0;
    Amount settled;
    Amount unassigned;  ///< of the voucher, not yet counted for any lease
    bool close_wanted = false;
    bool closed = false;
    Hash32 close_transaction;

    // Not remembered over a restart.
    Instant seen_at;
    bool checking = false;
    Instant checked_at;
    std::optional<Instant> check_at;
    Duration check_delay{0};
    bool settling = false;
    std::optional<Instant> settle_at;  ///< after a failure
    Duration settle_delay{0};
    std::optional<Instant> due;  ///< its timer
};

/// Table "ended": a lease that is over, remembered until its deadline so that it is not run again.
struct Ended {
    std::uint64_t deadline = 0;
};

inline constexpr std::uint64_t record_version = 1;

Bytes stream_key(const Address& payer, std::uint64_t allocation);

Record lease_record(const Hash32& id, const LeaseEntry& entry);
Record lease_state_record(const Hash32& id, LeaseState state);
Record result_record(const Hash32& id, const TaskResult& result);
Record ended_record(const Hash32& id, const Ended& ended);
Record payer_record(const Address& account, const Payer& payer);
Record stream_record(const Stream& stream);

Result<LeaseEntry, codec::RlpError> decode_lease(ByteView value);
Result<LeaseState, codec::RlpError> decode_lease_state(ByteView value);
Result<TaskResult, codec::RlpError> decode_result(ByteView value);
Result<Ended, codec::RlpError> decode_ended(ByteView value);
Result<Payer, codec::RlpError> decode_payer(ByteView value);
Result<Stream, codec::RlpError> decode_stream(ByteView value);

}  // namespace millrace::compute::provider
