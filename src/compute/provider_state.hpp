// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <utility>

#include "compute/provider.hpp"
#include "compute/provider_record.hpp"

namespace millrace::compute {

/// The provider's insides. provider.cpp: sessions, timers, restart, queries. provider_lease.cpp: a
/// lease from offer to verdict. provider_money.cpp: vouchers, credit, settlement.
class Provider::State {
  public:
    explicit State(Config config) : config_{std::move(config)} {}

    Result<void, Failure> restore(const std::vector<types::Record>& records, Instant now,
                                  provider::Effects& out);
    void step(const provider::Event& event, Instant now, provider::Effects& out);
    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept;
    [[nodiscard]] bool may_read(provider::SessionId session,
                                const crypto::BlobId& sealed) const noexcept;
    [[nodiscard]] provider::Status status() const;

  private:
    using SessionId = provider::SessionId;
    using LeaseEntry = provider::LeaseEntry;
    using LeaseState = provider::LeaseState;
    using Payer = provider::Payer;
    using Stream = provider::Stream;
    using StreamId = std::pair<Address, std::uint64_t>;
    using LeaseRefusal = types::LeaseRefusal;
    using Blobs = std::vector<crypto::BlobId>;

    struct Session {
        Address account;
        Hash32 node_key;
        bool proven = false;  ///< a signature of the account came from this node key
        std::uint32_t bad_messages = 0;
    };
    /// One step's surroundings.
    struct Step {
        Instant now;
        provider::Effects& out;
    };

    // provider.cpp
    void on(const provider::PeerUp& event, Step& at);
    void on(const provider::PeerDown& event, Step& at);
    void on(const provider::MessageReceived& event, Step& at);
    void on(const provider::TimerFired& event, Step& at);
    void on(const provider::Stop& event, Step& at);
    void finish_step(Step& at);
    void misbehaved(SessionId session, std::string_view why, Step& at);
    void prove(SessionId session, Step& at);
    void resume(SessionId session, const Address& account, Step& at);
    void send(SessionId session, types::Message message, Step& at);
    void persist(types::Record record, Step& at);
    void note(const Hash32& lease, std::string text, Step& at);
    void keep(const Blobs& blobs, Step& at);
    void release(const Blobs& blobs, Step& at);
    Payer& payer_of(const Address& account) { return payers_[account]; }
    Result<void, Failure> restore_row(const types::Record& record);
    void restore_lease(const Hash32& id, LeaseEntry& entry, Blobs& kept, Step& at);

    // provider_lease.cpp
    void on(const provider::BlobReady& event, Step& at);
    void on(const provider::BlobFailed& event, Step& at);
    void on(const provider::TaskFinished& event, Step& at);
    void on(const provider::TaskFailed& event, Step& at);
    void on(const provider::TaskProgress& event, Step& at);
    void on_offer(SessionId session, const types::LeaseOffer& offer, Step& at);
    void on_reveal(SessionId session, const types::RevealRequest& request, Step& at);
    void on_verdict(SessionId session, const types::Verdict& verdict, Step& at);
    struct Refusal {
        LeaseRefusal reason;
        std::string text;
    };
    [[nodiscard]] std::optional<Refusal> refusal_of(const types::LeaseOffer& offer,
                                                    Instant now) const;
    [[nodiscard]] std::optional<std::string> task_problem(const types::LeaseOffer& offer,
                                                          Instant now) const;
    void accept(SessionId session, const types::LeaseOffer& offer, Step& at);
    void repeat(SessionId session, const Hash32& id, LeaseEntry& entry, Step& at);
    void fetch(const Hash32& id, LeaseEntry& entry, Step& at);
    void schedule(Step& at);
    void run(const Hash32& id, LeaseEntry& entry, Step& at);
    void stop_running(const Hash32& id, LeaseEntry& entry, Step& at);
    void give_up(const Hash32& id, LeaseRefusal reason, std::string_view text, Step& at);
    void lease_due(const Hash32& id, Step& at);
    [[nodiscard]] Instant patience_end(const LeaseEntry& entry) const;
    void plan(const Hash32& id, LeaseEntry& entry);
    void set_due(const Hash32& id, LeaseEntry& entry, std::optional<Instant> due);
    void set_state(const Hash32& id, LeaseEntry& entry, LeaseState state, Step& at);
    void make_readable(const LeaseEntry& entry);
    void end(const Hash32& id, Step& at);
    void forget_ended(Step& at);
    [[nodiscard]] types::Commitment commitment_of(const Hash32& id, const LeaseEntry& entry) const;
    [[nodiscard]] types::CommitmentNotice commitment_notice(const Hash32& id,
                                                            const LeaseEntry& entry) const;
    [[nodiscard]] types::ReceiptNotice receipt_notice(const Hash32& id,
                                                      const LeaseEntry& entry) const;
    [[nodiscard]] Hash32 derived(std::string_view purpose, const Hash32& of) const;
    [[nodiscard]] std::optional<Hash32> lie_about(const Hash32& task) const;
    [[nodiscard]] bool is_active(LeaseState state) const noexcept {
        return state <= LeaseState::running;
    }

