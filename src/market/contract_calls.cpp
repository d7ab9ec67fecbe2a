// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "market/contract_calls.hpp"

#include "base/assert.hpp"
#include "codec/eip712.hpp"
#include "crypto/merkle.hpp"

namespace millrace::market {
namespace {

using codec::AbiError;
using codec::AbiList;
using codec::AbiValue;

constexpr std::string_view settle_signature =
    "settle(((address,address,uint256,uint256,uint64),bytes,uint256,uint256,(bytes32,uint256)[],"
    "bool))";
constexpr std::string_view settle_batch_signature =
    "settleBatch(((address,address,uint256,uint256,uint64),bytes,uint256,uint256,"
    "(bytes32,uint256)[],bool)[])";
constexpr std::string_view report_signature =
    "reportContradiction("
    "((bytes32,bytes32,uint32,address,address,uint64,uint256,uint64),bytes,"
    "(bytes32,bytes32,bytes32,uint64),bytes),"
    "((bytes32,bytes32,uint32,address,address,uint64,uint256,uint64),bytes,"
    "(bytes32,bytes32,bytes32,uint64),bytes)[2])";
constexpr std::string_view provider_type =
    "((address,address,address,bytes32,string,uint128,uint32,bool,uint64,uint256,uint256,uint64,"
    "address,uint64,(uint64,uint256,uint64,uint64,uint64)))";
constexpr std::string_view provider_page_type =
    "((address,address,address,bytes32,string,uint128,uint32,bool,uint64,uint256,uint256,uint64,"
    "address,uint64,(uint64,uint256,uint64,uint64,uint64))[])";
constexpr std::string_view capabilities_type =
    "((uint32,bytes32,address,address,address,address,address,address,address,address))";

AbiValue value(const Address& address) {
    return AbiValue::address(address);
}
AbiValue value(const Hash32& word) {
    return AbiValue::word(word);
}
AbiValue value(const Amount& amount) {
    return AbiValue::number(amount.wei);
}
AbiValue value(std::uint64_t number) {
    return AbiValue::number(number);
}
AbiValue value(Fuel fuel) {
    return AbiValue::number(fuel.value);
}

/// The signatures are ours and the values fit them, or it is our bug.
Bytes call(std::string_view signature, const AbiList& arguments) {
    auto encoded = codec::abi_call(signature, arguments);
    MILLRACE_ASSERT(encoded.has_value());
    return std::move(encoded).value();
}
Bytes arguments_only(std::string_view types, const AbiList& arguments) {
    auto encoded = codec::abi_encode(types, arguments);
    MILLRACE_ASSERT(encoded.has_value());
    return std::move(encoded).value();
}

/// Of a word whose type bounds it to 64 bits.
std::uint64_t low_u64(const AbiValue& item) {
    MILLRACE_ASSERT(item.as_number().fits_u64());
    return item.as_number().words[0];
}
std::uint32_t low_u32(const AbiValue& item) {
    return static_cast<std::uint32_t>(low_u64(item));
}

AbiValue claim_value(const SettleClaim& claim) {
    const types::Voucher& voucher = claim.voucher;
    AbiList path;
    for (const auto& step : claim.proof.path) {
        path.push_back(AbiValue::list({value(step.sibling), value(step.sum)}));
    }
    return AbiValue::list(
        {AbiValue::list({value(voucher.payer), value(voucher.payee), value(voucher.allocation),
                         value(voucher.cumulative), value(voucher.tasks)}),
         AbiValue::bytes(claim.signature.view()), value(claim.proof.cap),
         value(std::uint64_t{claim.proof.index}), AbiValue::list(std::move(path)),
         AbiValue::boolean(claim.close)});
}

AbiValue receipt_value(const SignedReceipt& item) {
    const types::Lease& lease = item.lease;
    const types::Receipt& receipt = item.receipt;
    return AbiValue::list(
        {AbiValue::list({value(lease.job), value(lease.task), value(std::uint64_t{lease.replica}),
                         value(lease.requestor), value(lease.provider), value(lease.fuel_limit),
                         value(lease.price), value(lease.deadline)}),
         AbiValue::bytes(item.lease_signature.view()),
         AbiValue::list({value(receipt.lease), value(receipt.task), value(receipt.result_id),
                         value(receipt.fuel)}),
         AbiValue::bytes(item.receipt_signature.view())});
}

types::ProviderRecord provider_record(const AbiValue& item) {
    const AbiList& fields = item.as_list();
    const AbiList& counters = fields[14].as_list();
    types::ProviderRecord record;
    record.provider = fields[0].as_address();
    record.signer = fields[1].as_address();
    record.node_key = fields[3].as_word();
    record.endpoint = fields[4].as_text_value();
    record.price = Amount{fields[5].as_number()};
    record.slots = low_u32(fields[6]);
    record.active = fields[7].as_boolean();
    record.stake = Amount{fields[9].as_number()};
    record.accepted_tasks = low_u64(counters[0]);
    record.paid_total = Amount{counters[1].as_number()};
    record.contradictions = low_u64(counters[2]);
    record.streak = low_u64(counters[3]);
    record.score = low_u64(counters[4]);
    return record;
}

Bytes stream_call(std::string_view signature, const Address& payer, std::uint64_t allocation,
                  const Address& payee) {
    return call(signature, {value(payer), value(allocation), value(payee)});
}

AbiList capabilities_values(const CapabilitiesView& parts) {
    return {AbiValue::list({value(std::uint64_t{parts.version}), value(parts.network),
                            value(parts.providers), value(parts.deposits), value(parts.jobs),
                            value(parts.disputes), value(parts.beacon), value(parts.replay_judge),
                            value(parts.ticket_ledger), value(parts.blob_lane)})};
}

/// The arguments of an event with this topic: indexed ones as words, then the data's.
std::optional<AbiList> event_arguments(std::string_view signature, std::string_view indexed_types,
                                       std::string_view data_types,
                                       const std::vector<Hash32>& topics, ByteView data) {
    if (topics.empty() || topics[0] != codec::abi_topic(signature)) return std::nullopt;
    Bytes words;
    for (std::size_t index = 1; index < topics.size(); ++index) {
        words.insert(words.end(), topics[index].bytes.begin(), topics[index].bytes.end());
    }
    const auto indexed = codec::abi_decode(indexed_types, words);
    const auto plain = codec::abi_decode(data_types, data);
    if (!indexed.has_value() || !plain.has_value()) return std::nullopt;
    AbiList all = *indexed;
    all.insert(all.end(), plain->begin(), plain->end());
    return all;
}

constexpr std::string_view allocated_signature =
    "Allocated(address,uint256,bytes32,uint256,uint32,uint64)";
constexpr std::string_view settled_signature =
    "Settled(address,address,uint256,uint256,uint256,uint64)";
constexpr std::string_view closed_signature = "Closed(address,address,uint256,uint256)";

}  // namespace

Decoded<Amount> decode_amount(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(uint256)", output));
    return Amount{values[0].as_number()};
}

Decoded<std::uint64_t> decode_u64(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(uint64)", output));
    return low_u64(values[0]);
}

Decoded<bool> decode_bool(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(bool)", output));
    return values[0].as_boolean();
}

Decoded<Address> decode_address(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(address)", output));
    return values[0].as_address();
}

Decoded<Hash32> decode_hash(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(bytes32)", output));
    return values[0].as_word();
}

Bytes encode_deposit(const Address& payer) {
    return call("deposit(address)", {value(payer)});
}

Bytes encode_allocate(const Hash32& root, const Amount& total, std::uint32_t leaf_count,
                      std::uint64_t expiry) {
    return call("allocate(bytes32,uint256,uint32,uint64)",
                {value(root), value(total), value(std::uint64_t{leaf_count}), value(expiry)});
}

Bytes encode_release(std::uint64_t allocation) {
    return call("release(uint256)", {value(allocation)});
}
Bytes encode_request_withdrawal(const Amount& amount) {
    return call("requestWithdrawal(uint256)", {value(amount)});
}
Bytes encode_cancel_withdrawal() {
    return call("cancelWithdrawal()", {});
}
Bytes encode_withdraw() {
    return call("withdraw()", {});
}

Bytes encode_settle(const SettleClaim& claim) {
    return call(settle_signature, {claim_value(claim)});
}

Bytes encode_settle_batch(const std::vector<SettleClaim>& claims) {
    AbiList values;
    for (const SettleClaim& claim : claims)
        values.push_back(claim_value(claim));
    return call(settle_batch_signature, {AbiValue::list(std::move(values))});
}

Bytes encode_free(const Address& payer) {
    return call("free(address)", {value(payer)});
}
Bytes encode_allocation_count(const Address& payer) {
    return call("allocationCount(address)", {value(payer)});
}
Bytes encode_settled(const Address& payer, std::uint64_t allocation, const Address& payee) {
    return stream_call("settled(address,uint256,address)", payer, allocation, payee);
}
Bytes encode_settled_tasks(const Address& payer, std::uint64_t allocation, const Address& payee) {
    return stream_call("settledTasks(address,uint256,address)", payer, allocation, payee);
}
Bytes encode_closed(const Address& payer, std::uint64_t allocation, const Address& payee) {
    return stream_call("closed(address,uint256,address)", payer, allocation, payee);
}
Bytes encode_withdrawal_delay() {
    return call("withdrawalDelay()", {});
}
Bytes encode_expiry_min() {
    return call("expiryMin()", {});
}
Bytes encode_expiry_max() {
    return call("expiryMax()", {});
}

Bytes encode_pending_withdrawal(const Address& payer) {
    return call("pendingWithdrawal(address)", {value(payer)});
}

Decoded<PendingWithdrawal> decode_pending_withdrawal(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("(uint256,uint64)", output));
    return PendingWithdrawal{.amount = Amount{values[0].as_number()},
                             .withdrawable_at = low_u64(values[1])};
}

