// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "evm/revision.hpp"

namespace millrace::node {

struct SystemContract {
    std::string_view name;
    Address address;
    Bytes code;  ///< as deployed; published in the EIP
    /// From these rules on a block is invalid where the contract has no code (EIP-7002, EIP-7251);
    /// null: a call to nothing passes (EIP-4788, EIP-2935).
    std::optional<evm::Revision> required_from;

    [[nodiscard]] bool is_required_by(evm::Revision revision) const noexcept {
        return required_from && revision >= *required_from;
    }
};

/// The contracts that Ethereum's own rules call at the beginning and end of a block from cancun and
/// prague on. A genesis of those rules holds them, each with nonce 1.
const std::vector<SystemContract>& system_contracts();

}  // namespace millrace::node
