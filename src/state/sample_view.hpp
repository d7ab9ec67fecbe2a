// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Views and addresses for tests.

#include "base/assert.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

/// A state without accounts: the bottom of overlays.
class EmptyView final : public StateView {
  public:
    [[nodiscard]] std::optional<Account> account(const Address&) const override {
        return std::nullopt;
    }
    [[nodiscard]] U256 storage(const Address&, const U256&) const override { return U256{}; }
    [[nodiscard]] bool has_storage(const Address&) const override { return false; }
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const override {
        MILLRACE_ASSERT(hash == evm::empty_code_hash);
        return evm::Code::empty();
    }
};

/// An address that ends in `number`.
[[nodiscard]] inline Address sample_address(std::uint64_t number) noexcept {
    Address address;
    for (std::size_t index = 0; index < 8; ++index)
        address.bytes[19 - index] = static_cast<std::uint8_t>(number >> (8 * index));
    return address;
}

}  // namespace millrace::state
