// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <unordered_map>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "evm/code.hpp"

namespace millrace::state {

/// An account without its storage root, which only the trie knows.
struct Account {
    std::uint64_t nonce = 0;
    U256 balance;
    Hash32 code_hash = evm::empty_code_hash;
    bool operator==(const Account&) const = default;
    [[nodiscard]] bool is_empty() const noexcept {
        return nonce == 0 && balance.is_zero() && code_hash == evm::empty_code_hash;
    }
};

/// All of an address: many differ in their last bytes only.
struct AddressHash {
    std::size_t operator()(const Address& address) const noexcept {
        std::uint64_t head = 0;
        std::uint64_t middle = 0;
        std::uint32_t tail = 0;
        std::memcpy(&head, address.bytes.data(), 8);
        std::memcpy(&middle, address.bytes.data() + 8, 8);
        std::memcpy(&tail, address.bytes.data() + 16, 4);
        const std::uint64_t mixed =
            (head ^ (middle * 0x9e3779b97f4a7c15ULL) ^ tail) * 0xd6e8feb86659fd93ULL;
        return static_cast<std::size_t>(mixed ^ (mixed >> 32));
    }
};

struct U256Hash {
    std::size_t operator()(const U256& key) const noexcept {
        return static_cast<std::size_t>((key.words[0] ^ (key.words[3] << 1)) *
                                            0x9e3779b97f4a7c15ULL +
                                        key.words[1] + key.words[2]);
    }
};

/// The state after one block: never changes, may be read from any thread while blocks are executed.
/// Reads do not fail: a store that cannot read stops the process with a message
/// (state/key_value.hpp).
class StateView {
  public:
    virtual ~StateView() = default;
    [[nodiscard]] virtual std::optional<Account> account(const Address& address) const = 0;
    /// 0 for what was never written.
    [[nodiscard]] virtual U256 storage(const Address& address, const U256& key) const = 0;
    [[nodiscard]] virtual bool has_storage(const Address& address) const = 0;
    /// The hash is of an existing account: code not found is a damaged store.
    [[nodiscard]] virtual evm::CodePtr code(const Hash32& hash) const = 0;
};

struct AccountDiff {
    std::optional<Account> account;  ///< null: removed
    bool storage_cleared = false;    ///< all slots before this diff are 0; then `storage` applies
    std::unordered_map<U256, U256, U256Hash> storage;  ///< values afterwards, 0 deletes
};

/// What a transaction or a block changed. Only accounts that really differ are in it.
struct StateDiff {
    std::unordered_map<Address, AccountDiff, AddressHash> accounts;
    std::unordered_map<Hash32, evm::CodePtr, FixedBytesHash> codes;  ///< new ones

    /// `later` happened after this one.
    void merge(StateDiff later);
    [[nodiscard]] bool empty() const noexcept { return accounts.empty() && codes.empty(); }
};

/// `diff` on top of `base`. Both outlive it.
class OverlayView final : public StateView {
  public:
    OverlayView(const StateView& base, const StateDiff& diff) noexcept : base_{base}, diff_{diff} {}
    [[nodiscard]] std::optional<Account> account(const Address& address) const override;
    [[nodiscard]] U256 storage(const Address& address, const U256& key) const override;
    [[nodiscard]] bool has_storage(const Address& address) const override;
    [[nodiscard]] evm::CodePtr code(const Hash32& hash) const override;

  private:
    const StateView& base_;
    const StateDiff& diff_;
};

}  // namespace millrace::state
