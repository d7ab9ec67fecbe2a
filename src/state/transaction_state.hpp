// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "evm/host.hpp"
#include "evm/revision.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

/// The journal of one transaction over the state before it: what the machine reads and writes. Ends
/// in a StateDiff. Accounts and slots are read from the view once and kept.
class TransactionState final : public evm::Host {
  public:
    using BlockHashes = std::function<Hash32(std::uint64_t number)>;
    /// `view` and `block_hashes` outlive it. `revision` decides how an empty account ends.
    TransactionState(const StateView& view, evm::Revision revision,
                     const BlockHashes& block_hashes);
    ~TransactionState() override;

    bool exists(const Address& address) override;
    bool is_empty(const Address& address) override;
    U256 balance(const Address& address) override;
    std::uint64_t nonce(const Address& address) override;
    evm::CodePtr code(const Address& address) override;
    Hash32 code_hash(const Address& address) override;
    bool has_storage(const Address& address) override;
    U256 storage(const Address& address, const U256& key) override;
    evm::SlotValues slot(const Address& address, const U256& key) override;
    void set_storage(const Address& address, const U256& key, const U256& value) override;
    U256 transient_storage(const Address& address, const U256& key) override;
    void set_transient_storage(const Address& address, const U256& key, const U256& value) override;
    /// Precompiled contracts are warm from the beginning and not among accessed().
    evm::AccessStatus access_account(const Address& address) override;
    evm::AccessStatus access_storage(const Address& address, const U256& key) override;
    evm::SlotAccess access_slot(const Address& address, const U256& key) override;
    void add_balance(const Address& address, const U256& value) override;
    void subtract_balance(const Address& address, const U256& value) override;
    void set_nonce(const Address& address, std::uint64_t nonce) override;
    void create_contract(const Address& address) override;
    void set_code(const Address& address, Bytes code) override;
    bool created_in_transaction(const Address& address) override;
    bool mark_destroyed(const Address& address) override;
    void add_log(evm::Log log) override;
    Hash32 block_hash(std::uint64_t number) override;
    [[nodiscard]] Checkpoint checkpoint() override;
    void revert_to(Checkpoint checkpoint) override;

    /// Sees every account and slot asked for (eth_createAccessList, tracers).
    [[nodiscard]] std::vector<std::pair<Address, std::vector<U256>>> accessed() const;
    [[nodiscard]] const std::vector<evm::Log>& logs() const noexcept;

    /// Ends the transaction: deletes what is marked as destroyed and, from spurious_dragon, touched
    /// empty accounts. The object is spent afterwards.
    struct Finished {
        StateDiff diff;
        std::vector<evm::Log> logs;
    };
    Finished finish() &&;

  private:
    struct Journal;
    std::unique_ptr<Journal> journal_;
};

}  // namespace millrace::state
