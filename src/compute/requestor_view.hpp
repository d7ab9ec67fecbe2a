// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "compute/requestor_event.hpp"

namespace millrace::compute::requestor {

// What people see: answers to the requestor's queries, plain values.

enum class JobState : std::uint8_t { running = 1, completed = 2, failed = 3, cancelled = 4 };
enum class TaskState : std::uint8_t {
    waiting = 1,   ///< no lease yet, or replacements are due
    running = 2,   ///< enough leases are out
    fetching = 3,  ///< accepted; its outputs are on the way
    done = 4,
    failed = 5,
    cancelled = 6,
};
enum class LeaseState : std::uint8_t {
    offered = 1,       ///< sent; no commitment yet
    committed = 2,     ///< commitment checked; waits for the other replicas
    revealing = 3,     ///< reveal asked
    received = 4,      ///< receipt checked; the task is not decided yet
    accepted = 5,      ///< equals the accepted result, in time: paid
    contradicted = 6,  ///< differs from the accepted result: unpaid
    refused = 7,       ///< the provider said no, or gave up
    lost = 8,          ///< connection gone, deadline passed, or garbage sent
    cancelled = 9,     ///< called off: the task or the job ended first; unpaid
};
std::string_view to_text(JobState state) noexcept;
std::string_view to_text(TaskState state) noexcept;
std::string_view to_text(LeaseState state) noexcept;

struct JobRow {
    Hash32 id;
    std::string name;
    JobState state = JobState::running;
    std::uint64_t tasks = 0;
    std::uint64_t done = 0;  ///< accepted with outputs stored
    std::uint64_t failed = 0;
    std::uint64_t running = 0;  ///< tasks with a lease out, or fetching
    std::uint64_t verified =
        0;  ///< tasks with an accepted result, its outputs stored or on the way
    std::uint64_t acknowledged = 0;  ///< paid results whose voucher their provider has confirmed
    Instant submitted;
    std::optional<Instant> finished;
    Amount spent;           ///< of accepted receipts
    std::string waits_for;  ///< empty, or why nothing moves, with the remedy
};

struct AttemptRow {
    Hash32 lease;
    Address provider;
    LeaseState state = LeaseState::offered;
    bool speculative = false;
    Instant offered;
    std::optional<Instant> committed;
    std::optional<Instant> received;
    std::optional<Hash32> result;
    Fuel fuel;
    Amount price;  ///< wei per 10^9 fuel
    Amount paid;
    std::string why;  ///< of a refusal or loss
};

struct TaskRow {
    std::uint64_t index = 0;
    std::string label;
    TaskState state = TaskState::waiting;
    std::optional<Hash32> result;
    std::vector<AttemptRow> attempts;
    /// The accepted statement: where the outputs, stdout and stderr are. Absent until accepted.
    std::optional<types::ReceiptNotice> accepted;
    std::string why;  ///< of a failure
};

/// A provider as this requestor sees it.
struct ProviderRow {
    Address provider;
    std::string endpoint;
    bool registered = false;  ///< in the last ProvidersUpdated, and active
    bool connected = false;
    Amount price;
    std::uint32_t slots = 0;
    std::uint32_t leases_out = 0;
    double fuel_per_second = 0;  ///< 0: not measured
    std::uint64_t accepted = 0;
    std::uint64_t contradicted = 0;
    std::uint64_t refused = 0;
    std::uint64_t lost = 0;
    Fuel fuel;               ///< accepted
    Amount earned;           ///< by vouchers signed
    Amount acknowledged;     ///< by vouchers acknowledged
    std::string why_unused;  ///< empty when it gets work
};

/// Who did what in one job, for its summary.
struct ProviderShare {
    Address provider;
    std::uint64_t accepted = 0;
    std::vector<std::uint64_t> contradicted_tasks;  ///< at most the first 1,000
    std::uint64_t contradictions = 0;
    std::uint64_t lost = 0;  ///< refusals and losses
    Fuel fuel;
    Amount earned;
    std::vector<Hash32> settlements;  ///< transactions the provider named when closing its streams
};
struct JobSummary {
    JobRow job;
    std::uint64_t replicas = 0;  ///< receipts received
    std::uint64_t leases = 0;
    std::uint64_t speculative = 0;
    std::uint64_t contradictions = 0;
    std::uint64_t exit_not_zero = 0;  ///< accepted tasks that trapped, ran out, or returned ≠ 0
    Fuel fuel;                        ///< accepted, of all paid replicas
    Amount spent;
    bool settled = false;  ///< every stream of the job is closed or released
    std::vector<ProviderShare> providers;
    std::vector<std::pair<Hash32, Hash32>> contradiction_reports;  ///< evidence, transaction
    std::vector<std::pair<std::uint64_t, Hash32>> allocations;     ///< number, transaction
};

}  // namespace millrace::compute::requestor
