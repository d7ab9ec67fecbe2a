// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sim/virtual_chain.hpp"

#include "base/assert.hpp"
#include "crypto/merkle.hpp"

namespace millrace::sim {
namespace {

Amount plus(const Amount& left, const Amount& right) {
    const auto sum = checked_add(left, right);
    MILLRACE_ASSERT(sum.has_value());
    return *sum;
}
Amount minus(const Amount& left, const Amount& right) {
    const auto rest = checked_sub(left, right);
    MILLRACE_ASSERT(rest.has_value());
    return *rest;
}
std::uint64_t seconds_of(Instant now) {
    return static_cast<std::uint64_t>(now.ms / 1000);
}

Err<std::string> refused(std::string why) {
    return Err{std::move(why)};
}

}  // namespace

Hash32 VirtualChain::next_transaction() {
    Hash32 hash;
    ++transactions_;
    for (std::size_t index = 0; index < 8; ++index)
        hash.bytes[31 - index] = static_cast<std::uint8_t>(transactions_ >> (8 * index));
    return hash;
}

void VirtualChain::deposit(const Address& payer, const Amount& amount) {
    deposited_ = plus(deposited_, amount);
    free_[payer] = plus(free_[payer], amount);
    next_transaction();
}

Result<std::uint64_t, std::string> VirtualChain::allocate(
    const Address& payer, const compute::requestor::Allocate& allocate, Instant now) {
    next_transaction();
    if (allocate.total.wei.is_zero()) return refused("ZeroAmount");
    if (allocate.leaves.empty()) return refused("LeafCountZero");
    if (allocate.expiry <= seconds_of(now)) return refused("ExpiryOutOfBounds");
    if (allocate.total > free_[payer]) return refused("FreeDepositTooSmall");
    free_[payer] = minus(free_[payer], allocate.total);
    const std::uint64_t number = counts_[payer]++;
    allocations_[{payer, number}] =
        Allocation{.root = allocate.root,
                   .total = allocate.total,
                   .settled = {},
                   .freed = {},
                   .leaf_count = static_cast<std::uint32_t>(allocate.leaves.size()),
                   .expiry = allocate.expiry,
                   .released = false,
                   .mined = now};
    return number;
}

Result<void, std::string> VirtualChain::release(const Address& payer, std::uint64_t number,
                                                Instant now) {
    next_transaction();
    const auto found = allocations_.find({payer, number});
    if (found == allocations_.end()) return refused("AllocationUnknown");
    Allocation& allocation = found->second;
    if (allocation.released) return refused("AllocationAlreadyReleased");
    if (seconds_of(now) < allocation.expiry) return refused("AllocationNotExpired");
    const Amount rest = minus(minus(allocation.total, allocation.settled), allocation.freed);
    allocation.freed = plus(allocation.freed, rest);
    allocation.released = true;
    free_[payer] = plus(free_[payer], rest);
    return {};
}

Result<Amount, std::string> VirtualChain::settle(const compute::provider::Claim& claim, Instant) {
    const Hash32 transaction = next_transaction();
    const types::Voucher& voucher = claim.voucher;
    const auto found = allocations_.find({voucher.payer, voucher.allocation});
    if (found == allocations_.end()) return refused("AllocationUnknown");
    Allocation& allocation = found->second;
    if (allocation.released) return refused("AllocationAlreadyReleased");
    if (!voucher.cumulative.wei.is_zero()) {
        const auto signer = crypto::recover(voucher.digest(domain_), claim.signature);
        if (!signer || *signer != voucher.payer) return refused("VoucherNotSignedByPayer");
    }
    if (claim.proof.allocation != voucher.allocation ||
        !proof_holds(voucher.payer, voucher.payee, claim.proof)) {
        return refused("ProofInvalid");
    }
    if (voucher.cumulative > claim.proof.cap) return refused("OverCap");
    Stream& stream = streams_[{{voucher.payer, voucher.allocation}, voucher.payee}];
    Amount paid;
    if (voucher.cumulative > stream.settled) {
        if (stream.closed) return refused("StreamClosed");
        paid = minus(voucher.cumulative, stream.settled);
        stream.settled = voucher.cumulative;
        stream.tasks = std::max(stream.tasks, voucher.tasks);
        allocation.settled = plus(allocation.settled, paid);
        paid_[voucher.payee] = plus(paid_[voucher.payee], paid);
    }
    if (claim.close) {
        if (stream.closed) return refused("StreamClosed");
        stream.closed = true;
        stream.close_transaction = transaction;
        const Amount rest = minus(claim.proof.cap, stream.settled);
        allocation.freed = plus(allocation.freed, rest);
        free_[voucher.payer] = plus(free_[voucher.payer], rest);
    }
    MILLRACE_ASSERT(plus(allocation.settled, allocation.freed) <= allocation.total);
    return paid;
}

const VirtualChain::Allocation* VirtualChain::allocation(const Address& payer,
                                                         std::uint64_t number) const {
    const auto found = allocations_.find({payer, number});
    return found == allocations_.end() ? nullptr : &found->second;
}

VirtualChain::Stream VirtualChain::stream(const Address& payer, std::uint64_t number,
                                          const Address& payee) const {
    const auto found = streams_.find({{payer, number}, payee});
    return found == streams_.end() ? Stream{} : found->second;
}

bool VirtualChain::proof_holds(const Address& payer, const Address& payee,
                               const types::AllocationProof& proof) const {
    const Allocation* allocation = this->allocation(payer, proof.allocation);
    if (allocation == nullptr || proof.index >= allocation->leaf_count) return false;
    std::vector<crypto::SumNode> path;
    for (const types::AllocationProof::Step& step : proof.path)
        path.push_back({step.sibling, to_word(step.sum.wei)});
    return crypto::verify_allocation({allocation->root, to_word(allocation->total.wei)},
                                     {payee, proof.cap.wei}, proof.index, path);
}

Amount VirtualChain::free(const Address& payer) const {
    const auto found = free_.find(payer);
    return found == free_.end() ? Amount{} : found->second;
}

std::uint64_t VirtualChain::allocation_count(const Address& payer) const {
    const auto found = counts_.find(payer);
    return found == counts_.end() ? 0 : found->second;
}

Amount VirtualChain::paid_to(const Address& payee) const {
    const auto found = paid_.find(payee);
    return found == paid_.end() ? Amount{} : found->second;
}

Amount VirtualChain::locked() const {
    Amount sum;
    for (const auto& [key, allocation] : allocations_)
        sum = plus(sum, minus(minus(allocation.total, allocation.settled), allocation.freed));
    return sum;
}

bool VirtualChain::conserved() const {
    Amount sum = locked();
    for (const auto& [payer, amount] : free_)
        sum = plus(sum, amount);
    for (const auto& [payee, amount] : paid_)
        sum = plus(sum, amount);
    return sum == deposited_;
}

}  // namespace millrace::sim
