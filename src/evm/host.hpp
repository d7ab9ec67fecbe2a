// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "types/log.hpp"

namespace millrace::evm {

class Code;  // evm/code.hpp
/// Analysed code, shared between frames, transactions and threads; never null, empty code is a
/// Code.
using CodePtr = std::shared_ptr<const Code>;

using types::Log;

enum class AccessStatus : std::uint8_t { cold, warm };

/// What a slot held when the transaction began, and holds now (EIP-2200).
struct SlotValues {
    U256 original;
    U256 current;
};

/// A slot as an instruction of EIP-2929 meets it.
struct SlotAccess {
    AccessStatus before;
    SlotValues values;
};

/// Where the machine reads and writes accounts: the journal of one transaction
/// (state::TransactionState). It knows no gas and no instruction; all rules of calls, creations and
/// prices are the machine's. Everything written after a checkpoint is undone by revert_to().
/// One thread at a time.
class Host {
  public:
    virtual ~Host() = default;

    /// In the trie, empty or not; an account touched and empty exists only before spurious_dragon.
    virtual bool exists(const Address& address) = 0;
    /// No code, nonce 0, balance 0 (EIP-161), or absent.
    virtual bool is_empty(const Address& address) = 0;
    virtual U256 balance(const Address& address) = 0;
    virtual std::uint64_t nonce(const Address& address) = 0;
    virtual CodePtr code(const Address& address) = 0;
    /// Zero for an absent account; of an existing one without code, the hash of nothing.
    virtual Hash32 code_hash(const Address& address) = 0;
    virtual bool has_storage(const Address& address) = 0;  ///< any non-zero slot (EIP-7610)

    virtual U256 storage(const Address& address, const U256& key) = 0;
    virtual SlotValues slot(const Address& address, const U256& key) = 0;
    virtual void set_storage(const Address& address, const U256& key, const U256& value) = 0;
    virtual U256 transient_storage(const Address& address, const U256& key) = 0;
    virtual void set_transient_storage(const Address& address, const U256& key,
                                       const U256& value) = 0;

    /// Marks as accessed (EIP-2929) and says what it was before.
    virtual AccessStatus access_account(const Address& address) = 0;
    virtual AccessStatus access_storage(const Address& address, const U256& key) = 0;
    /// access_storage() and slot() by one search.
    virtual SlotAccess access_slot(const Address& address, const U256& key) = 0;

    /// Creates the account when absent, and marks it as touched, also with value 0.
    virtual void add_balance(const Address& address, const U256& value) = 0;
    /// The caller has checked that the balance suffices.
    virtual void subtract_balance(const Address& address, const U256& value) = 0;
    virtual void set_nonce(const Address& address, std::uint64_t nonce) = 0;
    /// A contract begins: storage empty, code empty, marked as created in this transaction
    /// (EIP-6780); the balance it may have stays.
    virtual void create_contract(const Address& address) = 0;
    virtual void set_code(const Address& address, Bytes code) = 0;
    virtual bool created_in_transaction(const Address& address) = 0;
    /// Registers it for deletion at the transaction's end; balances have been moved already. True
    /// the first time.
    virtual bool mark_destroyed(const Address& address) = 0;
    virtual void add_log(Log log) = 0;

    /// Of one of the last 256 blocks; zero for others (the machine has checked the range).
    virtual Hash32 block_hash(std::uint64_t number) = 0;

    using Checkpoint = std::size_t;
    [[nodiscard]] virtual Checkpoint checkpoint() = 0;
    virtual void revert_to(Checkpoint checkpoint) = 0;
};

}  // namespace millrace::evm