    // provider_money.cpp
    void on(const provider::AllocationSeen& event, Step& at);
    void on(const provider::VoucherSettled& event, Step& at);
    void on(const provider::SettleFailed& event, Step& at);
    void on_voucher(SessionId session, const types::VoucherNotice& notice, Step& at);
    void on_close(SessionId session, const types::CloseStream& close, Step& at);
    Stream* stream_for(const Address& payer, std::uint64_t allocation, Step& at);
    void learn_proof(const Address& payer, const types::AllocationProof& proof, Step& at);
    void check(Stream& stream, Step& at);
    void assign(const Address& payer, Step& at);
    void mark_paid(const Hash32& id, LeaseEntry& entry, Step& at);
    void count_unpaid(const Address& payer, Step& at);
    enum class Credit : std::uint8_t { granted, blocked, uncovered };
    [[nodiscard]] Credit credit(const LeaseEntry& entry, Instant now) const;
    [[nodiscard]] std::uint64_t credit_tasks(const Address& payer, Instant now) const;
    [[nodiscard]] Amount covered(const Address& payer, Instant now) const;
    [[nodiscard]] bool is_paused(const Address& payer, Instant now) const;
    [[nodiscard]] bool wants_settling(const Stream& stream, Instant now) const;
    [[nodiscard]] Instant settle_by(const Stream& stream) const;
    [[nodiscard]] provider::Claim claim_of(const Stream& stream) const;
    void settle_touched(Step& at);
    void plan(const StreamId& id, Stream& stream, Instant now);
    void tell_closed(const Address& payer, const types::StreamClosed& message, Step& at);

    Config config_;
    std::map<SessionId, Session> sessions_;
    std::map<Hash32, LeaseEntry> leases_;
    std::map<Address, std::set<std::pair<std::uint64_t, Hash32>>> by_payer_;  ///< all but settled
    std::set<std::pair<std::uint64_t, Hash32>> active_;  ///< fetching, waiting, running; in order
    std::uint32_t running_ = 0;
    std::uint64_t sequence_next_ = 0;
    std::uint64_t finished_ = 0;
    std::deque<Hash32> settled_order_;
    std::map<Hash32, provider::Ended> ended_;
    std::set<std::pair<std::uint64_t, Hash32>> ended_order_;
    std::map<Address, Payer> payers_;
    std::map<StreamId, Stream> streams_;
    std::set<StreamId> touched_;  ///< streams to look at when the step ends
    std::map<crypto::BlobId, std::uint32_t> kept_;
    std::map<std::pair<crypto::BlobId, Address>, std::uint32_t> readable_;
    std::set<std::pair<Instant, Hash32>> lease_timers_;
    std::set<std::pair<Instant, StreamId>> stream_timers_;
    bool stopping_ = false;
    bool stopped_ = false;
    Instant stop_by_;
};

/// Blobs a task reads, and those it wrote: distinct, none empty.
std::vector<crypto::BlobId> input_blobs(const types::TaskSpec& task);
std::vector<crypto::BlobId> output_blobs(const provider::TaskResult& result);
/// Seconds since the epoch as an instant; far ones are cut to year 9999.
Instant instant_of(std::uint64_t seconds) noexcept;

}  // namespace millrace::compute
