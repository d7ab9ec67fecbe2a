// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>
#include <array>
#include <map>

#include "base/assert.hpp"
#include "state/key_value.hpp"

namespace millrace::state {
namespace {

struct BytesLess {
    using is_transparent = void;
    bool operator()(ByteView left, ByteView right) const noexcept {
        return std::ranges::lexicographical_compare(left, right);
    }
};
using RowMap = std::map<Bytes, Bytes, BytesLess>;

}  // namespace

struct MemoryStore::Rows final : KeyValueView {
    std::array<RowMap, table_count> tables;

    [[nodiscard]] const RowMap& table(Table name) const noexcept {
        return tables[static_cast<std::size_t>(name)];
    }
    [[nodiscard]] std::optional<Bytes> get(Table name, ByteView key) const override {
        const auto found = table(name).find(key);
        if (found == table(name).end()) return std::nullopt;
        return found->second;
    }
    [[nodiscard]] std::unique_ptr<Cursor> cursor(Table name) const override;
};

namespace {

class MemoryCursor final : public KeyValueView::Cursor {
  public:
    explicit MemoryCursor(const RowMap& rows) noexcept : rows_{rows}, at_{rows.begin()} {}
    void seek(ByteView key) override { at_ = rows_.lower_bound(key); }
    [[nodiscard]] bool valid() const override { return at_ != rows_.end(); }
    [[nodiscard]] ByteView key() const override { return at_->first; }
    [[nodiscard]] ByteView value() const override { return at_->second; }
    void next() override { ++at_; }

  private:
    const RowMap& rows_;
    RowMap::const_iterator at_;
};

}  // namespace

std::unique_ptr<KeyValueView::Cursor> MemoryStore::Rows::cursor(Table name) const {
    return std::make_unique<MemoryCursor>(table(name));
}

MemoryStore::MemoryStore() : rows_{std::make_shared<Rows>()} {}
MemoryStore::~MemoryStore() = default;

std::optional<Bytes> MemoryStore::get(Table table, ByteView key) const {
    return rows_->get(table, key);
}

std::unique_ptr<KeyValueView::Cursor> MemoryStore::cursor(Table table) const {
    return rows_->cursor(table);
}

std::shared_ptr<const KeyValueView> MemoryStore::snapshot() const {
    return rows_;
}

bool MemoryStore::write(WriteBatch batch, Durability) {
    if (rows_.use_count() > 1) {
        rows_ = std::make_shared<Rows>(*rows_);
    } else {
        // use_count() orders nothing; giving back a reference does: all reads of a snapshot that
        // another thread has dropped come before the writes below.
        const std::shared_ptr<Rows> reference = rows_;
    }
    for (std::size_t index = 0; index < batch.size(); ++index) {
        const WriteBatch::Change change = batch.change(index);
        RowMap& rows = rows_->tables[static_cast<std::size_t>(change.table)];
        if (change.value) {
            rows.insert_or_assign(to_bytes(change.key), to_bytes(*change.value));
        } else if (const auto found = rows.find(change.key); found != rows.end()) {
            rows.erase(found);
        }
    }
    return true;
}

}  // namespace millrace::state
