// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "compute/provider_event.hpp"
#include "compute/requestor_event.hpp"
#include "types/settlement.hpp"

namespace millrace::sim {

/// The arithmetic of contracts/src/Deposits.sol in memory: allocations, vouchers, closing, release,
/// with the same refusals. Calls are transactions that succeed or return the reason; when they get
/// into a block is the caller's business. conserved() holds after every call.
class VirtualChain {
  public:
    explicit VirtualChain(types::SettlementDomain domain) : domain_{domain} {}

    struct Allocation {
        Hash32 root;
        Amount total;
        Amount settled;
        Amount freed;
        std::uint32_t leaf_count = 0;
        std::uint64_t expiry = 0;
        bool released = false;
        Instant mined;
    };
    struct Stream {
        Amount settled;
        std::uint64_t tasks = 0;
        bool closed = false;
        Hash32 close_transaction;
    };

    void deposit(const Address& payer, const Amount& amount);
    /// The number it got, or why not.
    Result<std::uint64_t, std::string> allocate(const Address& payer,
                                                const compute::requestor::Allocate& allocate,
                                                Instant now);
    Result<void, std::string> release(const Address& payer, std::uint64_t number, Instant now);
    /// What was paid now.
    Result<Amount, std::string> settle(const compute::provider::Claim& claim, Instant now);

    [[nodiscard]] const Allocation* allocation(const Address& payer, std::uint64_t number) const;
    [[nodiscard]] Stream stream(const Address& payer, std::uint64_t number,
                                const Address& payee) const;
    /// The proof shows (payee, cap) as a leaf of the allocation.
    [[nodiscard]] bool proof_holds(const Address& payer, const Address& payee,
                                   const types::AllocationProof& proof) const;
    [[nodiscard]] Amount free(const Address& payer) const;
    [[nodiscard]] std::uint64_t allocation_count(const Address& payer) const;
    [[nodiscard]] Amount paid_to(const Address& payee) const;
    /// Deposits in = free + open in allocations + paid out.
    [[nodiscard]] bool conserved() const;
    /// Money that is still promised.
    [[nodiscard]] Amount locked() const;
    [[nodiscard]] std::uint64_t transactions() const noexcept { return transactions_; }

  private:
    Hash32 next_transaction();

    types::SettlementDomain domain_;
    Amount deposited_;
    std::map<Address, Amount> free_;
    std::map<Address, std::uint64_t> counts_;
    std::map<std::pair<Address, std::uint64_t>, Allocation> allocations_;
    std::map<std::pair<std::pair<Address, std::uint64_t>, Address>, Stream> streams_;
    std::map<Address, Amount> paid_;
    std::uint64_t transactions_ = 0;
};

}  // namespace millrace::sim
