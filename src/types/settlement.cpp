// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "types/settlement.hpp"

#include "crypto/hash.hpp"
#include "types/fields.hpp"

namespace millrace::types {

using codec::eip712_word;
using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

namespace {

constexpr std::uint64_t fuel_per_gigafuel = 1'000'000'000;
constexpr std::size_t path_steps_max = 32;

// The type strings are what the contracts hash (contracts/src/Jobs.sol and Deposits.sol).
constexpr std::string_view lease_type =
    "Lease(bytes32 job,bytes32 task,uint32 replica,address requestor,address provider,"
    "uint64 fuelLimit,uint256 price,uint64 deadline)";
constexpr std::string_view commitment_type = "Commitment(bytes32 lease,bytes32 commitment)";
constexpr std::string_view receipt_type =
    "Receipt(bytes32 lease,bytes32 task,bytes32 resultId,uint64 fuel)";
constexpr std::string_view voucher_type =
    "Voucher(address payer,address payee,uint256 allocation,uint256 cumulative,uint64 tasks)";

Hash32 separator_for(const SettlementDomain& domain, const Address& contract) {
    codec::Eip712Domain eip712;
    eip712.chain_id = domain.chain_id;
    eip712.verifying_contract = contract;
    eip712.salt = domain.genesis;
    return eip712.separator();
}

detail::Read<AllocationProof::Step> read_step(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    AllocationProof::Step step;
    MILLRACE_TRY(step.sibling, list.read_fixed<Hash32>());
    MILLRACE_TRY(step.sum.wei, list.read_u256());
    MILLRACE_TRY_VOID(list.finish());
    return step;
}

}  // namespace

Hash32 SettlementDomain::deposits_separator() const {
    return separator_for(*this, deposits);
}
Hash32 SettlementDomain::jobs_separator() const {
    return separator_for(*this, jobs);
}

Hash32 Lease::id() const {
    return codec::eip712_struct_hash(
        lease_type, {job, task, eip712_word(std::uint64_t{replica}), eip712_word(requestor),
                     eip712_word(provider), eip712_word(fuel_limit.value), eip712_word(price.wei),
                     eip712_word(deadline)});
}

Hash32 Lease::digest(const SettlementDomain& domain) const {
    return codec::eip712_digest(domain.jobs_separator(), id());
}

void Lease::encode_to(RlpWriter& writer) const {
    const auto list = writer.begin_list();
    writer.write(job);
    writer.write(task);
    writer.write(std::uint64_t{replica});
    writer.write(requestor);
    writer.write(provider);
    writer.write(fuel_limit.value);
    writer.write(price.wei);
    writer.write(deadline);
    writer.end_list(list);
}

Result<Lease, RlpError> Lease::decode_from(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    Lease lease;
    MILLRACE_TRY(lease.job, list.read_fixed<Hash32>());
    MILLRACE_TRY(lease.task, list.read_fixed<Hash32>());
    MILLRACE_TRY(const std::uint64_t replica, detail::read_u64_max(list, 0xffff'ffff));
    lease.replica = static_cast<std::uint32_t>(replica);
    MILLRACE_TRY(lease.requestor, list.read_fixed<Address>());
    MILLRACE_TRY(lease.provider, list.read_fixed<Address>());
    MILLRACE_TRY(lease.fuel_limit.value, list.read_u64());
    MILLRACE_TRY(lease.price.wei, list.read_u256());
    MILLRACE_TRY(lease.deadline, list.read_u64());
    MILLRACE_TRY_VOID(list.finish());
    return lease;
}

std::optional<Amount> task_price(const Amount& price_per_gigafuel, Fuel fuel) noexcept {
    const auto product = checked_mul(price_per_gigafuel.wei, U256{fuel.value});
    if (!product) return std::nullopt;
    const auto division = checked_div(*product, U256{fuel_per_gigafuel});
    MILLRACE_ASSERT(division.has_value());
    if (division->remainder.is_zero()) return Amount{division->quotient};
    const auto rounded_up = checked_add(division->quotient, U256{1});
    MILLRACE_ASSERT(rounded_up.has_value());  // the quotient is at most 2^256 / 10^9
    return Amount{*rounded_up};
}

Hash32 Commitment::digest(const SettlementDomain& domain) const {
    return codec::eip712_digest(domain.jobs_separator(),
                                codec::eip712_struct_hash(commitment_type, {lease, commitment}));
}

Hash32 commitment_hash(const U256& chain_id, const Hash32& task, const Address& provider,
                       const Hash32& result_id, const Hash32& salt) {
    Bytes preimage;
    preimage.reserve(4 * Hash32::size + Address::size);
    const auto append = [&preimage](ByteView bytes) {
        preimage.insert(preimage.end(), bytes.begin(), bytes.end());
    };
    append(to_word(chain_id).view());
    append(task.view());
    append(provider.view());
    append(result_id.view());
    append(salt.view());
    return crypto::keccak256(preimage);
}

Hash32 Receipt::digest(const SettlementDomain& domain) const {
    return codec::eip712_digest(
        domain.jobs_separator(),
        codec::eip712_struct_hash(receipt_type, {lease, task, result_id, eip712_word(fuel.value)}));
}

Hash32 Voucher::digest(const SettlementDomain& domain) const {
    return codec::eip712_digest(
        domain.deposits_separator(),
        codec::eip712_struct_hash(voucher_type,
                                  {eip712_word(payer), eip712_word(payee), eip712_word(allocation),
                                   eip712_word(cumulative.wei), eip712_word(tasks)}));
}

void Voucher::encode_to(RlpWriter& writer) const {
    const auto list = writer.begin_list();
    writer.write(payer);
    writer.write(payee);
    writer.write(allocation);
    writer.write(cumulative.wei);
    writer.write(tasks);
    writer.end_list(list);
}

Result<Voucher, RlpError> Voucher::decode_from(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    Voucher voucher;
    MILLRACE_TRY(voucher.payer, list.read_fixed<Address>());
    MILLRACE_TRY(voucher.payee, list.read_fixed<Address>());
    MILLRACE_TRY(voucher.allocation, list.read_u64());
    MILLRACE_TRY(voucher.cumulative.wei, list.read_u256());
    MILLRACE_TRY(voucher.tasks, list.read_u64());
    MILLRACE_TRY_VOID(list.finish());
    return voucher;
}

void AllocationProof::encode_to(RlpWriter& writer) const {
    const auto list = writer.begin_list();
    writer.write(allocation);
    writer.write(std::uint64_t{index});
    writer.write(cap.wei);
    const auto steps = writer.begin_list();
    for (const Step& step : path) {
        const auto item = writer.begin_list();
        writer.write(step.sibling);
        writer.write(step.sum.wei);
        writer.end_list(item);
    }
    writer.end_list(steps);
    writer.end_list(list);
}

Result<AllocationProof, RlpError> AllocationProof::decode_from(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    AllocationProof proof;
    MILLRACE_TRY(proof.allocation, list.read_u64());
    MILLRACE_TRY(const std::uint64_t index, detail::read_u64_max(list, 0xffff'ffff));
    proof.index = static_cast<std::uint32_t>(index);
    MILLRACE_TRY(proof.cap.wei, list.read_u256());
    MILLRACE_TRY(proof.path, detail::read_items<Step>(list, path_steps_max, read_step));
    MILLRACE_TRY_VOID(list.finish());
    return proof;
}

}  // namespace millrace::types
