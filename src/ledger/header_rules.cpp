// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/fees.hpp"
#include "ledger/transition.hpp"

namespace millrace::ledger {
namespace {

using evm::Revision;
using types::Header;

using Check = Result<void, BlockFailure>;

constexpr std::uint64_t gas_limit_min = 5'000;
constexpr std::uint64_t gas_limit_change_denominator = 1'024;
constexpr std::size_t extra_data_size_max = 32;

Err<BlockFailure> fail(BlockError error) {
    return Err{BlockFailure{.error = error, .transaction = {}, .index = 0}};
}

/// Which optional fields a header of this revision has, no more and no fewer.
bool has_fields_of(Revision revision, const Header& header) noexcept {
    const bool cancun = revision >= Revision::cancun;
    return header.base_fee.has_value() == (revision >= Revision::london) &&
           header.withdrawals_root.has_value() == (revision >= Revision::shanghai) &&
           header.blob_gas_used.has_value() == cancun &&
           header.excess_blob_gas.has_value() == cancun &&
           header.parent_beacon_block_root.has_value() == cancun &&
           header.requests_hash.has_value() == (revision >= Revision::prague);
}

bool gas_limit_follows(std::uint64_t limit, std::uint64_t parent_limit) noexcept {
    if (limit < gas_limit_min) return false;
    const std::uint64_t distance =
        limit > parent_limit ? limit - parent_limit : parent_limit - limit;
    return distance < parent_limit / gas_limit_change_denominator;
}

/// EIP-3675: what proof of work left behind is constant from paris on.
Check check_after_paris(const Header& header) {
    if (!header.difficulty.is_zero()) return fail(BlockError::bad_difficulty);
    if (header.nonce != decltype(header.nonce){}) return fail(BlockError::bad_header_fields);
    if (header.ommers_hash != types::ommers_hash({})) return fail(BlockError::bad_ommers);
    return {};
}

}  // namespace

Check check_header(const ChainConfig& config, const Header& header, const Header& parent,
                   bool strict_time) {
    const Rules rules = rules_at(config, header.number, header.timestamp);
    const Rules parent_rules = rules_at(config, parent.number, parent.timestamp);
    if (header.parent_hash != parent.hash()) return fail(BlockError::unknown_parent);
    if (parent.number == ~std::uint64_t{0} || header.number != parent.number + 1) {
        return fail(BlockError::bad_number);
    }
    if (header.timestamp < parent.timestamp ||
        (strict_time && header.timestamp == parent.timestamp)) {
        return fail(BlockError::bad_timestamp);
    }
    if (!has_fields_of(rules.revision, header)) return fail(BlockError::bad_header_fields);
    if (header.extra_data.size() > extra_data_size_max) {
        return fail(BlockError::extra_data_too_long);
    }
    const bool london_begins =
        rules.revision >= Revision::london && parent_rules.revision < Revision::london;
    // EIP-1559 doubles the limit once, so that the target stays where the limit was.
    if (!gas_limit_follows(header.gas_limit, parent.gas_limit * (london_begins ? 2 : 1))) {
        return fail(BlockError::bad_gas_limit);
    }
    if (header.gas_used > header.gas_limit) return fail(BlockError::gas_used_over_limit);
    if (header.base_fee && *header.base_fee != next_base_fee(config, parent)) {
        return fail(BlockError::bad_base_fee);
    }
    if (rules.revision >= Revision::paris) {
        MILLRACE_TRY_VOID(check_after_paris(header));
    }
    if (header.excess_blob_gas && *header.excess_blob_gas != next_excess_blob_gas(rules, parent)) {
        return fail(BlockError::bad_blob_gas);
    }
    return {};
}

}  // namespace millrace::ledger
