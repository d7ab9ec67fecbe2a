// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sim/market.hpp"

#include "base/assert.hpp"

#include "crypto/hash.hpp"
#include "sim/model_task.hpp"
#include "sim/provider_host.hpp"
#include "sim/requestor_host.hpp"

namespace millrace::sim {
namespace {

namespace req = compute::requestor;

void add(Amount& sum, const Amount& more) {
    const auto total = checked_add(sum, more);
    MILLRACE_ASSERT(total.has_value());
    sum = *total;
}

std::string text_of(const Amount& amount) {
    return to_decimal(amount.wei);
}

/// The accounts after everything is over: requestor, providers and chain tell the same story.
void check_accounts(World& world) {
    const compute::Requestor& requestor = world.requestor->machine();
    const req::JobPlan& plan = world.requestor->plan();
    std::map<Address, Amount> due;
    const auto rows = requestor.tasks(plan.id, 0, plan.task_count());
    if (rows.size() != plan.task_count()) world.violated("every task is told of");
    for (const req::TaskRow& row : rows) {
        const std::string name = "task " + std::to_string(row.index);
        const ModelOutput honest = run_model(plan.task(row.index), std::nullopt);
        const Hash32 right = honest.summary.result_id();
        if (row.state != req::TaskState::done) world.violated(name + " is done: " + row.why);
        if (row.result != right) world.violated(name + " has the honest result");
        std::uint32_t equal = 0;
        for (const req::AttemptRow& attempt : row.attempts) {
            const auto price = types::task_price(attempt.price, attempt.fuel);
            if (attempt.state == req::LeaseState::accepted) {
                ++equal;
                if (attempt.result != right)
                    world.violated(name + ": a wrong result is not accepted");
                if (!price || attempt.paid != *price)
                    world.violated(name + ": paid its price, once");
                add(due[attempt.provider], attempt.paid);
            } else if (!attempt.paid.wei.is_zero()) {
                world.violated(name + ": what is not accepted is not paid");
            }
            if (attempt.state == req::LeaseState::contradicted) {
                ++world.report.contradictions;
                if (attempt.result == right)
                    world.violated(name + ": the right result is contradicted");
            }
            if (attempt.received) ++world.report.replicas;
        }
        if (equal < world.settings.replicas) world.violated(name + " has its agreeing replicas");
    }
    Amount paid;
    for (const auto& provider : world.providers) {
        const Address owner = provider->record().provider;
        const Amount settled = world.chain.paid_to(owner);
        const compute::provider::Status status = provider->machine().status();
        if (settled != due[owner])
            world.violated("chain paid " + text_of(settled) + ", due is " + text_of(due[owner]));
        if (status.earned != settled)
            world.violated("a provider's vouchers are worth " + text_of(status.earned) +
                           ", settled are " + text_of(settled));
        add(paid, settled);
    }
    world.report.paid = paid;
    if (requestor.signed_total() != paid) world.violated("vouchers signed are vouchers settled");
    if (!world.chain.conserved()) world.violated("deposits are conserved");
    if (!world.chain.locked().wei.is_zero())
        world.violated("nothing stays promised, but " + text_of(world.chain.locked()) + " is");
}

/// What the open tasks wait for, as both sides see it.
std::string stuck(const World& world) {
    if (!world.requestor->is_up()) return "the requestor is down";
    const compute::Requestor& requestor = world.requestor->machine();
    const req::JobPlan& plan = world.requestor->plan();
    std::string text = requestor.explain(plan.id, std::nullopt, world.now());
    std::map<Hash32, compute::provider::LeaseState> theirs;
    for (const auto& provider : world.providers) {
        if (!provider->is_up()) continue;
        for (const auto& row : provider->machine().status().leases)
            theirs[row.lease] = row.state;
    }
    for (const req::TaskRow& row : requestor.tasks(plan.id, 0, plan.task_count())) {
        if (row.state == req::TaskState::done) continue;
        text +=
            "\n    task " + std::to_string(row.index) + " " + std::string{to_text(row.state)} + ":";
        for (const req::AttemptRow& attempt : row.attempts) {
            const auto there = theirs.find(attempt.lease);
            text += " " + to_hex(attempt.provider.view()).substr(0, 6) + "=" +
                    std::string{to_text(attempt.state)} + "/" +
                    (there == theirs.end() ? "none" : std::string{to_text(there->second)});
        }
    }
    return text;
}

}  // namespace

MarketReport run_market(const MarketSettings& settings) {
    World world{settings};
    for (std::size_t index = 0; index < settings.providers; ++index)
        world.providers.push_back(std::make_unique<ProviderHost>(world, index));
    world.requestor = std::make_unique<RequestorHost>(world);
    const Instant started = world.now();
    for (const auto& provider : world.providers)
        provider->start();
    world.requestor->start();
    const Instant last = started + Duration{std::int64_t{settings.time_max_seconds} * 1000};
    bool over = false;
    while (!over && world.now() < last && world.timeline.run_next()) {
        if (world.report.job_ms == 0 && world.requestor->job_over())
            world.report.job_ms = static_cast<std::uint64_t>((world.now() - started).count());
        bool all_up = true;
        for (const auto& provider : world.providers)
            all_up = all_up && provider->is_up();
        over = all_up && world.requestor->is_up() && world.report.job_ms != 0 &&
               world.requestor->settled();
    }
    if (over) {
        check_accounts(world);
    } else {
        world.violated("all of it is over in time: " + stuck(world));
    }
    world.report.steps = world.timeline.steps();
    world.report.virtual_ms = static_cast<std::uint64_t>((world.now() - started).count());
    Bytes trace;
    for (int shift = 56; shift >= 0; shift -= 8)
        trace.push_back(static_cast<std::uint8_t>(world.trace >> shift));
    world.report.trace = crypto::keccak256(trace);
    return std::move(world.report);
}

}  // namespace millrace::sim
