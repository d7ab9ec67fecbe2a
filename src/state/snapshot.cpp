// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "state/snapshot.hpp"

#include "state/code_cache.hpp"
#include "state/layered_roots.hpp"
#include "state/rows.hpp"
#include "state/trie_values.hpp"
#include "trie/node.hpp"

namespace millrace::state {
namespace {

class SnapshotView final : public StateView {
  public:
    SnapshotView(std::shared_ptr<const StateSnapshot> snapshot, Height height) noexcept
        : snapshot_{std::move(snapshot)}, height_{height} {}

    [[nodiscard]] std::optional<Account> account(const Address& address) const override {
        const auto row = account_row(address);
        if (!row) return std::nullopt;
        return row->account;
    }
    [[nodiscard]] U256 storage(const Address& address, const U256& key) const override {
        const Bytes row_key = storage_key(address, key);
        return read_storage_row(row_key, snapshot_->row(height_, Table::storage, row_key));
    }
    [[nodiscard]] bool has_storage(const Address& address) const override {
        const auto row = account_row(address);
        return row && row->storage_root != trie::empty_root;
    }
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const override {
        return snapshot_->code(hash);
    }

  private:
    [[nodiscard]] std::optional<AccountRow> account_row(const Address& address) const {
        return read_account_row(address.view(),
                                snapshot_->row(height_, Table::accounts, address.view()));
    }

    std::shared_ptr<const StateSnapshot> snapshot_;
    Height height_;
};

}  // namespace

StateSnapshot::StateSnapshot(std::shared_ptr<const KeyValueView> rows,
                             std::shared_ptr<CodeCache> codes, std::optional<Height> head,
                             Height pruned) noexcept
    : rows_{std::move(rows)}, codes_{std::move(codes)}, head_{head}, pruned_{pruned} {}

std::shared_ptr<const StateView> StateSnapshot::latest() const {
    return std::make_shared<SnapshotView>(shared_from_this(), head_.value_or(Height{}));
}

std::shared_ptr<const StateView> StateSnapshot::at(Height height) const {
    if (!has(height)) return nullptr;
    return std::make_shared<SnapshotView>(shared_from_this(), height);
}

std::optional<Bytes> StateSnapshot::row(Height height, Table table, ByteView key) const {
    if (!head_ || height == *head_) return rows_->get(table, key);
    return read_at(*rows_, table, key, height);
}

evm::CodePtr StateSnapshot::code(const Hash32& hash) const {
    if (hash == evm::empty_code_hash) return evm::Code::empty();
    if (evm::CodePtr known = codes_->find(hash)) return known;
    auto bytes = rows_->get(Table::codes, hash.view());
    if (!bytes) stop_on_damage(Table::codes, hash.view(), "the code of an account is missing");
    evm::CodePtr code = evm::Code::make(std::move(*bytes));
    if (code->hash() != hash) stop_on_damage(Table::codes, hash.view(), "not the code it names");
    codes_->put(code);
    return code;
}

std::optional<AccountProof> StateSnapshot::prove(Height height, const Address& address,
                                                 const std::vector<U256>& keys) const {
    const auto tries = LayeredRoots::on(shared_from_this(), height);
    if (!tries) return std::nullopt;
    const Hash32 hashed = hashed_key(address);
    AccountProof result;
    result.storage_root = trie::empty_root;
    if (const auto account =
            read_account_row(address.view(), row(height, Table::accounts, address.view()))) {
        result.account = account->account;
        result.storage_root = account->storage_root;
    }
    result.proof = tries->prove(hashed);
    for (const U256& key : keys) {
        const Bytes slot = storage_key(address, key);
        result.storage.push_back({key, read_storage_row(slot, row(height, Table::storage, slot)),
                                  tries->prove(hashed, hashed_key(key))});
    }
    return result;
}

}  // namespace millrace::state
