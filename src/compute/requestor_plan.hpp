// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/time.hpp"
#include "base/u256.hpp"
#include "crypto/cipher.hpp"
#include "types/task.hpp"

namespace millrace::compute::requestor {

inline constexpr std::uint32_t jobs_open_max = 1024;
inline constexpr std::uint64_t tasks_per_job_max = 1'000'000;
inline constexpr std::size_t job_name_size_max = 256;
inline constexpr std::size_t label_size_max = 1024;
inline constexpr std::uint32_t results_asked_max = 16;
inline constexpr std::size_t input_size_max = 512 * 1024;  ///< arguments of one input together
inline constexpr std::size_t providers_named_max = 1024;

/// What a job demands and how much it may cost. The defaults suit strangers.
struct JobSettings {
    /// Equal results of different providers that accept a task; 1 trusts every provider.
    std::uint32_t replicas = 2;
    /// Results asked for before a task fails with "no two providers agree".
    std::uint32_t results_max = 7;
    /// Leases of one task before it fails, those that brought no result included.
    std::uint32_t leases_max = 64;
    /// Wei per 10^9 fuel above which a provider is not used; absent: any price.
    std::optional<Amount> price_max;
    /// Never more than this is paid for the whole job; absent: what the deposit holds.
    std::optional<Amount> total_max;
    /// Only these providers (registered owners), when not empty.
    std::vector<Address> providers;
    /// Expected fuel of one task, from a local probe; 0: unknown, the limit is assumed.
    Fuel fuel_estimate;
    /// How long a lease may take before any speed is known.
    Duration lease_time_first{600'000};
    Duration lease_time_min{60'000};
    /// A lease's time = this many times what it should take (speed × fuel), at least the minimum.
    std::uint32_t lease_time_factor = 10;
    /// A contradicted provider is not used for this job any more after so many contradictions.
    std::uint32_t contradictions_max = 3;
    bool operator==(const JobSettings&) const = default;
};

/// What differs between the tasks of one job.
struct TaskInput {
    std::string label;                    ///< for people: the input's name
    std::vector<std::string> arguments;   ///< appended to the common ones
    std::vector<types::FileEntry> files;  ///< added to the common ones; paths must not repeat
    bool operator==(const TaskInput&) const = default;
};

/// Tasks made by counting: in arguments and environment values of the common part, "{}" stands for
/// first + index × step.
struct TaskRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t step = 1;
    bool operator==(const TaskRange&) const = default;
};

/// A job as submitted. Either `inputs` (one task each) or `range` (no inputs) makes the tasks.
/// The blobs named here must already be held and served by the requestor's daemon.
struct JobPlan {
    Hash32 id;  ///< unique per requestor; the lease's `job`
    std::string name;
    crypto::JobKey key;      ///< enciphers the job's blobs; kept in the record, never logged
    types::TaskSpec common;  ///< job, index are ignored
    std::vector<TaskInput> inputs;
    TaskRange range;
    JobSettings settings;
    bool operator==(const JobPlan&) const = default;

    [[nodiscard]] std::uint64_t task_count() const noexcept {
        return inputs.empty() ? range.count : inputs.size();
    }
    /// The whole task at `index` < task_count().
    [[nodiscard]] types::TaskSpec task(std::uint64_t index) const;
    /// The input's label, or the number the range gives.
    [[nodiscard]] std::string label(std::uint64_t index) const;
    /// Bounds and shape; null when the job can be taken.
    [[nodiscard]] std::optional<Failure> problem() const;

    /// The plan without its inputs (record table "jobs"), and a slice of the inputs ("inputs").
    void encode_head_to(codec::RlpWriter& writer) const;
    static Result<JobPlan, codec::RlpError> decode_head_from(codec::RlpReaderView& reader);
    [[nodiscard]] Bytes encode_inputs(std::size_t first, std::size_t count) const;
    static Result<std::vector<TaskInput>, codec::RlpError> decode_inputs(ByteView wire);
};

}  // namespace millrace::compute::requestor
