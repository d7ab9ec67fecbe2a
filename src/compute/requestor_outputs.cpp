// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_state.hpp"

namespace millrace::compute {

using namespace requestor;

namespace {

/// Rounds through every source before one more provider is asked to run the task.
constexpr std::uint32_t rounds_max = 3;

}  // namespace

/// Lists what an accepted task left: changed files, standard output, standard error.
void Requestor::State::start_fetch(JobEntry& job, std::uint64_t index) {
    TaskEntry& task = job.tasks.at(index);
    task.fetches.clear();
    const auto add = [&task](const types::SealedBlob& blob, BlobPurpose purpose, std::string path) {
        if (blob.plain.size == 0) return;
        task.fetches.push_back({.blob = blob, .purpose = purpose, .path = std::move(path)});
    };
    for (const types::FileEntry& file : task.accepted->files)
        add(file.blob, BlobPurpose::output_file, file.path);
    add(task.accepted->standard_output, BlobPurpose::standard_output, {});
    add(task.accepted->standard_error, BlobPurpose::standard_error, {});
    continue_fetch(job, index);
}

/// Asks for everything that is neither here nor on its way; ends the task when nothing is missing.
void Requestor::State::continue_fetch(JobEntry& job, std::uint64_t index) {
    if (job.states[index] != TaskState::fetching) return;
    TaskEntry& task = job.tasks.at(index);
    if (task.fetch_again && now_ < *task.fetch_again) return;
    task.fetch_again.reset();
    bool is_complete = true;
    bool must_wait = false;
    for (OutputFetch& fetch : task.fetches) {
        if (fetch.is_done) continue;
        is_complete = false;
        if (fetch.is_out) continue;
        const bool is_out_elsewhere =  // one blob, several paths: one transfer
            std::ranges::any_of(task.fetches, [&fetch](const OutputFetch& other) {
                return other.is_out && other.blob == fetch.blob;
            });
        if (is_out_elsewhere) continue;
        const std::size_t count = task.sources.size();
        MILLRACE_ASSERT(count > 0);
        std::size_t tried = 0;
        while (tried < count &&
               peer_of(task.sources[(fetch.attempts + tried) % count].provider).link != Link::up)
            ++tried;
        if (tried == count) {
            must_wait = true;
            peers_changed_ = true;
            continue;
        }
        fetch.attempts += static_cast<std::uint32_t>(tried);
        const OutputSource& source = task.sources[fetch.attempts % count];
        if (fetch.purpose == BlobPurpose::standard_error) {
            if (source.standard_error.plain.size == 0) {  // its own differs: empty there
                fetch.is_done = true;
                return continue_fetch(job, index);
            }
            fetch.blob = source.standard_error;
        }
        fetch.is_out = true;
        emit(FetchBlob{.job = job.plan.id,
                       .index = index,
                       .provider = source.provider,
                       .blob = fetch.blob,
                       .purpose = fetch.purpose,
                       .path = fetch.path});
    }
    if (must_wait) {
        task.fetch_again = now_ + config_.timing.fetch_retry;
        arm({.at = *task.fetch_again,
             .kind = TimerKind::fetch,
             .hash = job.plan.id,
             .number = index});
    }
    if (!is_complete) return;
    end_task(job, index, TaskState::done);
    emit(TaskDone{job.plan.id, index, *task.accepted});
}

void Requestor::State::on(const BlobFetched& event) {
    JobEntry* job = job_of(event.job);
    if (job == nullptr || event.index >= job->states.size()) return;
    if (job->states[event.index] != TaskState::fetching) return;
    TaskEntry& task = job->tasks.at(event.index);
    const auto asked = std::ranges::find_if(task.fetches, [&event](const OutputFetch& fetch) {
        return fetch.is_out && fetch.blob == event.blob;
    });
    if (asked == task.fetches.end()) return;
    asked->is_out = false;
    if (event.ok) {
        for (OutputFetch& fetch : task.fetches)
            fetch.is_done = fetch.is_done || fetch.blob == event.blob;
        return continue_fetch(*job, event.index);
    }
    ++asked->attempts;
    task.why = "outputs from " + short_name(event.provider) + ": " + event.why.substr(0, 512);
    const bool is_round = asked->attempts % task.sources.size() == 0;
    const bool gives_up = asked->attempts >= rounds_max * task.sources.size();
    if (gives_up && asked->purpose == BlobPurpose::standard_error) {
        asked->is_done = true;  // not part of the result: the task does not hang on it
        note(event.job,
             "task " + std::to_string(event.index) + ": standard error is lost, " + event.why);
        return continue_fetch(*job, event.index);
    }
    if (gives_up && !task.needs_source) {
        task.needs_source = true;
        note(event.job, "task " + std::to_string(event.index) +
                            ": no provider delivers the outputs, one more is asked to run it");
        update_wanting(*job, event.index);
        work_changed_ = true;
        if (!may_ask_more(*job, task))
            return fail_task(*job, event.index,
                             "accepted and paid, but nobody delivers its outputs: " + event.why);
    }
    if (is_round) {
        const std::uint32_t rounds =
            asked->attempts / static_cast<std::uint32_t>(task.sources.size());
        task.fetch_again = now_ + backoff(config_.timing.fetch_retry, Duration{30'000}, rounds);
        arm({.at = *task.fetch_again,
             .kind = TimerKind::fetch,
             .hash = event.job,
             .number = event.index});
        return;
    }
    continue_fetch(*job, event.index);
}

}  // namespace millrace::compute
