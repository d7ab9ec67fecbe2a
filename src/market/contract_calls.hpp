// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "codec/abi.hpp"
#include "types/settlement.hpp"

namespace millrace::market {

/// Calls of the contracts and their answers as bytes (docs/formats/contracts.md): nothing here
/// talks to a chain. encode_* gives call data; decode_* reads what eth_call returned. An address
/// without code answers with no bytes, which is AbiError::truncated here. Widths the contracts know
/// to be smaller than ours (uint128) are the caller's bound; a value beyond makes encode_* assert.
template <typename T>
using Decoded = Result<T, codec::AbiError>;

Decoded<Amount> decode_amount(ByteView output);
Decoded<std::uint64_t> decode_u64(ByteView output);
Decoded<bool> decode_bool(ByteView output);
Decoded<Address> decode_address(ByteView output);
Decoded<Hash32> decode_hash(ByteView output);

// ---- Deposits -----------------------------------------------------------------------------------

/// Payable: the value sent is the deposit.
Bytes encode_deposit(const Address& payer);
Bytes encode_allocate(const Hash32& root, const Amount& total, std::uint32_t leaf_count,
                      std::uint64_t expiry);
Bytes encode_release(std::uint64_t allocation);
Bytes encode_request_withdrawal(const Amount& amount);
Bytes encode_cancel_withdrawal();
Bytes encode_withdraw();

/// A voucher with the place of its payee's leaf. With cumulative 0 only `close` counts and the
/// signature is not looked at.
struct SettleClaim {
    types::Voucher voucher{};
    types::Signature signature{};
    types::AllocationProof proof{};
    bool close = false;
};
Bytes encode_settle(const SettleClaim& claim);
Bytes encode_settle_batch(const std::vector<SettleClaim>& claims);

Bytes encode_free(const Address& payer);              ///< → decode_amount
Bytes encode_allocation_count(const Address& payer);  ///< → decode_u64
Bytes encode_settled(const Address& payer, std::uint64_t allocation,
                     const Address& payee);  ///< → decode_amount
Bytes encode_settled_tasks(const Address& payer, std::uint64_t allocation,
                           const Address& payee);  ///< → decode_u64
Bytes encode_closed(const Address& payer, std::uint64_t allocation,
                    const Address& payee);  ///< → decode_bool
Bytes encode_withdrawal_delay();            ///< → decode_u64
Bytes encode_expiry_min();                  ///< → decode_u64
Bytes encode_expiry_max();                  ///< → decode_u64

struct PendingWithdrawal {
    Amount amount{};
    std::uint64_t withdrawable_at = 0;
    bool operator==(const PendingWithdrawal&) const = default;
};
Bytes encode_pending_withdrawal(const Address& payer);
Decoded<PendingWithdrawal> decode_pending_withdrawal(ByteView output);

/// All zero when there is no such allocation. Open money is total − settled − freed.
struct AllocationView {
    Hash32 root{};
    Amount total{};
    Amount settled{};
    Amount freed{};
    std::uint32_t leaf_count = 0;
    std::uint64_t expiry = 0;
    bool released = false;
    [[nodiscard]] bool exists() const noexcept { return !root.is_zero(); }
    bool operator==(const AllocationView&) const = default;
};
Bytes encode_allocation(const Address& payer, std::uint64_t allocation);
Decoded<AllocationView> decode_allocation(ByteView output);

/// Whether the proof shows (payee, proof.cap) as a leaf of the allocation, as Deposits would find.
[[nodiscard]] bool proof_holds(const AllocationView& allocation, const Address& payee,
                               const types::AllocationProof& proof);

// ---- Providers ----------------------------------------------------------------------------------

struct ProviderTerms {
    Hash32 node_key{};
    std::string endpoint{};  ///< 1 to 128 bytes
    Amount price{};          ///< wei per 10^9 fuel, below 2^128
    std::uint32_t slots = 1;
};
/// Payable: the value sent is the stake. The sender becomes the owner.
Bytes encode_register(const ProviderTerms& terms, const Address& signer, const Address& payout);
Bytes encode_update(const Address& owner, const ProviderTerms& terms);
Bytes encode_set_active(const Address& owner, bool active);
Bytes encode_set_signer(const Address& signer);
Bytes encode_add_stake();
Bytes encode_request_unbond(const Amount& amount);
Bytes encode_withdraw_stake();

inline constexpr std::uint64_t provider_page_max = 100;
Bytes encode_provider_count();  ///< → decode_u64
Bytes encode_provider_page(std::uint64_t start, std::uint64_t size);
Decoded<std::vector<types::ProviderRecord>> decode_provider_page(ByteView output);
Bytes encode_get_provider(const Address& owner);
/// Its `provider` is the zero address when unknown.
Decoded<types::ProviderRecord> decode_provider(ByteView output);
Bytes encode_is_registered(const Address& owner);  ///< → decode_bool
Bytes encode_payout_of(const Address& payee);      ///< → decode_address
Bytes encode_stake_min();                          ///< → decode_amount

// ---- Jobs ---------------------------------------------------------------------------------------

Bytes encode_post_job(const Hash32& job, std::uint64_t tasks, const Amount& cap);
Bytes encode_close_job(const Hash32& job);

struct SignedReceipt {
    types::Lease lease{};
    types::Signature lease_signature{};
    types::Receipt receipt{};
    types::Signature receipt_signature{};
};
/// `wrong` is contradicted by the two that agree.
Bytes encode_report_contradiction(const SignedReceipt& wrong, const SignedReceipt& agreeing_first,
                                  const SignedReceipt& agreeing_second);
Bytes encode_is_reported(const Address& requestor, const Hash32& job, const Hash32& task,
                         const Address& provider);  ///< → decode_bool

struct JobView {
    std::uint64_t tasks = 0;
    std::uint64_t posted_at = 0;
    bool closed = false;
    Amount cap{};
    bool operator==(const JobView&) const = default;
};
Bytes encode_job(const Address& requestor, const Hash32& job);
Decoded<JobView> decode_job(ByteView output);

// ---- Capabilities -------------------------------------------------------------------------------

/// A zero address means: absent on this chain.
struct CapabilitiesView {
    std::uint32_t version = 1;
    Hash32 network{};
    Address providers{};
    Address deposits{};
    Address jobs{};
    Address disputes{};
    Address beacon{};
    Address replay_judge{};
    Address ticket_ledger{};
    Address blob_lane{};
    bool operator==(const CapabilitiesView&) const = default;
};
inline constexpr std::uint32_t capabilities_version = 1;
Bytes encode_capabilities_all();
/// out_of_range when its version is newer than ours.
Decoded<CapabilitiesView> decode_capabilities(ByteView output);

/// The constructors' arguments, to append to the creation code.
Bytes encode_capabilities_constructor(const CapabilitiesView& parts);
Bytes encode_providers_constructor(const Address& deposits, const Address& jobs,
                                   const Amount& stake_min, std::uint64_t unbond_delay,
                                   std::uint64_t payout_delay);
Bytes encode_deposits_constructor(const Hash32& network, const Address& providers,
                                  std::uint64_t expiry_min, std::uint64_t expiry_max,
                                  std::uint64_t withdrawal_delay);
Bytes encode_jobs_constructor(const Hash32& network, const Address& providers);

// ---- events -------------------------------------------------------------------------------------

/// Topics and data of one log of Deposits; null when it is another event or malformed.
struct AllocatedEvent {
    Address payer{};
    std::uint64_t allocation = 0;
    Hash32 root{};
    Amount total{};
    std::uint32_t leaf_count = 0;
    std::uint64_t expiry = 0;
};
Hash32 allocated_topic();
std::optional<AllocatedEvent> decode_allocated(const std::vector<Hash32>& topics, ByteView data);

struct SettledEvent {
    Address payer{};
    Address payee{};
    std::uint64_t allocation = 0;
    Amount amount{};      ///< paid by this settlement
    Amount cumulative{};  ///< of the stream so far
    std::uint64_t tasks = 0;
};
Hash32 settled_topic();
std::optional<SettledEvent> decode_settled(const std::vector<Hash32>& topics, ByteView data);

struct ClosedEvent {
    Address payer{};
    Address payee{};
    std::uint64_t allocation = 0;
    Amount freed{};
};
Hash32 closed_topic();
std::optional<ClosedEvent> decode_closed(const std::vector<Hash32>& topics, ByteView data);

/// An address as an indexed event argument: what a log filter asks for.
Hash32 address_topic(const Address& address);

}  // namespace millrace::market