Bytes encode_allocation(const Address& payer, std::uint64_t allocation) {
    return call("allocation(address,uint256)", {value(payer), value(allocation)});
}

Decoded<AllocationView> decode_allocation(ByteView output) {
    MILLRACE_TRY(
        const AbiList values,
        codec::abi_decode("((bytes32,uint256,uint256,uint256,uint32,uint64,bool))", output));
    const AbiList& fields = values[0].as_list();
    return AllocationView{.root = fields[0].as_word(),
                          .total = Amount{fields[1].as_number()},
                          .settled = Amount{fields[2].as_number()},
                          .freed = Amount{fields[3].as_number()},
                          .leaf_count = low_u32(fields[4]),
                          .expiry = low_u64(fields[5]),
                          .released = fields[6].as_boolean()};
}

bool proof_holds(const AllocationView& allocation, const Address& payee,
                 const types::AllocationProof& proof) {
    std::vector<crypto::SumNode> path;
    for (const auto& step : proof.path) {
        path.push_back({.hash = step.sibling, .sum = to_word(step.sum.wei)});
    }
    return crypto::verify_allocation(
        {.hash = allocation.root, .sum = to_word(allocation.total.wei)},
        {.payee = payee, .cap = proof.cap.wei}, proof.index, allocation.leaf_count, path);
}

