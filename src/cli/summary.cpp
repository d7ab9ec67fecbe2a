// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/summary.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/u256.hpp"
#include "cli/progress.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

/// Amounts travel as decimal wei.
Amount amount_of(const Json& wei) {
    const auto number = u256_from_decimal(wei.get<std::string>());
    return Amount{number.value_or(U256{})};
}

std::string coins(const Json& wei) {
    return format_amount(amount_of(wei));
}

std::optional<Json> find_provider(const Json& snapshot, const Json& address) {
    for (const auto& row : snapshot.at("providers")) {
        if (row.at("provider") == address) return row;
    }
    return std::nullopt;
}

std::string difference(const Json& larger, const Json& smaller) {
    const auto rest = checked_sub(amount_of(larger), amount_of(smaller));
    return rest ? to_decimal(rest->wei) : "-1";
}

}  // namespace

Json combine_summary(const Json& summary, const Json& before, const Json& after, const Json& local,
                     const FirstTask& first_task) {
    Json result = summary;
    const auto milliseconds = [](const std::optional<Duration>& duration) {
        return duration ? Json(duration->count()) : Json();
    };
    result["first_verified_ms"] = milliseconds(first_task.verified);
    result["first_paid_ms"] = milliseconds(first_task.paid);
    Amount earned_total;
    for (auto& provider : result.at("providers")) {
        const auto first = find_provider(before, provider.at("provider"));
        const auto last = find_provider(after, provider.at("provider"));
        if (!last) continue;
        const Json& start = first ? *first : *last;
        provider["wallet_before"] = start.at("wallet");
        provider["wallet_after"] = last->at("wallet");
        provider["paid_on_chain"] = difference(last->at("paid_total"), start.at("paid_total"));
        for (const char* counter : {"accepted_tasks", "contradictions", "streak", "score"}) {
            provider["counters_before"][counter] = start.at(counter);
            provider["counters_after"][counter] = last->at(counter);
        }
    }
    for (const auto& row : after.at("providers")) {
        const auto first = find_provider(before, row.at("provider"));
        const std::string paid = first ? difference(row.at("paid_total"), first->at("paid_total"))
                                       : row.at("paid_total").get<std::string>();
        if (const auto sum = checked_add(earned_total, amount_of(Json(paid)))) earned_total = *sum;
    }
    const std::string spent = difference(before.at("deposit_total"), after.at("deposit_total"));
    result["requestor"] = {{"account", after.at("account")},
                           {"deposit_before", before.at("deposit_total")},
                           {"deposit_after", after.at("deposit_total")},
                           {"wallet_before", before.at("wallet")},
                           {"wallet_after", after.at("wallet")},
                           {"deposit_spent", spent}};
    result["money"] = {{"deposit_spent", spent},
                       {"paid_to_providers", to_decimal(earned_total.wei)},
                       {"vouchers_signed", summary.at("spent")},
                       {"conserved", spent == to_decimal(earned_total.wei) &&
                                         spent == summary.at("spent").get<std::string>()}};
    result["block_before"] = before.at("block");
    result["block_after"] = after.at("block");
    if (!local.is_null()) result["local"] = local;
    return result;
}

