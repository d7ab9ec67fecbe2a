// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compute/provider.hpp"
#include "crypto/hash.hpp"

// A provider on the bench, for its tests: a requestor's keys, and the world's answers at hand. The
// records it persists are kept as a database would, so that it can be dropped and restored.

namespace millrace::compute::provider {

inline Hash32 hash_of(std::string_view text) {
    return crypto::keccak256(as_bytes(text));
}
inline crypto::SecretKey key_of(std::string_view text) {
    return *crypto::SecretKey::from(hash_of(text).view());
}

inline types::SettlementDomain bench_domain() {
    types::SettlementDomain domain;
    domain.chain_id = U256{31337};
    domain.genesis = hash_of("genesis");
    domain.deposits.bytes[19] = 1;
    domain.jobs.bytes[19] = 3;
    return domain;
}

inline types::SealedBlob blob_of(std::string_view name, std::uint64_t size = 100) {
    return {{hash_of(name), size}, hash_of("sealed " + std::string{name})};
}

struct ProviderBench {
    crypto::SecretKey requestor_key = key_of("requestor");
    Address requestor = crypto::address_of(requestor_key);
    crypto::SecretKey signer = key_of("signer");
    Address owner = crypto::address_of(key_of("owner"));
    Provider::Config config = default_config();
    Provider machine{config};
    Instant now{1'000'000'000};
    std::vector<Effect> effects;  ///< of the last step
    std::map<std::pair<std::string, Bytes>, Bytes> rows;
    std::uint64_t replica_next = 0;
    Amount price{U256{2'000}};

    ProviderBench() { up(1); }

    [[nodiscard]] Provider::Config default_config() const {
        return {.domain = bench_domain(),
                .owner = owner,
                .signer = signer,
                .seed = hash_of("seed"),
                .price = Amount{U256{1'000}},
                .slots = 2,
                .queue = 1,
                .settle_threshold = {}};
    }
    void rebuild(Provider::Config changed) {
        config = std::move(changed);
        machine = Provider{config};
        rows.clear();
        up(1);
    }

    void carry_out() {
        for (const Effect& effect : effects) {
            if (const auto* persist = std::get_if<Persist>(&effect))
                rows[{persist->record.table, persist->record.key}] = persist->record.value;
            if (const auto* erase = std::get_if<Erase>(&effect))
                rows.erase({erase->table, erase->key});
        }
    }
    void step(const Event& event) {
        effects.clear();
        machine.step(event, now, effects);
        carry_out();
    }
    void advance_to(Instant when) {
        now = when;
        step(TimerFired{});
    }
    void advance(Duration span) { advance_to(now + span); }
    void up(SessionId session) { step(PeerUp{session, requestor, hash_of("node key")}); }
    void receive(types::Message message, SessionId session = 1) {
        step(MessageReceived{session, std::move(message)});
    }
    /// Drops the machine and starts another from what is stored.
    Result<void, Failure> restart() {
        machine = Provider{config};
        std::vector<types::Record> records;
        records.reserve(rows.size());
        for (const auto& [key, value] : rows)
            records.push_back({key.first, key.second, value});
        effects.clear();
        auto done = machine.restore(records, now, effects);
        carry_out();
        return done;
    }

    template <typename T>
    [[nodiscard]] std::vector<T> all() const {
        std::vector<T> found;
        for (const Effect& effect : effects) {
            if (const auto* item = std::get_if<T>(&effect)) found.push_back(*item);
        }
        return found;
    }
    template <typename T>
    [[nodiscard]] std::vector<T> sent() const {
        std::vector<T> found;
        for (const Send& send : all<Send>()) {
            if (const auto* item = std::get_if<T>(&send.message)) found.push_back(*item);
        }
        return found;
    }
    [[nodiscard]] std::optional<types::LeaseRefusal> refusal() const {
        const auto answers = sent<types::LeaseAnswer>();
        return answers.empty() ? std::nullopt : answers.back().refusal;
    }

    [[nodiscard]] types::TaskSpec task(std::uint64_t index) const {
        types::TaskSpec task;
        task.job = hash_of("job");
        task.index = index;
        task.module = blob_of("module");
        task.arguments = {std::to_string(index)};
        task.limits.fuel = Fuel{1'000'000'000};
        return task;
    }
    [[nodiscard]] types::LeaseOffer offer(std::uint64_t index) {
        types::LeaseOffer offer;
        offer.task = task(index);
        offer.lease = {.job = offer.task.job,
                       .task = offer.task.id(),
                       .replica = static_cast<std::uint32_t>(replica_next++),
                       .requestor = requestor,
                       .provider = owner,
                       .fuel_limit = offer.task.limits.fuel,
                       .price = price,
                       .deadline = static_cast<std::uint64_t>(now.ms / 1000) + 600};
        return signed_offer(offer);
    }
    [[nodiscard]] types::LeaseOffer signed_offer(types::LeaseOffer offer) const {
        offer.signature = crypto::sign(requestor_key, offer.lease.digest(config.domain));
        return offer;
    }
    [[nodiscard]] types::AllocationProof proof(std::uint64_t allocation = 7,
                                               std::uint64_t cap = 1'000'000) const {
        return {.allocation = allocation, .index = 0, .cap = Amount{U256{cap}}, .path = {}};
    }
    void finalize(const types::AllocationProof& which,
                  AllocationState state = AllocationState::finalized) {
        step(AllocationSeen{.payer = requestor,
                            .proof = which,
                            .state = state,
                            .expiry = static_cast<std::uint64_t>(now.ms / 1000) + 100'000,
                            .settled = {}});
    }
    [[nodiscard]] TaskFinished finished(const Hash32& lease, std::string_view result = "right",
                                        std::uint64_t fuel = 500'000'000) const {
        TaskFinished event;
        event.lease = lease;
        event.summary.fuel = Fuel{fuel};
        event.summary.stdout_root = hash_of(result);
        event.standard_output = blob_of("out " + std::string{result});
        event.files = {{"a/b.txt", blob_of("file " + std::string{result})}};
        return event;
    }
    [[nodiscard]] types::VoucherNotice voucher(std::uint64_t cumulative, std::uint64_t tasks,
                                               std::vector<Hash32> leases,
                                               std::uint64_t allocation = 7) const {
        types::VoucherNotice notice;
        notice.voucher = {requestor, owner, allocation, Amount{U256{cumulative}}, tasks};
        notice.signature = crypto::sign(requestor_key, notice.voucher.digest(config.domain));
        notice.leases = std::move(leases);
        return notice;
    }

    /// Takes a lease as far as running; its id.
    Hash32 start(const types::LeaseOffer& given) {
        receive(given);
        step(BlobReady{blob_of("module").sealed()});
        return given.lease.id();
    }
    /// … to a commitment …
    types::CommitmentNotice commit(const types::LeaseOffer& given,
                                   std::string_view result = "right") {
        step(finished(start(given), result));
        return sent<types::CommitmentNotice>().at(0);
    }
    /// … to a receipt …
    types::ReceiptNotice reveal(const types::LeaseOffer& given, std::string_view result = "right") {
        const types::CommitmentNotice mine = commit(given, result);
        receive(types::RevealRequest{given.lease.id(), {mine.commitment}});
        return sent<types::ReceiptNotice>().at(0);
    }
    /// … to acceptance.
    void accept(const types::LeaseOffer& given) {
        const types::ReceiptNotice receipt = reveal(given);
        receive(types::Verdict{given.lease.id(), types::VerdictKind::accepted,
                               receipt.receipt.result_id});
    }
};

}  // namespace millrace::compute::provider
