// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/fees.hpp"

#include "ledger/transition.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;

constexpr std::uint64_t elasticity = 2;
constexpr std::uint64_t base_fee_change_denominator = 8;
/// EIP-7918: the execution gas a blob is worth.
constexpr std::uint64_t blob_base_cost = 1 << 13;

/// base_fee * part / whole; the product of a base fee and 64 bits has room in every chain that
/// could pay for its own blocks, and saturates otherwise.
U256 share(const U256& base_fee, std::uint64_t part, std::uint64_t whole) noexcept {
    const auto product = checked_mul(base_fee, U256{part});
    return div_or_zero(product ? *product : ~U256{}, U256{whole});
}

}  // namespace

U256 fake_exponential(const U256& factor, const U256& numerator, const U256& denominator) noexcept {
    const auto first = checked_mul(factor, denominator);
    if (!first) return ~U256{};
    U256 term = *first;
    U256 sum;
    for (std::uint64_t step = 1; !term.is_zero(); ++step) {
        const auto next_sum = checked_add(sum, term);
        const auto product = checked_mul(term, numerator);
        const auto divisor = checked_mul(denominator, U256{step});
        if (!next_sum || !product || !divisor) return ~U256{};
        sum = *next_sum;
        term = div_or_zero(*product, *divisor);
    }
    return div_or_zero(sum, denominator);
}

U256 blob_base_fee(const Rules& rules, std::uint64_t excess_blob_gas) noexcept {
    return fake_exponential(U256{1}, U256{excess_blob_gas},
                            U256{rules.blobs.base_fee_update_fraction});
}

U256 next_base_fee(const ChainConfig& config, const types::Header& parent) noexcept {
    const Rules parent_rules = rules_at(config, parent.number, parent.timestamp);
    if (parent_rules.revision < Revision::london || !parent.base_fee) return initial_base_fee;
    const U256& fee = *parent.base_fee;
    const std::uint64_t target = parent.gas_limit / elasticity;
    if (parent.gas_used == target || target == 0) return fee;
    const bool rises = parent.gas_used > target;
    const std::uint64_t distance = rises ? parent.gas_used - target : target - parent.gas_used;
    const U256 delta = div_or_zero(share(fee, distance, target), U256{base_fee_change_denominator});
    if (!rises) return checked_sub(fee, delta).value_or(U256{});
    return checked_add(fee, delta.is_zero() ? U256{1} : delta).value_or(~U256{});
}

std::uint64_t next_excess_blob_gas(const Rules& rules, const types::Header& parent) noexcept {
    const std::uint64_t excess = parent.excess_blob_gas.value_or(0);
    const std::uint64_t used = parent.blob_gas_used.value_or(0);
    const std::uint64_t target = rules.blobs.target * gas_per_blob;
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(excess, used, &sum)) sum = ~std::uint64_t{0};
    if (sum < target) return 0;
    if (rules.revision >= Revision::osaka && rules.blobs.max > 0) {
        const auto blob_price = checked_mul(U256{gas_per_blob}, blob_base_fee(rules, excess));
        const auto execution_price =
            checked_mul(U256{blob_base_cost}, parent.base_fee.value_or(U256{}));
        if (blob_price && (!execution_price || *execution_price > *blob_price)) {
            const std::uint64_t above = rules.blobs.max - rules.blobs.target;
            return excess + used / rules.blobs.max * above +
                   used % rules.blobs.max * above / rules.blobs.max;
        }
    }
    return sum - target;
}

}  // namespace millrace::ledger
