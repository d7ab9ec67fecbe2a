// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Gas prices: eth_gasPrice, eth_maxPriorityFeePerGas, eth_blobBaseFee, eth_feeHistory. The oracle
// of tips follows geth's (eth/gasprice).

#include <algorithm>
#include <charconv>

#include "ledger/fees.hpp"
#include "ledger/transition.hpp"
#include "node/api/encode.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

using types::Header;

// Of the oracle, as geth has them.
constexpr std::size_t sample_blocks = 20;
constexpr std::size_t sample_blocks_max = 40;
constexpr std::size_t samples_per_block = 3;
constexpr std::size_t sample_percentile = 60;
constexpr U256 first_tip{1'000'000'000};
constexpr U256 largest_tip{500'000'000'000};
constexpr U256 smallest_tip_seen{2};  ///< what is below says nothing about a market

// Of eth_feeHistory.
constexpr std::uint64_t history_blocks_max = 1'024;
constexpr std::size_t percentiles_max = 100;

U256 tip_of(const types::Transaction& transaction, const std::optional<U256>& base_fee) {
    const U256 price = effective_gas_price(transaction, base_fee);
    return checked_sub(price, base_fee.value_or(U256{})).value_or(U256{});
}

/// The base fee of a block on `parent`; 0 before london.
U256 fee_after(const ledger::ChainConfig& config, const Header& parent) {
    const ledger::Rules rules = ledger::rules_at(config, parent.number + 1, parent.timestamp);
    if (rules.revision < evm::Revision::london) return U256{};
    return ledger::next_base_fee(config, parent);
}

/// The lowest tips of a block; those of its producer say nothing.
std::vector<U256> lowest_tips(const ChainView& view, std::uint64_t height) {
    std::vector<U256> lowest;
    const auto header = view.header(Height{height});
    if (!header || header->gas_used == 0) return lowest;
    const auto block = view.block(Height{height});
    if (!block) return lowest;
    std::vector<std::pair<U256, std::size_t>> tips;
    tips.reserve(block->transactions.size());
    for (std::size_t index = 0; index < block->transactions.size(); ++index) {
        const U256 tip = tip_of(block->transactions[index].transaction, header->base_fee);
        if (tip >= smallest_tip_seen) tips.emplace_back(tip, index);
    }
    std::sort(tips.begin(), tips.end());
    for (const auto& [tip, index] : tips) {
        if (lowest.size() == samples_per_block) break;
        if (sender_of(block->transactions[index]) != header->coinbase) lowest.push_back(tip);
    }
    return lowest;
}

Answer gas_price(const Call& call) {
    const auto sum = checked_add(suggest_tip(call), next_fee(call));
    return quantity_text(sum.value_or(~U256{}));
}

Answer max_priority_fee(const Call& call) {
    return quantity_text(suggest_tip(call));
}

Answer blob_base_fee(const Call& call) {
    const Header& head = call.view->head().header;
    if (!head.excess_blob_gas) return std::string{"null"};
    const auto rules = ledger::rules_at(call.view->config(), head.number, head.timestamp);
    return quantity_text(ledger::blob_base_fee(rules, *head.excess_blob_gas));
}

Answer base_fee(const Call& call) {
    const Header& head = call.view->head().header;
    const auto rules = ledger::rules_at(call.view->config(), head.number + 1, head.timestamp);
    if (rules.revision < evm::Revision::london) return std::string{"null"};
    return quantity_text(next_fee(call));
}

/// A number, or text in either base: geth's HexOrDecimal64.
Read<std::uint64_t> read_block_count(const Call& call) {
    const JsonValueView value = call.at(0);
    if (const auto number = value.u64()) return *number;
    if (const auto text = value.plain_text()) {
        const auto decimal = u256_from_decimal(*text);
        if (decimal && decimal->fits_u64()) return decimal->words[0];
    }
    return call.u64(0);
}

Read<std::vector<double>> read_percentiles(const Call& call) {
    std::vector<double> percentiles;
    const JsonValueView list = call.at(2);
    if (list.is_nothing()) return percentiles;
    if (!list.is(JsonValueView::Kind::array)) return Where{2}.wrong("not an array of numbers");
    if (list.size() > percentiles_max) {
        return server_error("invalid reward percentile: over the query limit " +
                            std::to_string(percentiles_max));
    }
    for (const JsonValueView item : list) {
        const auto number = item.number();
        if (!number) return Where{2}.wrong("not an array of numbers");
        if (!(*number >= 0 && *number <= 100)) {
            return server_error("invalid reward percentile: " + std::to_string(*number));
        }
        if (!percentiles.empty() && *number <= percentiles.back()) {
            const std::size_t index = percentiles.size();
            return server_error("invalid reward percentile: #" + std::to_string(index - 1) + ":" +
                                std::to_string(percentiles.back()) + " >= #" +
                                std::to_string(index) + ":" + std::to_string(*number));
        }
        percentiles.push_back(*number);
    }
    return percentiles;
}

/// The tips at these percentiles of a block's gas.
void write_rewards(JsonWriter& out, const ChainView& view, const Header& header,
                   const std::vector<double>& percentiles) {
    struct Paid {
        U256 tip;
        std::uint64_t gas = 0;
    };
    std::vector<Paid> paid;
    if (header.gas_used > 0) {
        const auto block = view.block(Height{header.number});
        const auto receipts = view.receipts(Height{header.number});
        if (block && receipts && block->transactions.size() == receipts->size()) {
            std::uint64_t before = 0;
            for (std::size_t index = 0; index < receipts->size(); ++index) {
                const std::uint64_t after = (*receipts)[index].cumulative_gas_used;
                const auto& transaction = block->transactions[index].transaction;
                paid.push_back({tip_of(transaction, header.base_fee), after - before});
                before = after;
            }
        }
    }
    std::sort(paid.begin(), paid.end(),
              [](const Paid& left, const Paid& right) { return left.tip < right.tip; });
    out.begin('[');
    std::size_t index = 0;
    std::uint64_t gas = paid.empty() ? 0 : paid.front().gas;
    for (const double percentile : percentiles) {
        if (paid.empty()) {
            out.quantity(0U);
            continue;
        }
        const auto threshold =
            static_cast<std::uint64_t>(static_cast<double>(header.gas_used) * percentile / 100);
        while (gas < threshold && index + 1 < paid.size())
            gas += paid[++index].gas;
        out.quantity(paid[index].tip);
    }
    out.end(']');
}

void write_ratio(JsonWriter& out, std::uint64_t part, std::uint64_t whole) {
    const double ratio = whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
    char digits[32];
    const auto result = std::to_chars(digits, digits + sizeof digits, ratio);
    out.raw({digits, static_cast<std::size_t>(result.ptr - digits)});
}

Answer fee_history(const Call& call) {
    MILLRACE_TRY(std::uint64_t count, read_block_count(call));
    MILLRACE_TRY(const std::vector<double> percentiles, read_percentiles(call));
    MILLRACE_TRY(const BlockId id, call.block(1));
    const ChainView& view = *call.view;
    const std::uint64_t head = view.head().header.number;
    if (id.kind == BlockId::Kind::number && id.number > head) {
        return server_error("request beyond head block: requested " + std::to_string(id.number) +
                            ", head " + std::to_string(head));
    }
    MILLRACE_TRY(const Height newest, call.require(id));
    if (count == 0) return std::string{R"({"oldestBlock":"0x0","gasUsedRatio":null})"};
    // Not newest + 1: that has no room at the end of 64 bits.
    if (count - 1 > newest.value) count = newest.value + 1;
    count = std::min(count, history_blocks_max);
    const std::uint64_t oldest = newest.value - (count - 1);

    JsonWriter rewards, fees, ratios, blob_fees, blob_ratios;
    for (JsonWriter* part : {&rewards, &fees, &ratios, &blob_fees, &blob_ratios})
        part->begin('[');
    std::optional<Header> header;
    for (std::uint64_t offset = 0; offset < count; ++offset) {
        header = view.header(Height{oldest + offset});
        if (!header) return server_error("header not found");
        const auto rules = ledger::rules_at(view.config(), header->number, header->timestamp);
        fees.quantity(header->base_fee.value_or(U256{}));
        write_ratio(ratios, header->gas_used, header->gas_limit);
        blob_fees.quantity(header->excess_blob_gas
                               ? ledger::blob_base_fee(rules, *header->excess_blob_gas)
                               : U256{});
        write_ratio(blob_ratios, header->blob_gas_used.value_or(0),
                    rules.blobs.max * ledger::gas_per_blob);
        if (!percentiles.empty()) write_rewards(rewards, view, *header, percentiles);
    }
    // One more than there are blocks: the fees of the one behind them.
    fees.quantity(fee_after(view.config(), *header));
    const auto rules = ledger::rules_at(view.config(), header->number + 1, header->timestamp);
    blob_fees.quantity(
        header->excess_blob_gas
            ? ledger::blob_base_fee(rules, ledger::next_excess_blob_gas(rules, *header))
            : U256{});
    for (JsonWriter* part : {&rewards, &fees, &ratios, &blob_fees, &blob_ratios})
        part->end(']');

    JsonWriter out;
    out.begin('{').key("oldestBlock").quantity(oldest);
    if (!percentiles.empty()) out.key("reward").raw(std::move(rewards).take());
    out.key("baseFeePerGas").raw(std::move(fees).take());
    out.key("gasUsedRatio").raw(std::move(ratios).take());
    out.key("baseFeePerBlobGas").raw(std::move(blob_fees).take());
    out.key("blobGasUsedRatio").raw(std::move(blob_ratios).take()).end('}');
    return std::move(out).take();
}

constexpr Method methods[] = {
    {.name = "eth_gasPrice",
     .now = gas_price,
     .summary = "A gas price that gets a transaction into the next blocks."},
    {.name = "eth_maxPriorityFeePerGas",
     .now = max_priority_fee,
     .summary = "A tip per gas that gets a transaction into the next blocks."},
    {.name = "eth_blobBaseFee",
     .now = blob_base_fee,
     .summary = "The price of a unit of blob gas, null before cancun."},
    {.name = "eth_baseFee",
     .now = base_fee,
     .summary = "The base fee of the next block, null before london."},
    {.name = "eth_feeHistory",
     .arguments_min = 2,
     .arguments_max = 3,
     .now = fee_history,
     .summary = "Base fees, use and tips of up to 1024 blocks."},
};

}  // namespace

U256 next_fee(const Call& call) {
    return fee_after(call.view->config(), call.view->head().header);
}

U256 suggest_tip(const Call& call) {
    const ChainView& view = *call.view;
    Api::State& api = call.api;
    U256 last = first_tip;
    {
        const std::lock_guard lock{api.tip_mutex};
        if (api.tip_head == view.head().hash) return api.tip;
        if (!api.tip_head.is_zero()) last = api.tip;
    }
    // A block without samples repeats the last answer; one with a single sample is worth half a
    // block, so more of them are looked at.
    std::vector<U256> samples;
    std::size_t blocks_left = sample_blocks;
    for (std::uint64_t height = view.head().header.number; height > 0 && blocks_left > 0;
         --height) {
        --blocks_left;
        std::vector<U256> tips = lowest_tips(view, height);
        if (tips.empty()) tips.push_back(last);
        if (tips.size() == 1 && samples.size() + 1 + blocks_left < sample_blocks_max) ++blocks_left;
        samples.insert(samples.end(), tips.begin(), tips.end());
    }
    U256 tip = last;
    if (!samples.empty()) {
        std::sort(samples.begin(), samples.end());
        tip = std::min(samples[(samples.size() - 1) * sample_percentile / 100], largest_tip);
    }
    const std::lock_guard lock{api.tip_mutex};
    api.tip_head = view.head().hash;
    api.tip = tip;
    return tip;
}

std::span<const Method> fee_methods() {
    return methods;
}

}  // namespace millrace::node
