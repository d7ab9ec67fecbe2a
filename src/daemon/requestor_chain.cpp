// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/requestor_chain.hpp"

#include "compute/requestor.hpp"
#include "daemon/contract_reads.hpp"

namespace millrace::daemon {

namespace req = compute::requestor;
using chain::BlockTag;
using chain::ChainClient;
using chain::TransactionSender;

namespace {

constexpr Duration final_look_interval{300};
constexpr std::size_t providers_read_max = compute::Requestor::providers_max;
/// Open allocations looked at for the deposit's total: more than an agent has open at a time.
constexpr std::uint64_t allocations_read_max = 256;

Outcome<Amount> read_deposit_total(ChainClient& client, const Address& deposits,
                                   const Address& account) {
    MILLRACE_TRY(Amount total, read_contract<Amount>(client, deposits, market::encode_free(account),
                                                     market::decode_amount));
    MILLRACE_TRY(const auto pending,
                 read_contract<market::PendingWithdrawal>(
                     client, deposits, market::encode_pending_withdrawal(account),
                     market::decode_pending_withdrawal));
    MILLRACE_TRY(
        const std::uint64_t count,
        read_contract<std::uint64_t>(client, deposits, market::encode_allocation_count(account),
                                     market::decode_u64));
    total = checked_add(total, pending.amount).value_or(total);
    const std::uint64_t first = count > allocations_read_max ? count - allocations_read_max : 0;
    for (std::uint64_t id = first; id < count; ++id) {
        MILLRACE_TRY(const auto allocation,
                     read_contract<market::AllocationView>(client, deposits,
                                                           market::encode_allocation(account, id),
                                                           market::decode_allocation));
        if (allocation.released) continue;
        const auto used = checked_add(allocation.settled, allocation.freed);
        const auto open = used ? checked_sub(allocation.total, *used) : std::nullopt;
        if (open) total = checked_add(total, *open).value_or(total);
    }
    return total;
}

Outcome<ChainView> read_chain_view(ChainClient& client, const types::SettlementDomain& domain,
                                   const Address& account, bool with_wallets) {
    ChainView view;
    MILLRACE_TRY(view.block, client.block_number());
    MILLRACE_TRY(view.providers, read_providers(client, domain.providers, providers_read_max));
    MILLRACE_TRY(view.deposit_free_latest,
                 read_contract<Amount>(client, domain.deposits, market::encode_free(account),
                                       market::decode_amount));
    MILLRACE_TRY(view.deposit_free_finalized,
                 read_contract<Amount>(client, domain.deposits, market::encode_free(account),
                                       market::decode_amount, BlockTag::finalized));
    MILLRACE_TRY(view.allocation_count_finalized,
                 read_contract<std::uint64_t>(client, domain.deposits,
                                              market::encode_allocation_count(account),
                                              market::decode_u64, BlockTag::finalized));
    if (!with_wallets) return view;
    MILLRACE_TRY(view.wallet, client.balance(account));
    MILLRACE_TRY(view.deposit_total, read_deposit_total(client, domain.deposits, account));
    for (const auto& provider : view.providers) {
        MILLRACE_TRY(const Amount wallet, client.balance(provider.provider));
        view.provider_wallets.push_back(wallet);
    }
    return view;
}

market::SignedReceipt signed_receipt(const req::SignedReceipt& receipt) {
    return {receipt.lease, receipt.lease_signature, receipt.receipt, receipt.receipt_signature};
}

}  // namespace

Outcome<std::vector<types::ProviderRecord>> read_providers(ChainClient& client,
                                                           const Address& providers,
                                                           std::size_t count_max) {
    std::vector<types::ProviderRecord> records;
    while (records.size() < count_max) {
        MILLRACE_TRY(const auto page,
                     read_contract<std::vector<types::ProviderRecord>>(
                         client, providers,
                         market::encode_provider_page(records.size(), market::provider_page_max),
                         market::decode_provider_page));
        records.insert(records.end(), page.begin(), page.end());
        if (page.size() < market::provider_page_max) break;
    }
    return records;
}

RequestorChain::RequestorChain(AgentBase& base) : base_{base} {}
RequestorChain::~RequestorChain() = default;

void RequestorChain::read_view(bool with_wallets, Answer<ChainView> answer) {
    base_.on_chain(
        [domain = base_.domain(), account = base_.account(), with_wallets](ChainClient& client,
                                                                           TransactionSender&) {
            return read_chain_view(client, domain, account, with_wallets);
        },
        std::move(answer));
}

void RequestorChain::ensure_deposit(const Amount& target, Answer<Hash32> answer) {
    base_.transact(
        [domain = base_.domain(), account = base_.account(), target](
            ChainClient& client, TransactionSender& sender) -> Outcome<Hash32> {
            if (const auto open = AgentBase::open_attempt(sender, "deposit")) return *open;
            MILLRACE_TRY(const Amount total, read_deposit_total(client, domain.deposits, account));
            const auto missing = checked_sub(target, total);
            if (!missing || missing->wei.is_zero()) return Hash32{};
            return sender.submit({.to = domain.deposits,
                                  .value = *missing,
                                  .data = market::encode_deposit(account),
                                  .purpose = "deposit",
                                  .gas_limit = std::nullopt});
        },
        std::move(answer));
}

void RequestorChain::allocate(const req::Allocate& request,
                              std::function<void(req::AllocationUpdated)> status) {
    base_.transact(
        [domain = base_.domain(), account = base_.account(), request](
            ChainClient& client, TransactionSender& sender) -> Outcome<Hash32> {
            // After a restart the machine asks again: what stands already is not sent twice.
            MILLRACE_TRY(const std::uint64_t count,
                         read_contract<std::uint64_t>(client, domain.deposits,
                                                      market::encode_allocation_count(account),
                                                      market::decode_u64));
            if (count > request.allocation) {
                MILLRACE_TRY(const auto standing,
                             read_contract<market::AllocationView>(
                                 client, domain.deposits,
                                 market::encode_allocation(account, request.allocation),
                                 market::decode_allocation));
                if (standing.root == request.root) return Hash32{};
                return Err{Failure{"another allocation has this number",
                                   "allocation " + std::to_string(request.allocation),
                                   "use one agent per account"}};
            }
            const std::string purpose = "allocate " + std::to_string(request.allocation);
            if (const auto open = AgentBase::open_attempt(sender, purpose)) return *open;
            return sender.submit(
                {.to = domain.deposits,
                 .value = {},
                 .data = market::encode_allocate(request.root, request.total,
                                                 static_cast<std::uint32_t>(request.leaves.size()),
                                                 request.expiry),
                 .purpose = purpose,
                 .gas_limit = std::nullopt});
        },
        [this, allocation = request.allocation, status](Outcome<Hash32> sent) {
            if (!sent) {
                return status({.allocation = allocation,
                               .status = req::AllocationStatus::failed,
                               .transaction = {},
                               .why = sent.error().text()});
            }
            status({.allocation = allocation,
                    .status = req::AllocationStatus::latest,
                    .transaction = *sent,
                    .why = {}});
            await_final(allocation, *sent, status);
        });
}

void RequestorChain::await_final(std::uint64_t allocation, const Hash32& transaction,
                                 std::function<void(req::AllocationUpdated)> status) {
    base_.on_chain(
        [domain = base_.domain(), account = base_.account()](ChainClient& client,
                                                             TransactionSender&) {
            return read_contract<std::uint64_t>(client, domain.deposits,
                                                market::encode_allocation_count(account),
                                                market::decode_u64, BlockTag::finalized);
        },
        [this, allocation, transaction, status](Outcome<std::uint64_t> count) {
            if (count && *count > allocation) {
                return status({.allocation = allocation,
                               .status = req::AllocationStatus::finalized,
                               .transaction = transaction,
                               .why = {}});
            }
            base_.loop().call_after(final_look_interval, [this, allocation, transaction, status] {
                await_final(allocation, transaction, status);
            });
        });
}

void RequestorChain::report(const req::Evidence& evidence, Answer<Hash32> answer) {
    base_.transact(
        [domain = base_.domain(), evidence](ChainClient& client,
                                            TransactionSender& sender) -> Outcome<Hash32> {
            const auto& lease = evidence.wrong.lease;
            MILLRACE_TRY(const bool reported,
                         read_contract<bool>(client, domain.jobs,
                                             market::encode_is_reported(lease.requestor, lease.job,
                                                                        lease.task, lease.provider),
                                             market::decode_bool));
            if (reported) return Hash32{};
            const std::string purpose = "report " + to_hex(evidence.id.view());
            if (const auto open = AgentBase::open_attempt(sender, purpose)) return *open;
            return sender.submit(
                {.to = domain.jobs,
                 .value = {},
                 .data = market::encode_report_contradiction(signed_receipt(evidence.wrong),
                                                             signed_receipt(evidence.right_first),
                                                             signed_receipt(evidence.right_second)),
                 .purpose = purpose,
                 .gas_limit = std::nullopt});
        },
        std::move(answer));
}

void RequestorChain::release(std::uint64_t allocation, Answer<Hash32> answer) {
    base_.transact(
        [domain = base_.domain(), account = base_.account(), allocation](
            ChainClient& client, TransactionSender& sender) -> Outcome<Hash32> {
            MILLRACE_TRY(const auto standing, read_contract<market::AllocationView>(
                                                  client, domain.deposits,
                                                  market::encode_allocation(account, allocation),
                                                  market::decode_allocation));
            if (!standing.exists() || standing.released) return Hash32{};
            return sender.submit({.to = domain.deposits,
                                  .value = {},
                                  .data = market::encode_release(allocation),
                                  .purpose = "release " + std::to_string(allocation),
                                  .gas_limit = std::nullopt});
        },
        std::move(answer));
}

}  // namespace millrace::daemon
