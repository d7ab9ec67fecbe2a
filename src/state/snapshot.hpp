// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/quantity.hpp"
#include "state/key_value.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

class CodeCache;

/// EIP-1186. Nodes from the root downwards, RLP.
struct StorageProof {
    U256 key;
    U256 value;
    std::vector<Bytes> proof;
};
struct AccountProof {
    Account account;      ///< an empty one when it is absent
    Hash32 storage_root;  ///< of no storage when it is absent
    std::vector<Bytes> proof;
    std::vector<StorageProof> storage;
};

/// The chain's state at one moment, whatever is written later: the head then, and every block
/// behind it whose history was kept. Any thread; what it gives keeps it alive.
class StateSnapshot : public std::enable_shared_from_this<StateSnapshot> {
  public:
    /// `head` and `pruned` as the rows have them.
    StateSnapshot(std::shared_ptr<const KeyValueView> rows, std::shared_ptr<CodeCache> codes,
                  std::optional<Height> head, Height pruned) noexcept;

    /// Null before the genesis.
    [[nodiscard]] std::optional<Height> head() const noexcept { return head_; }
    /// The oldest block whose state can be read.
    [[nodiscard]] Height oldest() const noexcept { return pruned_; }
    [[nodiscard]] bool has(Height height) const noexcept {
        return head_ && height <= *head_ && height >= pruned_;
    }

    /// After the head; an empty state before the genesis.
    [[nodiscard]] std::shared_ptr<const StateView> latest() const;
    /// Null when the block is newer than the head or its history is pruned.
    [[nodiscard]] std::shared_ptr<const StateView> at(Height height) const;
    /// Null as for at(), or because too much has changed since that block (layered_roots.hpp).
    [[nodiscard]] std::optional<AccountProof> prove(Height height, const Address& address,
                                                    const std::vector<U256>& keys) const;

    /// What `table` (accounts or storage) held under `key` after block `height`, which it
    /// has.
    [[nodiscard]] std::optional<Bytes> row(Height height, Table table, ByteView key) const;
    /// Of an existing account, so absence is damage.
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const;
    [[nodiscard]] const KeyValueView& rows() const noexcept { return *rows_; }

  private:
    std::shared_ptr<const KeyValueView> rows_;
    std::shared_ptr<CodeCache> codes_;
    std::optional<Height> head_;
    Height pruned_;
};

}  // namespace millrace::state
