// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/requestor_control.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/secp256k1.hpp"

namespace millrace::daemon {

using Json = nlohmann::json;
namespace req = compute::requestor;

namespace {

constexpr Duration settlement_wait_max{60'000};
constexpr std::size_t task_page = 1024;
constexpr std::size_t tasks_shown_max = 4096;
constexpr std::uint64_t log_size_max = 4u << 20;  ///< of one stream of one task, on the channel

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json failure_json(const Failure& failure) {
    return {
        {"error", {{"what", failure.what}, {"where", failure.where}, {"remedy", failure.remedy}}}};
}

std::string wei(const Amount& amount) {
    return to_decimal(amount.wei);
}
std::string hex(const Hash32& hash) {
    return to_hex0x(hash.view());
}

Json job_json(const req::JobRow& job) {
    return {{"id", hex(job.id)},
            {"name", job.name},
            {"state", std::string{to_text(job.state)}},
            {"tasks", job.tasks},
            {"done", job.done},
            {"failed", job.failed},
            {"running", job.running},
            {"verified", job.verified},
            {"acknowledged", job.acknowledged},
            {"spent", wei(job.spent)},
            {"waits_for", job.waits_for},
            {"submitted_ms", job.submitted.ms},
            {"finished_ms", job.finished ? Json(job.finished->ms) : Json()}};
}

Json attempt_json(const req::AttemptRow& attempt) {
    Json json{{"lease", hex(attempt.lease)},
              {"provider", crypto::checksum_address(attempt.provider)},
              {"state", std::string{to_text(attempt.state)}},
              {"speculative", attempt.speculative},
              {"offered_ms", attempt.offered.ms},
              {"fuel", attempt.fuel.value},
              {"price", wei(attempt.price)},
              {"paid", wei(attempt.paid)},
              {"why", attempt.why}};
    if (attempt.result) json["result"] = hex(*attempt.result);
    if (attempt.received) json["received_ms"] = attempt.received->ms;
    return json;
}

Json task_json(const req::TaskRow& task) {
    Json attempts = Json::array();
    for (const auto& attempt : task.attempts)
        attempts.push_back(attempt_json(attempt));
    Json json{{"index", task.index},
              {"label", task.label},
              {"state", std::string{to_text(task.state)}},
              {"why", task.why},
              {"attempts", std::move(attempts)}};
    if (task.result) json["result"] = hex(*task.result);
    return json;
}

std::string outcome_text(const req::JobRow& job) {
    return std::string{to_text(job.state)};
}

}  // namespace

Outcome<void> RequestorControl::listen() {
    MILLRACE_TRY(server_, io::ControlServer::listen(
                              daemon_.base_.loop(), daemon_.base_.home().run(),
                              [this](const std::string& line, const io::ControlReply& reply) {
                                  handle(line, reply);
                              }));
    return {};
}

Outcome<Hash32> RequestorControl::find_job(const Json& request) const {
    const std::string wanted = request.value("job", "");
    std::vector<Hash32> found;
    const auto jobs = daemon_.machine().jobs();
    for (const auto& job : jobs) {
        const std::string id = hex(job.id);
        if (id == wanted) return job.id;
        if (job.name == wanted ||
            (wanted.size() >= 4 && (id.starts_with(wanted) || id.substr(2).starts_with(wanted)))) {
            found.push_back(job.id);
        }
    }
    if (found.empty()) {
        return Err{Failure{"there is no job '" + wanted + "'", "agent", "see millrace job ls"}};
    }
    if (found.size() > 1) {
        return Err{Failure{"'" + wanted + "' fits " + std::to_string(found.size()) + " jobs",
                           "agent", "give more of the id; see millrace job ls"}};
    }
    return found.front();
}

void RequestorControl::handle(const std::string& line, const io::ControlReply& reply) {
    const Json request = Json::parse(line, nullptr, false);
    const auto fail = [&](const Failure& failure) { reply.finish(dump(failure_json(failure))); };
    if (!request.is_object()) {
        return fail({"the request is not a JSON object", "control channel", ""});
    }
    const std::string op = request.value("op", "");
    auto& machine = daemon_.machine();
    if (op == "submit") return submit(request, reply);
    if (op == "snapshot") return snapshot(reply);
    if (op == "jobs") {
        Json jobs = Json::array();
        for (const auto& job : machine.jobs())
            jobs.push_back(job_json(job));
        return reply.finish(dump({{"jobs", std::move(jobs)}}));
    }
    if (op == "providers") return reply.finish(dump({{"providers", providers()}}));
    if (op == "status") {
        return reply.finish(dump({{"account", crypto::checksum_address(machine.account())},
                                  {"block", daemon_.view_.block},
                                  {"deposit_free", wei(daemon_.view_.deposit_free_finalized)},
                                  {"providers", daemon_.view_.providers.size()},
                                  {"jobs", machine.jobs().size()}}));
    }
    const auto job = find_job(request);
    if (!job) return fail(job.error());
    if (op == "watch") {
        daemon_.watches_.push_back({reply, *job, {}});
        daemon_.notify_watchers();
        return daemon_.schedule_notify();
    }
    if (op == "await_settlement") {
        daemon_.settlement_waits_.push_back(
            {reply, *job, daemon_.base_.loop().now() + settlement_wait_max});
        return daemon_.schedule_notify();
    }
    if (op == "summary") return reply.finish(dump(summary_of(*job)));
    if (op == "job") {
        Json tasks = Json::array();
        for (const auto& task :
             machine.tasks(*job, request.value("first", std::uint64_t{0}), tasks_shown_max)) {
            tasks.push_back(task_json(task));
        }
        const auto summary = machine.summary(*job);
        return reply.finish(dump({{"job", job_json(summary->job)}, {"tasks", std::move(tasks)}}));
    }
    if (op == "explain") {
        std::optional<std::uint64_t> task;
        if (request.contains("task")) task = request["task"].get<std::uint64_t>();
        return reply.finish(
            dump({{"text", machine.explain(*job, task, daemon_.base_.loop().now())}}));
    }
    if (op == "logs") return logs(request, reply);
    if (op == "cancel") {
        daemon_.step(req::JobCancelled{*job});
        return reply.finish(dump({{"cancelled", hex(*job)}}));
    }
    fail({"unknown request '" + op + "'", "control channel",
          "use a `millrace` of the same version as the agent"});
}

void RequestorControl::submit(const Json& request, const io::ControlReply& reply) {
    const auto parsed = job_request_from_json(request.value("request", ""));
    if (!parsed) return reply.finish(dump(failure_json(parsed.error())));
    const auto job = daemon_.submit(*parsed);
    if (!job) return reply.finish(dump(failure_json(job.error())));
    reply.finish(dump({{"job", hex(*job)}}));
}

void RequestorControl::snapshot(const io::ControlReply& reply) {
    daemon_.chain_->read_view(true, [this, reply](Outcome<ChainView> view) {
        if (!view) return reply.finish(dump(failure_json(view.error())));
        Json rows = Json::array();
        for (std::size_t index = 0; index < view->providers.size(); ++index) {
            const auto& provider = view->providers[index];
            rows.push_back({{"provider", crypto::checksum_address(provider.provider)},
                            {"wallet", wei(view->provider_wallets[index])},
                            {"paid_total", wei(provider.paid_total)},
                            {"accepted_tasks", provider.accepted_tasks},
                            {"contradictions", provider.contradictions},
                            {"streak", provider.streak},
                            {"score", provider.score}});
        }
        reply.finish(dump({{"block", view->block},
                           {"account", crypto::checksum_address(daemon_.machine().account())},
                           {"wallet", wei(view->wallet)},
                           {"deposit_total", wei(view->deposit_total)},
                           {"providers", std::move(rows)}}));
    });
}

Json RequestorControl::providers() const {
    Json rows = Json::array();
    for (const auto& row : daemon_.machine().providers()) {
        std::uint64_t score = 0;
        for (const auto& record : daemon_.view_.providers) {
            if (record.provider == row.provider) score = record.score;
        }
        rows.push_back({{"provider", crypto::checksum_address(row.provider)},
                        {"endpoint", row.endpoint},
                        {"registered", row.registered},
                        {"connected", row.connected},
                        {"price", format_amount(row.price)},
                        {"slots", row.slots},
                        {"leases_out", row.leases_out},
                        {"fuel_per_second", row.fuel_per_second},
                        {"accepted", row.accepted},
                        {"contradicted", row.contradicted},
                        {"refused", row.refused},
                        {"lost", row.lost},
                        {"fuel", row.fuel.value},
                        {"earned", wei(row.earned)},
                        {"acknowledged", wei(row.acknowledged)},
                        {"score", score},
                        {"why_unused", row.why_unused}});
    }
    return rows;
}

Json RequestorControl::summary_of(const Hash32& job) const {
    const auto& machine = daemon_.machine();
    const auto summary = machine.summary(job);
    Json json = job_json(summary->job);
    const Instant end = summary->job.finished.value_or(daemon_.base_.loop().now());
    json["wall_ms"] = (end - summary->job.submitted).count();
    json["replicas"] = summary->replicas;
    json["leases"] = summary->leases;
    json["speculative"] = summary->speculative;
    json["contradictions"] = summary->contradictions;
    json["exit_not_zero"] = summary->exit_not_zero;
    json["fuel"] = summary->fuel.value;
    json["spent"] = wei(summary->spent);
    json["settled"] = summary->settled;
    json["reports_due"] = summary->contradictions;
    Json shares = Json::array();
    for (const auto& share : summary->providers) {
        Json settlements = Json::array();
        for (const auto& transaction : share.settlements)
            settlements.push_back(hex(transaction));
        shares.push_back({{"provider", crypto::checksum_address(share.provider)},
                          {"accepted", share.accepted},
                          {"contradictions", share.contradictions},
                          {"contradicted_tasks", share.contradicted_tasks},
                          {"lost", share.lost},
                          {"fuel", share.fuel.value},
                          {"earned", wei(share.earned)},
                          {"settlements", std::move(settlements)}});
    }
    json["providers"] = std::move(shares);
    Json reports = Json::array();
    for (const auto& [evidence, transaction] : summary->contradiction_reports) {
        reports.push_back({{"evidence", hex(evidence)}, {"transaction", hex(transaction)}});
    }
    json["contradiction_reports"] = std::move(reports);
    Json allocations = Json::array();
    for (const auto& [allocation, transaction] : summary->allocations) {
        allocations.push_back({{"allocation", allocation}, {"transaction", hex(transaction)}});
    }
    json["allocations"] = std::move(allocations);
    Json results = Json::object();
    for (std::uint64_t first = 0; first < summary->job.tasks; first += task_page) {
        for (const auto& task : machine.tasks(job, first, task_page)) {
            if (task.result) results[std::to_string(task.index)] = hex(*task.result);
        }
    }
    json["results"] = std::move(results);
    return json;
}

void RequestorControl::logs(const Json& request, const io::ControlReply& reply) {
    const auto job = find_job(request);
    const auto& machine = daemon_.machine();
    const req::JobPlan* plan = machine.plan(*job);
    const auto summary = machine.summary(*job);
    const bool one = request.contains("task");
    const std::uint64_t wanted = one ? request["task"].get<std::uint64_t>() : 0;
    if (one && wanted >= summary->job.tasks) {
        return reply.finish(dump(
            failure_json({"there is no task " + std::to_string(wanted), summary->job.name,
                          "the job has tasks 0 to " + std::to_string(summary->job.tasks - 1)})));
    }
    const auto read = [&](const types::SealedBlob& blob) {
        if (blob.plain.size == 0 || plan == nullptr) return std::string{};
        const auto content = daemon_.base_.blobs().open_sealed(blob, plan->key, log_size_max);
        return content ? std::string{as_text(*content)} : "[" + content.error().text() + "]\n";
    };
    const std::uint64_t end = one ? wanted + 1 : summary->job.tasks;
    for (std::uint64_t first = wanted; first < end; first += task_page) {
        for (const auto& task :
             machine.tasks(*job, first, std::min<std::uint64_t>(task_page, end - first))) {
            if (!task.accepted) continue;
            reply.line(dump({{"index", task.index},
                             {"label", task.label},
                             {"stdout", read(task.accepted->standard_output)},
                             {"stderr", read(task.accepted->standard_error)}}));
        }
    }
    reply.end();
}

bool RequestorControl::notify(RequestorDaemon::Watch& watch) {
    if (!watch.reply.is_open()) return false;
    const auto summary = daemon_.machine().summary(watch.job);
    if (!summary) return false;
    const auto& job = summary->job;
    const bool over = job.state != req::JobState::running;
    const Instant end = job.finished.value_or(daemon_.base_.loop().now());
    Json line = job_json(job);
    line["elapsed_ms"] = (end - job.submitted).count();
    line["final"] = over;
    if (over && job.state != req::JobState::completed) {
        const auto why = daemon_.failures_.find(watch.job);
        line["why"] = why != daemon_.failures_.end() ? why->second : "the job " + outcome_text(job);
    }
    if (over) {
        watch.reply.finish(dump(line));
        return false;
    }
    watch.reply.line(dump(line));
    return true;
}

bool RequestorControl::notify(RequestorDaemon::SettlementWait& wait) {
    if (!wait.reply.is_open()) return false;
    const auto summary = daemon_.machine().summary(wait.job);
    if (!summary) return false;
    const bool done =
        summary->settled && summary->contradiction_reports.size() >= summary->contradictions;
    if (!done && daemon_.base_.loop().now() < wait.until) return true;
    wait.reply.finish(dump(summary_of(wait.job)));
    return false;
}

}  // namespace millrace::daemon
