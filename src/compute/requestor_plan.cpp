// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "compute/requestor_plan.hpp"

#include <algorithm>
#include <set>

#include "types/fields.hpp"

namespace millrace::compute::requestor {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;
namespace fields = types::detail;

namespace {

constexpr std::uint64_t duration_ms_max = 30ull * 24 * 3'600'000;

void replace_braces(std::string& text, const std::string& number) {
    for (std::size_t at = text.find("{}"); at != std::string::npos;
         at = text.find("{}", at + number.size())) {
        text.replace(at, 2, number);
    }
}

void write_optional(RlpWriter& writer, const std::optional<Amount>& amount) {
    const auto list = writer.begin_list();
    if (amount) writer.write(amount->wei);
    writer.end_list(list);
}

Result<std::optional<Amount>, RlpError> read_optional(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::optional<Amount> amount;
    if (!list.at_end()) {
        MILLRACE_TRY(const U256 wei, list.read_u256());
        amount = Amount{wei};
    }
    MILLRACE_TRY_VOID(list.finish());
    return amount;
}

Result<Duration, RlpError> read_duration(RlpReaderView& reader) {
    MILLRACE_TRY(const std::uint64_t ms, fields::read_u64_max(reader, duration_ms_max));
    return Duration{static_cast<std::int64_t>(ms)};
}

void write_settings(RlpWriter& writer, const JobSettings& settings) {
    const auto list = writer.begin_list();
    writer.write(std::uint64_t{settings.replicas});
    writer.write(std::uint64_t{settings.results_max});
    writer.write(std::uint64_t{settings.leases_max});
    write_optional(writer, settings.price_max);
    write_optional(writer, settings.total_max);
    const auto providers = writer.begin_list();
    for (const Address& provider : settings.providers)
        writer.write(provider);
    writer.end_list(providers);
    writer.write(settings.fuel_estimate.value);
    writer.write(static_cast<std::uint64_t>(settings.lease_time_first.count()));
    writer.write(static_cast<std::uint64_t>(settings.lease_time_min.count()));
    writer.write(std::uint64_t{settings.lease_time_factor});
    writer.write(std::uint64_t{settings.contradictions_max});
    writer.end_list(list);
}

Result<std::uint32_t, RlpError> read_u32(RlpReaderView& reader) {
    MILLRACE_TRY(const std::uint64_t number, fields::read_u64_max(reader, 0xffff'ffff));
    return static_cast<std::uint32_t>(number);
}

Result<JobSettings, RlpError> read_settings(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    JobSettings settings;
    MILLRACE_TRY(settings.replicas, read_u32(list));
    MILLRACE_TRY(settings.results_max, read_u32(list));
    MILLRACE_TRY(settings.leases_max, read_u32(list));
    MILLRACE_TRY(settings.price_max, read_optional(list));
    MILLRACE_TRY(settings.total_max, read_optional(list));
    MILLRACE_TRY(settings.providers,
                 fields::read_items<Address>(list, providers_named_max, [](RlpReaderView& item) {
                     return item.read_fixed<Address>();
                 }));
    MILLRACE_TRY(settings.fuel_estimate.value, list.read_u64());
    MILLRACE_TRY(settings.lease_time_first, read_duration(list));
    MILLRACE_TRY(settings.lease_time_min, read_duration(list));
    MILLRACE_TRY(settings.lease_time_factor, read_u32(list));
    MILLRACE_TRY(settings.contradictions_max, read_u32(list));
    MILLRACE_TRY_VOID(list.finish());
    return settings;
}

Result<std::string, RlpError> read_argument(RlpReaderView& reader) {
    return reader.read_text(types::argument_size_max);
}

Result<TaskInput, RlpError> read_input(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    TaskInput input;
    MILLRACE_TRY(input.label, list.read_text(label_size_max));
    MILLRACE_TRY(input.arguments,
                 fields::read_items<std::string>(list, types::arguments_max, read_argument));
    MILLRACE_TRY(input.files, fields::read_files(list));
    MILLRACE_TRY_VOID(list.finish());
    return input;
}

bool is_duration(Duration duration) noexcept {
    return duration.count() > 0 && duration.count() <= static_cast<std::int64_t>(duration_ms_max);
}

std::optional<Failure> settings_problem(const JobSettings& settings) {
    if (settings.replicas == 0 || settings.replicas > 5)
        return Failure{"a task needs 1 to 5 equal results", "replicas", "use 2 unless in doubt"};
    if (settings.results_max < settings.replicas || settings.results_max > results_asked_max)
        return Failure{"results_max must lie between replicas and 16", "results_max", ""};
    if (settings.leases_max < settings.results_max || settings.leases_max > 4096)
        return Failure{"leases_max must lie between results_max and 4096", "leases_max", ""};
    if (settings.providers.size() > providers_named_max)
        return Failure{"more than 1024 providers are named", "providers", "name fewer"};
    const std::set<Address> named{settings.providers.begin(), settings.providers.end()};
    if (!named.empty() && named.size() < settings.replicas)
        return Failure{"fewer providers are named than equal results are needed", "providers",
                       "name at least " + std::to_string(settings.replicas) +
                           " different providers, or lower replicas"};
    if (!is_duration(settings.lease_time_first) || !is_duration(settings.lease_time_min))
        return Failure{"a lease time must lie between 1 ms and 30 days", "lease_time", ""};
    if (settings.lease_time_factor == 0 || settings.lease_time_factor > 1000)
        return Failure{"the lease time factor must lie between 1 and 1000", "lease_time_factor",
                       ""};
    if (settings.contradictions_max == 0)
        return Failure{"contradictions_max must be at least 1", "contradictions_max", ""};
    return std::nullopt;
}

bool is_sound(const TaskInput& input, const types::TaskSpec& common) {
    if (input.label.size() > label_size_max) return false;
    if (input.arguments.size() + common.arguments.size() > types::arguments_max) return false;
    if (input.files.size() + common.files.size() > types::files_per_task_max) return false;
    std::size_t size = 0;
    for (const std::string& argument : input.arguments) {
        if (argument.size() > types::argument_size_max) return false;
        if (argument.find('\0') != std::string::npos) return false;
        size += argument.size();
    }
    if (size > input_size_max || !types::is_valid_tree(input.files)) return false;
    if (common.files.empty()) return true;
    std::vector<types::FileEntry> merged = common.files;
    merged.insert(merged.end(), input.files.begin(), input.files.end());
    std::ranges::sort(merged, {}, &types::FileEntry::path);
    return types::is_valid_tree(merged);
}

}  // namespace

types::TaskSpec JobPlan::task(std::uint64_t index) const {
    MILLRACE_ASSERT(index < task_count());
    types::TaskSpec spec = common;
    spec.job = id;
    spec.index = index;
    if (inputs.empty()) {
        const std::string number = label(index);
        for (std::string& argument : spec.arguments)
            replace_braces(argument, number);
        for (auto& variable : spec.environment)
            replace_braces(variable.second, number);
        return spec;
    }
    const TaskInput& input = inputs[index];
    spec.arguments.insert(spec.arguments.end(), input.arguments.begin(), input.arguments.end());
    spec.files.insert(spec.files.end(), input.files.begin(), input.files.end());
    std::ranges::sort(spec.files, {}, &types::FileEntry::path);
    return spec;
}

std::string JobPlan::label(std::uint64_t index) const {
    if (!inputs.empty()) return inputs[index].label;
    return std::to_string(range.first + index * range.step);
}

std::optional<Failure> JobPlan::problem() const {
    if (id.is_zero()) return Failure{"the job has no id", "id", ""};
    if (name.size() > job_name_size_max)
        return Failure{"the job's name is over 256 bytes", "name", "shorten it"};
    if (!inputs.empty() && range.count != 0)
        return Failure{"the job has inputs and a range", "range", "give one of them"};
    const std::uint64_t count = task_count();
    if (count == 0) return Failure{"the job has no tasks", "inputs", "no input matched"};
    if (count > tasks_per_job_max)
        return Failure{"the job has over 1,000,000 tasks", "inputs", "split it"};
    if (inputs.empty()) {
        std::uint64_t span = 0;
        if (__builtin_mul_overflow(count - 1, range.step, &span) ||
            __builtin_add_overflow(span, range.first, &span))
            return Failure{"the range's last number is over 64 bits", "range", ""};
    }
    if (common.limits.fuel.value == 0 || common.limits.fuel.value > types::fuel_per_task_max)
        return Failure{"the fuel limit must lie between 1 and 2^40", "limits.fuel", ""};
    // The reader every provider uses judges the first task; the others differ in their inputs only.
    if (!inputs.empty() && inputs.front().label.size() > label_size_max)
        return Failure{"an input's name is over 1,024 bytes", "inputs", "shorten it"};
    if (!types::TaskSpec::decode(task(0).encode()))
        return Failure{
            "the task is malformed: a path repeats or leads outside, or a bound is passed",
            "task 0", "see docs/formats for the bounds"};
    for (std::size_t index = 0; index < inputs.size(); ++index) {
        if (!is_sound(inputs[index], common))
            return Failure{
                "an input is malformed: a path repeats or leads outside, or a bound is "
                "passed",
                "task " + std::to_string(index), "see docs/formats for the bounds"};
    }
    return settings_problem(settings);
}

void JobPlan::encode_head_to(RlpWriter& writer) const {
    const auto list = writer.begin_list();
    writer.write(id);
    writer.write_text(name);
    writer.write(key);
    writer.write(common.encode());
    writer.write(static_cast<std::uint64_t>(inputs.size()));
    writer.write(range.first);
    writer.write(range.count);
    writer.write(range.step);
    write_settings(writer, settings);
    writer.end_list(list);
}

Result<JobPlan, RlpError> JobPlan::decode_head_from(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    JobPlan plan;
    MILLRACE_TRY(plan.id, list.read_fixed<Hash32>());
    MILLRACE_TRY(plan.name, list.read_text(job_name_size_max));
    MILLRACE_TRY(plan.key, list.read_fixed<crypto::JobKey>());
    MILLRACE_TRY(const ByteView common_wire, list.read_string());
    MILLRACE_TRY(plan.common, types::TaskSpec::decode(common_wire));
    MILLRACE_TRY(const std::uint64_t count, fields::read_u64_max(list, tasks_per_job_max));
    plan.inputs.resize(count);
    MILLRACE_TRY(plan.range.first, list.read_u64());
    MILLRACE_TRY(plan.range.count, fields::read_u64_max(list, tasks_per_job_max));
    MILLRACE_TRY(plan.range.step, list.read_u64());
    MILLRACE_TRY(plan.settings, read_settings(list));
    MILLRACE_TRY_VOID(list.finish());
    return plan;
}

Bytes JobPlan::encode_inputs(std::size_t first, std::size_t count) const {
    RlpWriter writer;
    const auto list = writer.begin_list();
    const std::size_t end = std::min(inputs.size(), first + count);
    for (std::size_t index = first; index < end; ++index) {
        const auto item = writer.begin_list();
        writer.write_text(inputs[index].label);
        const auto arguments = writer.begin_list();
        for (const std::string& argument : inputs[index].arguments)
            writer.write_text(argument);
        writer.end_list(arguments);
        fields::write_files(writer, inputs[index].files);
        writer.end_list(item);
    }
    writer.end_list(list);
    return std::move(writer).take();
}

Result<std::vector<TaskInput>, RlpError> JobPlan::decode_inputs(ByteView wire) {
    RlpReaderView reader{wire};
    MILLRACE_TRY(std::vector<TaskInput> slice,
                 fields::read_items<TaskInput>(reader, tasks_per_job_max, read_input));
    MILLRACE_TRY_VOID(reader.finish());
    return slice;
}

}  // namespace millrace::compute::requestor