Bytes encode_register(const ProviderTerms& terms, const Address& signer, const Address& payout) {
    return call("register(bytes32,string,uint128,uint32,address,address)",
                {value(terms.node_key), AbiValue::text(terms.endpoint), value(terms.price),
                 value(std::uint64_t{terms.slots}), value(signer), value(payout)});
}

Bytes encode_update(const Address& owner, const ProviderTerms& terms) {
    return call("update(address,bytes32,string,uint128,uint32)",
                {value(owner), value(terms.node_key), AbiValue::text(terms.endpoint),
                 value(terms.price), value(std::uint64_t{terms.slots})});
}

Bytes encode_set_active(const Address& owner, bool active) {
    return call("setActive(address,bool)", {value(owner), AbiValue::boolean(active)});
}
Bytes encode_set_signer(const Address& signer) {
    return call("setSigner(address)", {value(signer)});
}
Bytes encode_add_stake() {
    return call("addStake()", {});
}
Bytes encode_request_unbond(const Amount& amount) {
    return call("requestUnbond(uint256)", {value(amount)});
}
Bytes encode_withdraw_stake() {
    return call("withdrawStake()", {});
}

Bytes encode_provider_count() {
    return call("count()", {});
}

Bytes encode_provider_page(std::uint64_t start, std::uint64_t size) {
    MILLRACE_ASSERT(size <= provider_page_max);
    return call("page(uint256,uint256)", {value(start), value(size)});
}

Decoded<std::vector<types::ProviderRecord>> decode_provider_page(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode(provider_page_type, output));
    std::vector<types::ProviderRecord> records;
    for (const AbiValue& item : values[0].as_list())
        records.push_back(provider_record(item));
    return records;
}

Bytes encode_get_provider(const Address& owner) {
    return call("get(address)", {value(owner)});
}

Decoded<types::ProviderRecord> decode_provider(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode(provider_type, output));
    return provider_record(values[0]);
}

Bytes encode_is_registered(const Address& owner) {
    return call("isRegistered(address)", {value(owner)});
}
Bytes encode_payout_of(const Address& payee) {
    return call("payoutOf(address)", {value(payee)});
}
Bytes encode_stake_min() {
    return call("stakeMin()", {});
}

Bytes encode_post_job(const Hash32& job, std::uint64_t tasks, const Amount& cap) {
    return call("post(bytes32,uint64,uint256)", {value(job), value(tasks), value(cap)});
}
Bytes encode_close_job(const Hash32& job) {
    return call("close(bytes32)", {value(job)});
}

Bytes encode_report_contradiction(const SignedReceipt& wrong, const SignedReceipt& agreeing_first,
                                  const SignedReceipt& agreeing_second) {
    return call(report_signature,
                {receipt_value(wrong),
                 AbiValue::list({receipt_value(agreeing_first), receipt_value(agreeing_second)})});
}

