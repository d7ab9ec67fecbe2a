// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/layered_cursor.hpp"

#include <algorithm>
#include <utility>

namespace millrace::store {
namespace {

using state::Table;

/// Base and layers each stand at their first key not yet passed; the smallest of these keys is
/// where the cursor stands, and the newest that has it says what is there.
class LayeredCursor final : public state::KeyValueView::Cursor {
  public:
    LayeredCursor(const LayersOver& rows, Table table)
        : rows_{rows}, table_{table}, base_{rows_.base->cursor(table)}, at_(rows_.layers.size()) {
        find_row();
    }

    void seek(ByteView key) override {
        for (std::size_t layer = 0; layer < at_.size(); ++layer)
            at_[layer] = rows_.layers[layer]->lower_bound(table_, key);
        base_->seek(key);
        find_row();
    }
    [[nodiscard]] bool valid() const override { return where_ != Where::end; }
    [[nodiscard]] ByteView key() const override {
        return where_ == Where::base ? base_->key() : row_.key;
    }
    [[nodiscard]] ByteView value() const override {
        return where_ == Where::base ? base_->value() : row_.value;
    }
    void next() override {
        pass();
        find_row();
    }

  private:
    enum class Where : std::uint8_t { base, layer, end };

    [[nodiscard]] bool has_row(std::size_t layer) const {
        return at_[layer] < rows_.layers[layer]->count(table_);
    }

    /// To the first row from here on that is there.
    void find_row() {
        for (;;) {
            where_ = base_->valid() ? Where::base : Where::end;
            for (std::size_t layer = at_.size(); layer-- > 0;) {  // the newest comes last
                if (!has_row(layer)) continue;
                const RowLayer::RowView row = rows_.layers[layer]->row(table_, at_[layer]);
                if (where_ != Where::end && std::ranges::lexicographical_compare(key(), row.key))
                    continue;
                where_ = Where::layer;
                row_ = row;
            }
            if (where_ != Where::layer || !row_.is_erased) return;
            pass();
        }
    }

    /// Moves all that stand at the cursor's key. That of the base is gone when the base moves.
    void pass() {
        const ByteView passed = key();
        for (std::size_t layer = 0; layer < at_.size(); ++layer) {
            if (has_row(layer) &&
                std::ranges::equal(rows_.layers[layer]->row(table_, at_[layer]).key, passed))
                ++at_[layer];
        }
        if (base_->valid() && std::ranges::equal(base_->key(), passed)) base_->next();
    }

    const LayersOver rows_;
    const Table table_;
    std::unique_ptr<Cursor> base_;
    std::vector<std::size_t> at_;
    Where where_ = Where::end;
    RowLayer::RowView row_;
};

}  // namespace

std::optional<Bytes> LayersOver::get(Table table, ByteView key) const {
    for (const RowLayerPtr& layer : layers) {
        const auto row = layer->find(table, key);
        if (!row) continue;
        if (row->is_erased) return std::nullopt;
        return to_bytes(row->value);
    }
    return base->get(table, key);
}

std::unique_ptr<state::KeyValueView::Cursor> LayersOver::cursor(Table table) const {
    return std::make_unique<LayeredCursor>(*this, table);
}

}  // namespace millrace::store