namespace {

/// What the contract remembers of a provider, where the job changed it. The score halves with each
/// contradiction, which also ends the streak; both grow by one with each paid result.
void print_record(const Json& provider) {
    if (!provider.contains("counters_after")) return;
    const Json& before = provider["counters_before"];
    const Json& after = provider["counters_after"];
    if (before == after) return;
    const auto change = [&](const char* counter) {
        return before.at(counter).dump() + " -> " + after.at(counter).dump();
    };
    std::printf("  %.10s… record on chain: accepted %s, contradictions %s, streak %s, score %s\n",
                provider.at("provider").get<std::string>().c_str(),
                change("accepted_tasks").c_str(), change("contradictions").c_str(),
                change("streak").c_str(), change("score").c_str());
}

void print_providers(const Json& summary) {
    std::printf("\n%-42s %8s %6s %5s %20s %16s\n", "provider", "accepted", "wrong", "lost",
                "earned", "score");
    for (const auto& provider : summary.at("providers")) {
        std::string score = "-";
        if (provider.contains("counters_after")) {
            score = fmt::format("{} -> {}", provider["counters_before"]["score"].dump(),
                                provider["counters_after"]["score"].dump());
        }
        std::printf(
            "%-42s %8s %6s %5s %20s %16s\n", provider.at("provider").get<std::string>().c_str(),
            provider.at("accepted").dump().c_str(), provider.at("contradictions").dump().c_str(),
            provider.at("lost").dump().c_str(), coins(provider.at("earned")).c_str(),
            score.c_str());
    }
    for (const auto& provider : summary.at("providers")) {
        if (provider.at("contradictions").get<std::uint64_t>() > 0) {
            std::printf("  %s lied in tasks %s\n",
                        provider.at("provider").get<std::string>().c_str(),
                        provider.at("contradicted_tasks").dump().c_str());
        }
        for (const auto& transaction : provider.at("settlements")) {
            std::printf("  %.10s… settled in %s\n",
                        provider.at("provider").get<std::string>().c_str(),
                        transaction.get<std::string>().c_str());
        }
        if (provider.contains("wallet_before")) {
            std::printf("  %.10s… wallet %s -> %s (settlement fees paid from it)\n",
                        provider.at("provider").get<std::string>().c_str(),
                        coins(provider["wallet_before"]).c_str(),
                        coins(provider["wallet_after"]).c_str());
        }
        print_record(provider);
    }
    for (const auto& report : summary.at("contradiction_reports")) {
        std::printf("  contradiction proven on chain in %s\n",
                    report.at("transaction").get<std::string>().c_str());
    }
}

std::string time_text(const Json& milliseconds) {
    return milliseconds.is_null() ? "(never)"
                                  : fmt::format("{:.2f} s", milliseconds.get<double>() / 1000);
}

}  // namespace

void print_summary(const Json& summary) {
    const auto number = [&](const char* key) { return summary.at(key).get<unsigned long long>(); };
    std::printf("\njob %s (%s): %s\n", summary.at("name").get<std::string>().c_str(),
                summary.at("id").get<std::string>().c_str(),
                summary.at("state").get<std::string>().c_str());
    std::printf(
        "  tasks           %llu (%llu done, %llu failed, %llu ended with an error of their own)\n",
        number("tasks"), number("done"), number("failed"), number("exit_not_zero"));
    std::printf("  replicas        %llu results for %llu leases (%llu speculative)\n",
                number("replicas"), number("leases"), number("speculative"));
    std::printf("  contradictions  %llu\n", number("contradictions"));
    std::printf("  fuel            %llu\n", number("fuel"));
    std::printf("  wall time       %s", format_duration(summary.at("wall_ms")).c_str());
    if (summary.contains("local")) {
        std::printf("   (the same tasks locally, %s at a time: %s; results %s)",
                    summary["local"]["parallel"].dump().c_str(),
                    format_duration(summary["local"]["wall_ms"]).c_str(),
                    summary["local"]["identical"].get<bool>() ? "identical" : "DIFFERENT");
    }
    std::printf("\n");
    if (summary.contains("first_paid_ms")) {
        std::printf("  first task      verified after %s, paid after %s\n",
                    time_text(summary["first_verified_ms"]).c_str(),
                    time_text(summary["first_paid_ms"]).c_str());
    }
    print_providers(summary);
    if (!summary.contains("money")) return;
    const Json& requestor = summary["requestor"];
    std::printf("\nrequestor %s\n  deposit         %s -> %s\n",
                requestor.at("account").get<std::string>().c_str(),
                coins(requestor.at("deposit_before")).c_str(),
                coins(requestor.at("deposit_after")).c_str());
    for (const auto& allocation : summary.value("allocations", Json::array())) {
        std::printf("  allocation %s in %s\n", allocation.at("allocation").dump().c_str(),
                    allocation.at("transaction").get<std::string>().c_str());
    }
    const Json& money = summary["money"];
    std::printf("  money           deposit spent %s = paid to providers %s = vouchers %s: %s\n",
                money.at("deposit_spent").get<std::string>().c_str(),
                money.at("paid_to_providers").get<std::string>().c_str(),
                money.at("vouchers_signed").get<std::string>().c_str(),
                money.at("conserved").get<bool>() ? "conserved to the last wei" : "NOT EQUAL");
}

}  // namespace millrace::cli
