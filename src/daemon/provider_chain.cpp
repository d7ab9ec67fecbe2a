// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/provider_chain.hpp"

#include "daemon/contract_reads.hpp"

namespace millrace::daemon {

namespace prov = compute::provider;
using chain::BlockTag;
using chain::ChainClient;
using chain::TransactionSender;

namespace {

constexpr Duration transaction_time_max{120'000};

Outcome<Hash32> register_provider(ChainClient& client, TransactionSender& sender,
                                  const types::SettlementDomain& domain,
                                  const ProviderChain::Terms& terms) {
    const Address owner = sender.account();
    const market::ProviderTerms wanted{.node_key = terms.node_key,
                                       .endpoint = terms.endpoint,
                                       .price = terms.price,
                                       .slots = terms.slots};
    const auto send = [&](Bytes data, const Amount& value, const char* purpose) -> Outcome<Hash32> {
        MILLRACE_TRY(const auto receipt, sender.send({.to = domain.providers,
                                                      .value = value,
                                                      .data = std::move(data),
                                                      .purpose = purpose,
                                                      .gas_limit = std::nullopt},
                                                     transaction_time_max));
        return receipt.transaction;
    };
    // What a crash left open comes first: it may be this very registration.
    for (const auto& attempt : sender.open()) {
        if (attempt.purpose == "register" || attempt.purpose == "update") {
            MILLRACE_TRY_VOID(sender.wait(attempt.hash, transaction_time_max));
        }
    }
    MILLRACE_TRY(const auto known, read_contract<types::ProviderRecord>(
                                       client, domain.providers, market::encode_get_provider(owner),
                                       market::decode_provider));
    if (known.provider.is_zero()) {
        return send(market::encode_register(wanted, owner, owner), terms.stake, "register");
    }
    Hash32 last;
    if (known.node_key != terms.node_key || known.endpoint != terms.endpoint ||
        known.price != terms.price || known.slots != terms.slots) {
        MILLRACE_TRY(last, send(market::encode_update(owner, wanted), {}, "update"));
    }
    if (!known.active) {
        MILLRACE_TRY(last, send(market::encode_set_active(owner, true), {}, "update"));
    }
    return last;
}

Outcome<prov::AllocationSeen> look_at_allocation(ChainClient& client,
                                                 const types::SettlementDomain& domain,
                                                 const Address& payee,
                                                 const prov::CheckAllocation& request) {
    const auto read = [&](BlockTag tag) {
        return read_contract<market::AllocationView>(
            client, domain.deposits,
            market::encode_allocation(request.payer, request.proof.allocation),
            market::decode_allocation, tag);
    };
    prov::AllocationSeen seen;
    seen.payer = request.payer;
    seen.proof = request.proof;
    MILLRACE_TRY(const auto latest, read(BlockTag::latest));
    if (!latest.exists()) return seen;  // absent
    seen.expiry = latest.expiry;
    MILLRACE_TRY(
        const bool closed,
        read_contract<bool>(client, domain.deposits,
                            market::encode_closed(request.payer, request.proof.allocation, payee),
                            market::decode_bool));
    MILLRACE_TRY(seen.settled,
                 read_contract<Amount>(
                     client, domain.deposits,
                     market::encode_settled(request.payer, request.proof.allocation, payee),
                     market::decode_amount));
    if (closed) {
        seen.state = prov::AllocationState::closed;
        return seen;
    }
    if (latest.released || !market::proof_holds(latest, payee, request.proof)) {
        seen.state = prov::AllocationState::invalid;
        return seen;
    }
    MILLRACE_TRY(const auto final, read(BlockTag::finalized));
    seen.state = final.exists() && final.root == latest.root ? prov::AllocationState::finalized
                                                             : prov::AllocationState::latest;
    return seen;
}

market::SettleClaim settle_claim(const prov::Claim& claim) {
    return {claim.voucher, claim.signature, claim.proof, claim.close};
}

Outcome<Amount> read_settled(ChainClient& client, const types::SettlementDomain& domain,
                             const types::Voucher& voucher) {
    return read_contract<Amount>(
        client, domain.deposits,
        market::encode_settled(voucher.payer, voucher.allocation, voucher.payee),
        market::decode_amount);
}

Outcome<bool> read_closed(ChainClient& client, const types::SettlementDomain& domain,
                          const types::Voucher& voucher) {
    return read_contract<bool>(
        client, domain.deposits,
        market::encode_closed(voucher.payer, voucher.allocation, voucher.payee),
        market::decode_bool);
}

/// True when the chain shows that the claim has been carried out.
Outcome<bool> already_settled(ChainClient& client, const types::SettlementDomain& domain,
                              const prov::Claim& claim) {
    MILLRACE_TRY(const Amount settled, read_settled(client, domain, claim.voucher));
    MILLRACE_TRY(const bool closed, read_closed(client, domain, claim.voucher));
    return closed || (settled >= claim.voucher.cumulative && !claim.close);
}

std::string settle_purpose(const prov::Claim& claim) {
    return "settle " + to_hex(claim.voucher.payer.view()) + " " +
           std::to_string(claim.voucher.allocation);
}

}  // namespace

void ProviderChain::ensure_registered(const Terms& terms,
                                      std::function<void(Outcome<Hash32>)> answer) {
    base_.on_chain(
        [domain = base_.domain(), terms](ChainClient& client, TransactionSender& sender) {
            return register_provider(client, sender, domain, terms);
        },
        std::move(answer));
}

void ProviderChain::check_allocation(const prov::CheckAllocation& request,
                                     std::function<void(prov::AllocationSeen)> answer) {
    base_.on_chain(
        [domain = base_.domain(), payee = base_.account(), request](ChainClient& client,
                                                                    TransactionSender&) {
            return look_at_allocation(client, domain, payee, request);
        },
        [request, answer](Outcome<prov::AllocationSeen> seen) {
            if (seen) return answer(std::move(*seen));
            answer({.payer = request.payer,
                    .proof = request.proof,
                    .state = prov::AllocationState::unreachable,
                    .expiry = 0,
                    .settled = {}});
        });
}

void ProviderChain::settle(const prov::Settle& request, std::function<void(prov::Event)> answer) {
    // Claim by claim: one that a payer spoilt cannot hold up the others, and each is found again by
    // its purpose after a crash.
    for (const auto& claim : request.claims) {
        base_.transact(
            [domain = base_.domain(), claim](ChainClient& client,
                                             TransactionSender& sender) -> Outcome<Hash32> {
                const std::string purpose = settle_purpose(claim);
                if (const auto open = AgentBase::open_attempt(sender, purpose)) return *open;
                MILLRACE_TRY(const bool done, already_settled(client, domain, claim));
                if (done) return Hash32{};
                return sender.submit({.to = domain.deposits,
                                      .value = {},
                                      .data = market::encode_settle(settle_claim(claim)),
                                      .purpose = purpose,
                                      .gas_limit = std::nullopt});
            },
            [this, claim, answer](Outcome<Hash32> sent) {
                if (!sent) {
                    return answer(prov::SettleFailed{.payer = claim.voucher.payer,
                                                     .allocation = claim.voucher.allocation,
                                                     .why = sent.error().text()});
                }
                tell_settled(claim, *sent, answer);
            });
    }
}

/// What stands on chain now decides, not what was sent: an attempt from before a crash may have
/// been of an older voucher.
void ProviderChain::tell_settled(const prov::Claim& claim, const Hash32& transaction,
                                 std::function<void(prov::Event)> answer) {
    base_.on_chain(
        [domain = base_.domain(), claim, transaction](
            ChainClient& client, TransactionSender&) -> Outcome<prov::VoucherSettled> {
            const auto& voucher = claim.voucher;
            prov::VoucherSettled settled{.payer = voucher.payer,
                                         .allocation = voucher.allocation,
                                         .cumulative = {},
                                         .closed = false,
                                         .transaction = transaction};
            MILLRACE_TRY(settled.cumulative, read_settled(client, domain, voucher));
            MILLRACE_TRY(settled.closed, read_closed(client, domain, voucher));
            return settled;
        },
        [claim, answer](Outcome<prov::VoucherSettled> settled) {
            if (settled && (settled->closed || !claim.close) &&
                settled->cumulative >= claim.voucher.cumulative) {
                return answer(*settled);
            }
            answer(prov::SettleFailed{
                .payer = claim.voucher.payer,
                .allocation = claim.voucher.allocation,
                .why = settled ? "an older claim was settled first" : settled.error().text()});
        });
}

}  // namespace millrace::daemon
