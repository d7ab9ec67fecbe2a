// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <algorithm>

#include "crypto/hash.hpp"
#include "state/database.hpp"
#include "state/database_state.hpp"
#include "state/rows.hpp"
#include "state/trie_values.hpp"
#include "trie/root.hpp"

namespace millrace::state {
namespace {

struct Leaf {
    Hash32 key;
    Bytes value;
};

/// Walks the flat tables side by side; both begin with the address.
class Verifier {
  public:
    Verifier(const KeyValueView& rows, const std::function<void(std::uint64_t)>& progress)
        : rows_{rows},
          progress_{progress},
          accounts_{rows.cursor(Table::accounts)},
          storage_{rows.cursor(Table::storage)} {}

    StateDatabase::Verification run() {
        accounts_->seek({});
        storage_->seek({});
        for (; accounts_->valid() && is_good(); accounts_->next()) {
            read_account(accounts_->key(), accounts_->value());
            ++result_.accounts;
            if (progress_) progress_(result_.accounts);
        }
        if (is_good() && storage_->valid()) report("a slot without an account", storage_->key());
        if (is_good()) result_.root = root_of(TrieName::accounts(), leaves_);
        if (is_good()) check_node_count();
        return std::move(result_);
    }

  private:
    [[nodiscard]] bool is_good() const noexcept { return result_.problem.empty(); }

    void report(std::string_view what, ByteView key) {
        if (is_good()) result_.problem = std::string{what} + " (" + to_hex(key) + ")";
    }

    void read_account(ByteView key, ByteView value) {
        const auto address = Address::from(key);
        const auto row = decode_account_row(value);
        if (!address || !row) return report("a row that is not an account", key);
        check_code(row->account.code_hash);
        const Hash32 hashed = hashed_key(*address);
        const Hash32 root = root_of(TrieName::storage_of(hashed), read_slots(*address));
        if (root != row->storage_root)
            report("an account whose slots do not give its storage root", key);
        leaves_.push_back({hashed, account_leaf(row->account, root)});
    }

    void check_code(const Hash32& hash) {
        if (hash == evm::empty_code_hash) return;
        const auto code = rows_.get(Table::codes, hash.view());
        if (!code) return report("a code that is missing", hash.view());
        if (crypto::keccak256(*code) != hash)
            report("a code that does not have its hash", hash.view());
    }

    std::vector<Leaf> read_slots(const Address& address) {
        std::vector<Leaf> leaves;
        for (; storage_->valid() && is_good(); storage_->next()) {
            const ByteView key = storage_->key();
            const auto value = decode_storage_row(storage_->value());
            if (key.size() != Address::size + Hash32::size || !value) {
                report("a row that is not a slot", key);
                break;
            }
            const auto owner = *Address::from(key.first(Address::size));
            if (owner > address) break;
            if (owner < address) {
                report("a slot without an account", key);
                break;
            }
            leaves.push_back({crypto::keccak256(key.subspan(Address::size)), storage_leaf(*value)});
            ++result_.slots;
        }
        return leaves;
    }

    /// The root of these leaves; each of its nodes must lie in the table as it should be.
    Hash32 root_of(const TrieName& name, std::vector<Leaf> leaves) {
        std::ranges::sort(leaves, {}, &Leaf::key);
        std::vector<trie::PairView> pairs;
        pairs.reserve(leaves.size());
        for (const Leaf& leaf : leaves)
            pairs.push_back({leaf.key.view(), leaf.value});
        return trie::root_of(pairs, [&](const trie::Nibbles& path, ByteView encoded) {
            ++node_count_;
            const Bytes key = name.node_key(path);
            const auto row = rows_.get(Table::nodes, key);
            if (!row) return report("a node of the trie that is missing", key);
            if (!std::ranges::equal(*row, encoded))
                report("a node of the trie that the flat tables do not give", key);
        });
    }

    void check_node_count() {
        std::uint64_t count = 0;
        const auto cursor = rows_.cursor(Table::nodes);
        for (cursor->seek({}); cursor->valid(); cursor->next())
            ++count;
        if (count != node_count_)
            result_.problem = "the table of nodes has " + std::to_string(count) + " rows, not " +
                              std::to_string(node_count_);
    }

    const KeyValueView& rows_;
    const std::function<void(std::uint64_t)>& progress_;
    std::unique_ptr<KeyValueView::Cursor> accounts_;
    std::unique_ptr<KeyValueView::Cursor> storage_;
    std::vector<Leaf> leaves_;
    std::uint64_t node_count_ = 0;
    StateDatabase::Verification result_;
};

}  // namespace

StateDatabase::Verification StateDatabase::verify(
    const std::function<void(std::uint64_t)>& progress) const {
    const auto snapshot = state_->published();
    return Verifier{snapshot->rows(), progress}.run();
}

}  // namespace millrace::state
