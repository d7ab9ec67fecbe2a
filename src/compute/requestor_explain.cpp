// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "compute/requestor_money.hpp"
#include "compute/requestor_state.hpp"

namespace millrace::compute {

namespace requestor {

std::string short_name(const Address& address) {
    return to_hex0x(ByteView{address.bytes}.first(4)) + "…";
}

std::string short_name(const Hash32& hash) {
    return to_hex0x(ByteView{hash.bytes}.first(4)) + "…";
}

std::string duration_text(Duration duration) {
    const std::int64_t ms = duration.count();
    if (ms < 1000) return std::to_string(ms) + " ms";
    if (ms < 60'000)
        return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
    if (ms < 3'600'000)
        return std::to_string(ms / 60'000) + " min " + std::to_string(ms % 60'000 / 1000) + " s";
    return std::to_string(ms / 3'600'000) + " h " + std::to_string(ms % 3'600'000 / 60'000) +
           " min";
}

}  // namespace requestor

using namespace requestor;

namespace {

constexpr std::size_t reasons_shown_max = 8;
constexpr std::size_t names_shown_max = 8;  ///< of providers with one reason

std::string plural(std::uint64_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string capital(std::string text) {
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
        text[0] = static_cast<char>(text[0] - 32);
    return text;
}

}  // namespace

/// Why `peer` is given nothing of the job at this moment, slots aside; empty when it may be.
std::string Requestor::State::why_idle(const JobEntry& job, const PeerEntry& peer) const {
    std::string why = why_not(job, peer);
    if (!why.empty()) return why;
    if (peer.link != Link::up)
        return peer.down_why.empty() ? "is not connected yet"
                                     : "cannot be reached (" + peer.down_why + ")";
    if (peer.pause_until && *peer.pause_until > now_) return "refused (" + peer.pause_why + ")";
    return {};
}

/// What keeps providers from the job, those with one reason together: a fault that all of them
/// share, such as a missing worker program, is told once.
std::string Requestor::State::idle_reasons(const JobEntry& job) const {
    std::map<std::string, std::vector<Address>> by_reason;
    for (const auto& [provider, peer] : peers_) {
        std::string why = why_idle(job, peer);
        if (!why.empty()) by_reason[std::move(why)].push_back(provider);
    }
    std::string text;
    std::size_t shown = 0;
    for (const auto& [why, providers] : by_reason) {
        if (++shown > reasons_shown_max) break;
        if (!text.empty()) text += "; ";
        for (std::size_t at = 0; at < std::min(providers.size(), names_shown_max); ++at)
            text += (at == 0 ? "" : ", ") + short_name(providers[at]);
        if (providers.size() > names_shown_max)
            text += " and " + std::to_string(providers.size() - names_shown_max) + " more";
        text += (providers.size() == 1 ? " " : " each ") + why;
    }
    return text;
}

/// Why nothing of the job moves; empty when something does.
std::string Requestor::State::waits_for(const JobEntry& job) const {
    if (!job.is_running()) return {};
    if (!providers_known_)
        return "the registry of providers has not been read yet (is the chain reachable?)";
    if (!deposit_free_) return "the deposit has not been read yet (is the chain reachable?)";
    const std::uint32_t replicas = job.plan.settings.replicas;
    const std::size_t usable = distinct_peers(job, true).size();
    const bool needs_leases = job.has_fresh() || !job.wanting.empty();
    if (usable < replicas && needs_leases) {
        std::string text = "needs " + plural(replicas, "provider", "different providers") + ", " +
                           plural(usable, "is", "are") + " connected and usable";
        if (peers_.empty())
            return text + ": the registry lists none; start one with `millrace provide`";
        const std::string reasons = idle_reasons(job);
        return reasons.empty() ? text : text + ": " + reasons;
    }
    if (job.shortage) return job.shortage->text();
    for (const auto& [number, allocation] : allocations_) {
        if (allocation.status == AllocationStatus::failed && !allocation.is_over)
            return "allocation " + std::to_string(number) + " failed on chain (" + allocation.why +
                   "); it is tried again every few seconds";
    }
    const bool stands = needs_leases && !is_moving(job);
    if (stands && std::ranges::none_of(peers_, [&](const auto& item) {
            return item.second.link == Link::up && why_idle(job, item.second).empty();
        }))
        return "no provider can run its tasks now; they are asked again after pauses: " +
               idle_reasons(job);
    if (job.leases == 0) return "its money is being allocated on chain";
    if (stands && !job.wanting.empty()) {
        const std::string reasons = idle_reasons(job);
        return plural(job.wanting.size(), "task needs", "tasks need") +
               " one more provider that has not run them yet; " + plural(usable, "is", "are") +
               " connected and usable" + (reasons.empty() ? "" : "; " + reasons);
    }
    return {};
}

std::string Requestor::State::explain_job(const JobEntry& job, Instant now) const {
    std::string text = "Job \"" + job.plan.name + "\" is " + std::string{to_text(job.state)} +
                       ": " + std::to_string(job.done) + " of " +
                       plural(job.states.size(), "task is", "tasks are") + " done";
    if (job.failed != 0) text += ", " + std::to_string(job.failed) + " failed";
    if (job.cancelled != 0) text += ", " + std::to_string(job.cancelled) + " cancelled";
    text += ". " + format_amount(job.spent) + " is spent for " +
            plural(job.replicas, "result", "results") + " from " +
            plural(job.leases, "lease", "leases") + ".\n";
    if (job.failure) text += capital(job.failure->text()) + ".\n";
    const std::string waiting = waits_for(job);
    if (!waiting.empty()) text += "It waits: " + waiting + ".\n";
    if (job.is_running() && waiting.empty())
        text += plural(job.active.size(), "task is", "tasks are") + " out at providers, " +
                plural(job.fetching.size(), "result is", "results are") + " being fetched.\n";
    for (const auto& [provider, share] : job.shares) {
        if (share.contradictions == 0 && share.lost == 0) continue;
        text += short_name(provider) + ": ";
        if (share.contradictions != 0) {
            text += "contradicted in " + plural(share.contradictions, "task", "tasks") + " (";
            for (std::size_t at = 0; at < share.contradicted_tasks.size() && at < 16; ++at)
                text += (at == 0 ? "" : ", ") + std::to_string(share.contradicted_tasks[at]);
            if (share.contradicted_tasks.size() > 16) text += ", …";
            text += "), unpaid for " + std::string{share.contradictions == 1 ? "it" : "them"};
            if (share.contradictions >= job.plan.settings.contradictions_max)
                text += ", and given no more of this job";
        }
        if (share.lost != 0)
            text += std::string{share.contradictions != 0 ? "; " : ""} +
                    plural(share.lost, "lease", "leases") + " lost or refused";
        text += ".\n";
    }
    (void)now;
    return text;
}

std::string Requestor::State::explain_task(const JobEntry& job, std::uint64_t index,
                                           Instant now) const {
    const std::uint32_t replicas = job.plan.settings.replicas;
    std::string text = "Task " + std::to_string(index) + " (" + job.plan.label(index) + ") is " +
                       std::string{to_text(job.states[index])} + ".\n";
    const auto found = job.tasks.find(index);
    if (found == job.tasks.end()) {
        if (job.states[index] == TaskState::done)
            return text + "It ended long ago; its history is in the store only.\n";
        if (job.states[index] != TaskState::waiting)
            return text + "It was never given to a provider.\n";
        const std::string waiting = waits_for(job);
        if (!waiting.empty()) return text + "The job waits: " + waiting + ".\n";
        return text + "Its turn has not come: tasks are given out in order, and " +
               plural(job.active.size(), "earlier one is", "earlier ones are") + " out now.\n";
    }
    const TaskEntry& task = found->second;
    std::set<Hash32> results;
    for (std::size_t at = 0; at < task.attempts.size(); ++at) {
        const LeaseEntry* entry = lease_of(task.attempts[at]);
        if (entry == nullptr) continue;
        if (entry->receipt) results.insert(entry->receipt->result_id);
        const std::string who = short_name(entry->lease.provider);
        const std::string took =
            entry->committed ? duration_text(*entry->committed - entry->offered) : std::string{};
        text += std::to_string(at + 1) + ". " + who;
        if (entry->speculative) text += " (a second copy, because another took too long)";
        switch (entry->state) {
            case LeaseState::offered:
                text += entry->queued ? " has it queued since " : " has been running it for ";
                text += duration_text(now - entry->offered);
                if (entry->progress.value != 0)
                    text += ", " + std::to_string(entry->progress.value) + " fuel so far";
                break;
            case LeaseState::committed:
                text += " has finished after " + took +
                        " and committed; it waits until the other replica commits too";
                break;
            case LeaseState::revealing:
                text += " was asked to reveal its result";
                break;
            case LeaseState::received:
                text += " says result " + short_name(entry->receipt->result_id) + " after " + took;
                break;
            case LeaseState::accepted:
                text += " gave the accepted result after " + took + " and is paid " +
                        format_amount(entry->paid);
                if (!entry->why.empty()) text += " (" + entry->why + ")";
                break;
            case LeaseState::contradicted:
                text += " gave result " + short_name(entry->receipt->result_id) +
                        ", which differs from the accepted one: rejected and not paid";
                break;
            case LeaseState::refused:
                text += " refused: " + entry->why;
                break;
            case LeaseState::lost:
                text += " was given up: " + entry->why;
                break;
            case LeaseState::cancelled:
                text += " was called off: " + entry->why;
                break;
        }
        text += ".\n";
    }
    if (task.result)
        text += "Accepted result: " + to_hex0x(task.result->view()) + ", because " +
                plural(replicas, "provider gave", "different providers gave") + " it.\n";
    if (!task.result && results.size() > 1)
        text += std::to_string(results.size()) +
                " different results so far: another provider is asked until " +
                std::to_string(replicas) + " agree.\n";
    if (job.wanting.contains(index)) {
        const std::size_t usable = distinct_peers(job, true).size();
        text += "It waits for a provider that has not run it and is free; " +
                plural(usable, "provider is", "providers are") +
                " connected and usable. Start another with `millrace provide`, or raise the price "
                "limit, if this stays.\n";
    }
    if (job.states[index] == TaskState::fetching) {
        std::size_t missing = 0;
        for (const OutputFetch& fetch : task.fetches)
            missing += fetch.is_done ? 0u : 1u;
        text += plural(missing, "output is", "outputs are") + " still to be fetched.\n";
    }
    if (!task.why.empty()) text += capital(task.why) + ".\n";
    return text;
}

}  // namespace millrace::compute
