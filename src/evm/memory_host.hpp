// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "evm/code.hpp"
#include "evm/host.hpp"

namespace millrace::evm {

/// A world in memory with an undo log: the host of unit tests, suites of single frames, benchmarks
/// and fuzzers. Blocks, tries and the end of a transaction (deletion of destroyed and empty
/// accounts) are state::TransactionState's; here an account that a creation meets keeps no storage.
class MemoryHost final : public Host {
  public:
    struct Slot {
        U256 original;
        U256 current;
        bool is_warm = false;
    };
    struct KeyHash {
        std::size_t operator()(const U256& key) const noexcept {
            std::uint64_t hash = 0;
            for (const std::uint64_t word : key.words)
                hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
            return static_cast<std::size_t>(hash ^ (hash >> 32));
        }
    };
    struct KeyEqual {
        bool operator()(const U256& left, const U256& right) const noexcept {
            return ((left.words[0] ^ right.words[0]) | (left.words[1] ^ right.words[1]) |
                    (left.words[2] ^ right.words[2]) | (left.words[3] ^ right.words[3])) == 0;
        }
    };
    struct Account {
        bool exists = false;
        bool is_warm = false;
        bool is_created = false;    ///< in this transaction
        bool is_destroyed = false;  ///< marked
        std::uint64_t nonce = 0;
        U256 balance;
        CodePtr code = Code::empty();
        std::unordered_map<U256, Slot, KeyHash, KeyEqual> storage;
        std::unordered_map<U256, U256, KeyHash, KeyEqual> transient;
    };
    using Accounts = std::unordered_map<Address, Account, FixedBytesHash>;

    MemoryHost() = default;
    MemoryHost(const MemoryHost&) = delete;
    MemoryHost& operator=(const MemoryHost&) = delete;

    /// Sets the world up; not undone by revert_to().
    Account& account(const Address& address);
    void put_code(const Address& address, Bytes code);
    void put_storage(const Address& address, const U256& key, const U256& value);
    /// What is now there counts as original, everything is cold, logs and the undo log are empty.
    void begin_transaction();

    [[nodiscard]] const Accounts& accounts() const noexcept { return accounts_; }
    [[nodiscard]] const std::vector<Log>& logs() const noexcept { return logs_; }
    /// Changes that could be undone.
    [[nodiscard]] std::size_t change_count() const noexcept { return undo_.size(); }

    bool exists(const Address& address) override;
    bool is_empty(const Address& address) override;
    U256 balance(const Address& address) override;
    std::uint64_t nonce(const Address& address) override;
    CodePtr code(const Address& address) override;
    Hash32 code_hash(const Address& address) override;
    bool has_storage(const Address& address) override;
    U256 storage(const Address& address, const U256& key) override;
    SlotValues slot(const Address& address, const U256& key) override;
    void set_storage(const Address& address, const U256& key, const U256& value) override;
    U256 transient_storage(const Address& address, const U256& key) override;
    void set_transient_storage(const Address& address, const U256& key, const U256& value) override;
    AccessStatus access_account(const Address& address) override;
    AccessStatus access_storage(const Address& address, const U256& key) override;
    SlotAccess access_slot(const Address& address, const U256& key) override;
    void add_balance(const Address& address, const U256& value) override;
    void subtract_balance(const Address& address, const U256& value) override;
    void set_nonce(const Address& address, std::uint64_t nonce) override;
    void create_contract(const Address& address) override;
    void set_code(const Address& address, Bytes code) override;
    bool created_in_transaction(const Address& address) override;
    bool mark_destroyed(const Address& address) override;
    void add_log(Log log) override;
    /// keccak256 of the number in decimal, as go-ethereum's tests have it.
    Hash32 block_hash(std::uint64_t number) override;
    [[nodiscard]] Checkpoint checkpoint() override;
    void revert_to(Checkpoint checkpoint) override;

  private:
    enum class Change : std::uint8_t { account, storage, transient, log };
    struct Undo {
        Change change;
        Address address;
        U256 key;
        U256 value;
        bool was_warm = false;           ///< of a slot
        std::optional<Account> account;  ///< without its slots unless a creation dropped them
        bool has_slots = false;
    };

    const Account* find(const Address& address) noexcept;
    const Slot* find_slot(const Address& address, const U256& key) noexcept;
    /// The account, its present form (without slots) noted for undoing.
    Account& change(const Address& address);
    Slot& change_slot(const Address& address, const U256& key);
    void undo(Undo& undo);

    Accounts accounts_;  ///< nothing is ever removed
    Accounts::value_type* last_found_ = nullptr;
    /// The slot asked for last: an access is followed by a read or a write of the same slot.
    struct LastSlot {
        const Account* account = nullptr;
        U256 key;
        const Slot* slot = nullptr;
    };
    LastSlot last_slot_;
    std::vector<Undo> undo_;
    std::vector<Log> logs_;
};

}  // namespace millrace::evm
