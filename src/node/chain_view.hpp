// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "node/chain.hpp"
#include "state/snapshot.hpp"

namespace millrace::node {

/// A ChainView of the rows of a Chain; private to it. The state's snapshot carries all tables.
class StoredView final : public ChainView {
  public:
    struct Parts {
        std::shared_ptr<const ledger::ChainConfig> config;
        Hash32 genesis_hash;
        Head head;
        std::shared_ptr<const state::StateSnapshot> state;
        std::shared_ptr<const state::StateDiff> overrides;  ///< at the head; may be null
    };
    explicit StoredView(Parts parts) : parts_{std::move(parts)} {}

    [[nodiscard]] const ledger::ChainConfig& config() const override { return *parts_.config; }
    [[nodiscard]] const Hash32& genesis_hash() const override { return parts_.genesis_hash; }
    [[nodiscard]] const Head& head() const override { return parts_.head; }
    [[nodiscard]] std::optional<types::Header> header(Height height) const override;
    [[nodiscard]] std::optional<types::Block> block(Height height) const override;
    [[nodiscard]] std::optional<std::vector<types::TransactionReceipt>> receipts(
        Height height) const override;
    [[nodiscard]] std::optional<Height> height_of(const Hash32& block) const override;
    [[nodiscard]] std::optional<TransactionPlace> place_of(
        const Hash32& transaction) const override;
    [[nodiscard]] std::optional<Hash32> hash_at(Height height) const override;
    [[nodiscard]] std::shared_ptr<const state::StateView> state(Height height) const override;
    [[nodiscard]] bool head_is_overridden() const override { return parts_.overrides != nullptr; }
    [[nodiscard]] std::optional<state::StateDatabase::AccountProof> prove(
        Height height, const Address& address, const std::vector<U256>& keys) const override;
    [[nodiscard]] std::unique_ptr<state::LayeredRoots> roots(Height height) const override;

    [[nodiscard]] const state::KeyValueView& rows() const noexcept { return parts_.state->rows(); }

  private:
    /// The row of a block that is not above the head: absence is damage.
    [[nodiscard]] std::optional<Bytes> row_of(state::Table table, Height height) const;

    Parts parts_;
};

/// `diff` on top of `base`, which lives with it.
std::shared_ptr<const state::StateView> make_overlay(std::shared_ptr<const state::StateView> base,
                                                     std::shared_ptr<const state::StateDiff> diff);

}  // namespace millrace::node
