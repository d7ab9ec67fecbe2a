// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain_view.hpp"

#include "crypto/hash.hpp"
#include "node/chain_rows.hpp"
#include "state/rows.hpp"

namespace millrace::node {
namespace {

using state::Table;

class Overlay final : public state::StateView {
  public:
    Overlay(std::shared_ptr<const state::StateView> base,
            std::shared_ptr<const state::StateDiff> diff)
        : base_{std::move(base)}, diff_{std::move(diff)}, both_{*base_, *diff_} {}

    [[nodiscard]] std::optional<state::Account> account(const Address& address) const override {
        return both_.account(address);
    }
    [[nodiscard]] U256 storage(const Address& address, const U256& key) const override {
        return both_.storage(address, key);
    }
    [[nodiscard]] bool has_storage(const Address& address) const override {
        return both_.has_storage(address);
    }
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const override { return both_.code(hash); }

  private:
    std::shared_ptr<const state::StateView> base_;
    std::shared_ptr<const state::StateDiff> diff_;
    state::OverlayView both_;
};

}  // namespace

std::shared_ptr<const state::StateView> make_overlay(std::shared_ptr<const state::StateView> base,
                                                     std::shared_ptr<const state::StateDiff> diff) {
    if (!diff) return base;
    return std::make_shared<const Overlay>(std::move(base), std::move(diff));
}

std::optional<Bytes> StoredView::row_of(Table table, Height height) const {
    if (height.value > parts_.head.header.number) return std::nullopt;
    const Bytes key = state::height_key(height);
    auto row = rows().get(table, key);
    if (!row) state::stop_on_damage(table, key, "a row of a block is missing");
    return row;
}

std::optional<types::Header> StoredView::header(Height height) const {
    const auto row = row_of(Table::headers, height);
    if (!row) return std::nullopt;
    auto header = decode_header_row(*row);
    if (!header) state::stop_on_damage(Table::headers, state::height_key(height), "not a header");
    return header;
}

std::optional<types::Block> StoredView::block(Height height) const {
    const auto header_row = row_of(Table::headers, height);
    if (!header_row) return std::nullopt;
    auto block = decode_block_rows(*header_row, *row_of(Table::bodies, height));
    if (!block) state::stop_on_damage(Table::bodies, state::height_key(height), "not a block");
    return block;
}

std::optional<std::vector<types::TransactionReceipt>> StoredView::receipts(Height height) const {
    const auto row = row_of(Table::receipts, height);
    if (!row) return std::nullopt;
    auto receipts = decode_receipts_row(*row);
    if (!receipts)
        state::stop_on_damage(Table::receipts, state::height_key(height), "not receipts");
    return receipts;
}

std::optional<Height> StoredView::height_of(const Hash32& block) const {
    const auto row = rows().get(Table::block_numbers, block.view());
    if (!row) return std::nullopt;
    const auto height = state::decode_height_key(*row);
    if (!height) state::stop_on_damage(Table::block_numbers, block.view(), "not a height");
    return height;
}

std::optional<TransactionPlace> StoredView::place_of(const Hash32& transaction) const {
    const auto row = rows().get(Table::transactions, transaction.view());
    if (!row) return std::nullopt;
    const auto place = decode_place_row(*row);
    if (!place) state::stop_on_damage(Table::transactions, transaction.view(), "not a place");
    return TransactionPlace{.height = place->height, .index = place->index};
}

std::optional<Hash32> StoredView::hash_at(Height height) const {
    if (height.value == parts_.head.header.number) return parts_.head.hash;
    const auto row = row_of(Table::headers, height);
    if (!row) return std::nullopt;
    return crypto::keccak256(*row);
}

std::shared_ptr<const state::StateView> StoredView::state(Height height) const {
    auto found = parts_.state->at(height);
    if (found && height.value == parts_.head.header.number)
        return make_overlay(std::move(found), parts_.overrides);
    return found;
}

std::optional<state::StateDatabase::AccountProof> StoredView::prove(
    Height height, const Address& address, const std::vector<U256>& keys) const {
    if (parts_.overrides && height.value == parts_.head.header.number) return std::nullopt;
    return parts_.state->prove(height, address, keys);
}

std::unique_ptr<state::LayeredRoots> StoredView::roots(Height height) const {
    auto roots = state::LayeredRoots::on(parts_.state, height);
    if (roots && parts_.overrides && height.value == parts_.head.header.number)
        (void)roots->apply(*parts_.overrides);
    return roots;
}

}  // namespace millrace::node