Bytes encode_is_reported(const Address& requestor, const Hash32& job, const Hash32& task,
                         const Address& provider) {
    return call("isReported(address,bytes32,bytes32,address)",
                {value(requestor), value(job), value(task), value(provider)});
}

Bytes encode_job(const Address& requestor, const Hash32& job) {
    return call("job(address,bytes32)", {value(requestor), value(job)});
}

Decoded<JobView> decode_job(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode("((uint64,uint64,bool,uint256))", output));
    const AbiList& fields = values[0].as_list();
    return JobView{.tasks = low_u64(fields[0]),
                   .posted_at = low_u64(fields[1]),
                   .closed = fields[2].as_boolean(),
                   .cap = Amount{fields[3].as_number()}};
}

Bytes encode_capabilities_all() {
    return call("all()", {});
}

Decoded<CapabilitiesView> decode_capabilities(ByteView output) {
    MILLRACE_TRY(const AbiList values, codec::abi_decode(capabilities_type, output));
    const AbiList& fields = values[0].as_list();
    CapabilitiesView parts{.version = low_u32(fields[0]),
                           .network = fields[1].as_word(),
                           .providers = fields[2].as_address(),
                           .deposits = fields[3].as_address(),
                           .jobs = fields[4].as_address(),
                           .disputes = fields[5].as_address(),
                           .beacon = fields[6].as_address(),
                           .replay_judge = fields[7].as_address(),
                           .ticket_ledger = fields[8].as_address(),
                           .blob_lane = fields[9].as_address()};
    if (parts.version > capabilities_version) return Err{AbiError::out_of_range};
    return parts;
}

Bytes encode_capabilities_constructor(const CapabilitiesView& parts) {
    return arguments_only(capabilities_type, capabilities_values(parts));
}

Bytes encode_providers_constructor(const Address& deposits, const Address& jobs,
                                   const Amount& stake_min, std::uint64_t unbond_delay,
                                   std::uint64_t payout_delay) {
    return arguments_only(
        "(address,address,uint256,uint64,uint64)",
        {value(deposits), value(jobs), value(stake_min), value(unbond_delay), value(payout_delay)});
}

Bytes encode_deposits_constructor(const Hash32& network, const Address& providers,
                                  std::uint64_t expiry_min, std::uint64_t expiry_max,
                                  std::uint64_t withdrawal_delay) {
    return arguments_only("(bytes32,address,uint64,uint64,uint64)",
                          {value(network), value(providers), value(expiry_min), value(expiry_max),
                           value(withdrawal_delay)});
}

Bytes encode_jobs_constructor(const Hash32& network, const Address& providers) {
    return arguments_only("(bytes32,address)", {value(network), value(providers)});
}

Hash32 allocated_topic() {
    return codec::abi_topic(allocated_signature);
}

std::optional<AllocatedEvent> decode_allocated(const std::vector<Hash32>& topics, ByteView data) {
    const auto values = event_arguments(allocated_signature, "(address,uint64)",
                                        "(bytes32,uint256,uint32,uint64)", topics, data);
    if (!values) return std::nullopt;
    return AllocatedEvent{.payer = values->at(0).as_address(),
                          .allocation = low_u64(values->at(1)),
                          .root = values->at(2).as_word(),
                          .total = Amount{values->at(3).as_number()},
                          .leaf_count = low_u32(values->at(4)),
                          .expiry = low_u64(values->at(5))};
}

Hash32 settled_topic() {
    return codec::abi_topic(settled_signature);
}

std::optional<SettledEvent> decode_settled(const std::vector<Hash32>& topics, ByteView data) {
    const auto values = event_arguments(settled_signature, "(address,address,uint64)",
                                        "(uint256,uint256,uint64)", topics, data);
    if (!values) return std::nullopt;
    return SettledEvent{.payer = values->at(0).as_address(),
                        .payee = values->at(1).as_address(),
                        .allocation = low_u64(values->at(2)),
                        .amount = Amount{values->at(3).as_number()},
                        .cumulative = Amount{values->at(4).as_number()},
                        .tasks = low_u64(values->at(5))};
}

Hash32 closed_topic() {
    return codec::abi_topic(closed_signature);
}

std::optional<ClosedEvent> decode_closed(const std::vector<Hash32>& topics, ByteView data) {
    const auto values =
        event_arguments(closed_signature, "(address,address,uint64)", "(uint256)", topics, data);
    if (!values) return std::nullopt;
    return ClosedEvent{.payer = values->at(0).as_address(),
                       .payee = values->at(1).as_address(),
                       .allocation = low_u64(values->at(2)),
                       .freed = Amount{values->at(3).as_number()}};
}

Hash32 address_topic(const Address& address) {
    return codec::eip712_word(address);
}

}  // namespace millrace::market
