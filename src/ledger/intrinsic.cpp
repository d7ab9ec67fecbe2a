// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "ledger/transition.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;

constexpr std::uint64_t base_cost = 21'000;
constexpr std::uint64_t creation_cost = 32'000;  // EIP-2
constexpr std::uint64_t zero_byte_cost = 4;
constexpr std::uint64_t byte_cost_frontier = 68;
constexpr std::uint64_t byte_cost_istanbul = 16;      // EIP-2028
constexpr std::uint64_t init_code_word_cost = 2;      // EIP-3860
constexpr std::uint64_t access_address_cost = 2'400;  // EIP-2930
constexpr std::uint64_t access_slot_cost = 1'900;
constexpr std::uint64_t authorization_cost = 25'000;  // EIP-7702
constexpr std::uint64_t floor_token_cost = 10;        // EIP-7623
constexpr std::uint64_t tokens_per_byte = 4;

}  // namespace

GasCost intrinsic_gas(Revision revision, const types::Transaction& transaction) noexcept {
    // The sizes are of things in memory: no product here comes near 64 bits.
    const std::uint64_t size = transaction.data.size();
    const auto zeros =
        static_cast<std::uint64_t>(std::ranges::count(transaction.data, std::uint8_t{0}));
    const std::uint64_t byte_cost =
        revision >= Revision::istanbul ? byte_cost_istanbul : byte_cost_frontier;
    GasCost cost{.intrinsic = base_cost + zeros * zero_byte_cost + (size - zeros) * byte_cost,
                 .floor = 0};
    if (!transaction.to && revision >= Revision::homestead) cost.intrinsic += creation_cost;
    if (!transaction.to && revision >= Revision::shanghai) {
        cost.intrinsic += (size + 31) / 32 * init_code_word_cost;
    }
    for (const types::AccessListEntry& entry : transaction.access_list) {
        cost.intrinsic += access_address_cost + entry.storage_keys.size() * access_slot_cost;
    }
    cost.intrinsic += transaction.authorizations.size() * authorization_cost;
    if (revision >= Revision::prague) {
        const std::uint64_t tokens = zeros + (size - zeros) * tokens_per_byte;
        cost.floor = base_cost + tokens * floor_token_cost;
    }
    return cost;
}

}  // namespace millrace::ledger
