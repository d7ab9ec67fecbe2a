// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// The inside of the requestor machine: what it remembers, and its parts by file.
//   requestor.cpp            events in, timers, effects out
//   requestor_jobs.cpp       the job book: submission, end, cancelling, forgetting
//   requestor_leases.cpp     who gets which task: eligibility, dispatch, stragglers
//   requestor_lease_ends.cpp what becomes of a lease: states, losses, answers
//   requestor_agreement.cpp  commitments, reveals, receipts, votes, contradictions
//   requestor_outputs.cpp    fetching what was accepted
//   requestor_allocations.cpp the deposit, allocations, their release
//   requestor_payments.cpp   streams, vouchers, closing
//   requestor_peers.cpp      connections, back-off, bad messages
//   requestor_records.cpp    records out
//   requestor_rows.cpp       records in; requestor_restore.cpp what follows from them
//   requestor_queries.cpp, requestor_explain.cpp  answers for people

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/prng.hpp"
#include "compute/requestor.hpp"

namespace millrace::compute {

namespace requestor {

/// A lease and everything that came of it.
struct LeaseEntry {
    types::Lease lease;
    types::Signature signature;
    Hash32 id;
    std::uint64_t index = 0;  ///< of the task
    Address signer;           ///< the provider's, as registered when the lease was given
    std::uint64_t allocation = 0;
    LeaseState state = LeaseState::offered;
    bool speculative = false;
    bool queued = false;  ///< behind others at its provider; not started yet
    Instant offered;
    Instant started;
    std::optional<Instant> due;       ///< by when the present state must have ended
    std::optional<Instant> orphaned;  ///< since when its provider has been away
    std::optional<Instant> committed;
    std::optional<Instant> received;
    std::optional<Hash32> commitment;
    std::optional<types::Receipt> receipt;
    types::Signature receipt_signature;
    std::shared_ptr<const types::ReceiptNotice> notice;  ///< until the task is decided
    bool is_backed = true;      ///< may still be paid: its limit price is kept for it
    bool is_blameless = false;  ///< refused for a reason that says nothing about task or provider
    Amount reserved;            ///< the limit price while backed, else 0
    Amount paid;
    Fuel progress;
    bool verdict_due = false;  ///< decided while its provider was away
    std::string why;

    /// May still bring a vote without further leave.
    [[nodiscard]] bool is_out() const noexcept {
        return state == LeaseState::offered || state == LeaseState::committed ||
               state == LeaseState::revealing;
    }
    /// Lost, but its provider may return with the result before the deadline.
    [[nodiscard]] bool may_return() const noexcept {
        return state == LeaseState::lost && is_backed;
    }
};

/// A provider that holds the accepted outputs, with its own standard error.
struct OutputSource {
    Address provider;
    types::SealedBlob standard_error;
};

struct OutputFetch {
    types::SealedBlob blob;
    BlobPurpose purpose = BlobPurpose::output_file;
    std::string path;
    std::uint32_t attempts = 0;
    bool is_out = false;
    bool is_done = false;
};

/// A task that has been leased at least once and is still remembered in full.
struct TaskEntry {
    std::vector<Hash32> attempts;
    std::optional<Hash32> result;  ///< accepted
    std::shared_ptr<const types::ReceiptNotice> accepted;
    std::vector<OutputSource> sources;
    std::vector<OutputFetch> fetches;
    std::optional<Instant> fetch_again;
    bool needs_source = false;  ///< no provider delivers the outputs: one more is asked to run it
    bool is_revealed = false;
    std::string why;
};

struct JobEntry {
    JobPlan plan;
    std::uint64_t sequence = 0;
    JobState state = JobState::running;
    bool is_ended = false;  ///< no task is open; JobDone was said
    Instant submitted;
    std::optional<Instant> finished;
    std::optional<Failure> failure;

    std::vector<TaskState> states;
    std::unordered_map<std::uint64_t, TaskEntry> tasks;
    std::set<std::uint64_t> wanting;  ///< leased before and short of leases
    std::set<std::uint64_t> active;   ///< leased before and not decided
    std::set<std::uint64_t> fetching;
    std::deque<std::uint64_t> ended_tasks;  ///< oldest first, for forgetting
    std::uint64_t fresh_next = 0;           ///< tasks from here on were never leased
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;

    Amount spent;
    Amount reserved;
    Fuel fuel_largest;  ///< of accepted receipts
    U256 fuel_sum;
    std::uint64_t fuel_samples = 0;
    std::deque<std::int64_t> durations_ms;  ///< of the last commitments
    std::set<std::uint64_t> allocations;
    std::optional<Instant> fund_after;
    std::optional<Instant> grace_until;
    std::optional<Failure> shortage;  ///< why money keeps it from going on
    bool cap_reached = false;
    std::map<Address, std::string> module_refusals;

    std::vector<Hash32> lease_ids;          ///< all ever given, for forgetting the job
    std::vector<std::uint64_t> input_keys;  ///< rows of "inputs"

    std::map<Address, ProviderShare> shares;
    std::uint64_t replicas = 0;
    std::uint64_t leases = 0;
    std::uint64_t speculative = 0;
    std::uint64_t contradictions = 0;
    std::uint64_t exit_not_zero = 0;
    Fuel fuel;

    [[nodiscard]] bool is_running() const noexcept {
        return !is_ended && state == JobState::running;
    }
    [[nodiscard]] bool has_fresh() const noexcept { return fresh_next < states.size(); }
};

/// Undecided or unacknowledged tasks a provider is asked to bear once its allocation is final. It
/// grows with each paid one, and by one for every credit_relief in which nothing else moves, so
/// that replicas which wait for each other in a ring come free.
inline constexpr std::uint32_t credit_first = 4;
inline constexpr std::uint32_t credit_max = 64;
inline constexpr Duration credit_relief{5'000};

enum class Link : std::uint8_t { down, connecting, up };

struct PeerEntry {
    types::ProviderRecord record;
    bool is_registered = false;
    Link link = Link::down;
    std::string down_why;
    std::optional<Instant> connect_after;
    std::uint32_t connect_failures = 0;
    std::optional<Instant> pause_until;
    std::string pause_why;
    std::uint32_t refusals_in_row = 0;
    std::optional<Amount> price_refused;
    std::uint32_t bad_messages = 0;
    std::optional<Instant> blocked_since;  ///< idle only because its credit is used up
    std::uint32_t credit = credit_first;   ///< undecided or unacknowledged tasks it may have
    std::uint32_t computing = 0;           ///< leases in state offered
    std::unordered_set<Hash32, FixedBytesHash> live;  ///< leases not final
    std::set<std::pair<std::uint64_t, Address>> streams;
    Instant idle_since;

    std::uint64_t fuel_per_second = 0;
    std::uint64_t accepted = 0;
    std::uint64_t contradicted = 0;
    std::uint64_t refused = 0;
    std::uint64_t lost = 0;
    Fuel fuel;
    Amount earned;
};

enum class StreamState : std::uint8_t { open = 1, closing = 2, closed = 3, released = 4 };

struct StreamEntry {
    Hash32 job{};
    Address payee{};
    std::uint64_t allocation = 0;
    std::uint32_t index = 0;
    Amount cap{};
    Amount cumulative{};
    std::uint64_t tasks = 0;
    Amount acknowledged{};
    std::uint64_t tasks_acknowledged = 0;  ///< whose price `acknowledged` covers
    std::vector<Hash32> unacknowledged{};  ///< leases paid since, at most the newest 1,024
    StreamState state = StreamState::open;
    Hash32 close_transaction{};
    std::string close_problem{};

    Amount reserved{};
    std::uint32_t live = 0;  ///< leases that may still be paid from it
    std::optional<Instant> close_again{};
};
using StreamKey = std::pair<std::uint64_t, Address>;

struct AllocationEntry {
    std::uint64_t number = 0;
    Hash32 job;
    std::vector<AllocationLeaf> leaves;
    Amount total;
    std::uint64_t expiry = 0;
    Hash32 root;
    AllocationStatus status = AllocationStatus::planned;
    Hash32 transaction;
    std::string why;
    bool is_over = false;  ///< every stream is closed, or it was released
    std::optional<Instant> again;

    [[nodiscard]] bool is_in_flight() const noexcept {
        return status != AllocationStatus::latest && status != AllocationStatus::finalized &&
               !is_over;
    }
};

struct EvidenceEntry {
    Evidence evidence;
    Hash32 job;
    std::uint64_t index = 0;
    bool is_reported = false;
    Hash32 transaction;
    std::string why;
    std::uint32_t attempts = 0;
};

enum class TimerKind : std::uint8_t { lease, peer, fetch, job, allocation, stream, evidence };
struct Timer {
    Instant at{};
    TimerKind kind = TimerKind::lease;
    Hash32 hash{};             ///< lease, job, evidence
    std::uint64_t number = 0;  ///< task index, allocation
    Address address{};         ///< peer, payee
    auto operator<=>(const Timer&) const = default;
};

/// The rows (docs/market.md): each value is an RLP list that starts with this version.
inline constexpr std::uint64_t record_version = 1;
inline constexpr std::size_t text_size_max = 4096;  ///< of a reason in a row

/// Key bytes: big-endian numbers so that rows sort.
Bytes key_of(ByteView first, std::uint64_t second);
Bytes key_of(std::uint64_t first, ByteView second);

std::string short_name(const Address& address);  ///< "0x1234ab…", enough to tell providers apart
std::string short_name(const Hash32& hash);
std::string duration_text(Duration duration);

}  // namespace requestor

class Requestor::State {
  public:
    explicit State(Config config);

    Result<void, Failure> restore(const std::vector<types::Record>& records, Instant now,
                                  requestor::Effects& out);
    void step(const requestor::Event& event, Instant now, requestor::Effects& out);
    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept;

    [[nodiscard]] std::vector<requestor::JobRow> job_rows() const;
    [[nodiscard]] requestor::JobRow job_row(const requestor::JobEntry& job) const;
    [[nodiscard]] std::optional<requestor::JobSummary> summary(const Hash32& id) const;
    [[nodiscard]] std::vector<requestor::TaskRow> task_rows(const Hash32& id, std::uint64_t first,
                                                            std::size_t count_max) const;
    [[nodiscard]] std::vector<requestor::ProviderRow> provider_rows() const;
    [[nodiscard]] std::string explain_job(const requestor::JobEntry& job, Instant now) const;
    [[nodiscard]] std::string explain_task(const requestor::JobEntry& job, std::uint64_t index,
                                           Instant now) const;
    [[nodiscard]] std::string waits_for(const requestor::JobEntry& job) const;
    [[nodiscard]] std::string why_idle(const requestor::JobEntry& job,
                                       const requestor::PeerEntry& peer) const;
    [[nodiscard]] std::string idle_reasons(const requestor::JobEntry& job) const;
    [[nodiscard]] std::uint64_t acknowledged_results(const requestor::JobEntry& job) const;
    [[nodiscard]] Amount signed_total() const;
    [[nodiscard]] Amount allocated_open() const;
    [[nodiscard]] const requestor::JobEntry* find_job(const Hash32& id) const;
    [[nodiscard]] Address account() const noexcept { return account_; }

  private:
    using JobEntry = requestor::JobEntry;
    using TaskEntry = requestor::TaskEntry;
    using LeaseEntry = requestor::LeaseEntry;
    using PeerEntry = requestor::PeerEntry;
    using StreamEntry = requestor::StreamEntry;
    using AllocationEntry = requestor::AllocationEntry;

    // events
    void on(const requestor::JobSubmitted& event);
    void on(const requestor::JobCancelled& event);
    void on(const requestor::JobForgotten& event);
    void on(const requestor::ProvidersUpdated& event);
    void on(const requestor::PeerUp& event);
    void on(const requestor::PeerDown& event);
    void on(const requestor::MessageReceived& event);
    void on(const requestor::BlobFetched& event);
    void on(const requestor::DepositUpdated& event);
    void on(const requestor::AllocationUpdated& event);
    void on(const requestor::ContradictionReported& event);
    void on(const requestor::AllocationReleased& event);
    void on(const requestor::TimerFired& event);

    // messages
    void on_message(PeerEntry& peer, const types::LeaseAnswer& answer);
    void on_message(PeerEntry& peer, const types::Progress& progress);
    void on_message(PeerEntry& peer, const types::CommitmentNotice& notice);
    void on_message(PeerEntry& peer, const types::ReceiptNotice& notice);
    void on_message(PeerEntry& peer, const types::VoucherAck& ack);
    void on_message(PeerEntry& peer, const types::StreamClosed& closed);

    // jobs
    void fail_job(JobEntry& job, Failure why);
    void fail_task(JobEntry& job, std::uint64_t index, std::string why);
    void end_task(JobEntry& job, std::uint64_t index, requestor::TaskState state);
    void call_off(const TaskEntry& task, const std::string& why);
    void cancel_open_tasks(JobEntry& job, bool only_unrevealed);
    void end_job_if_over(JobEntry& job);
    void wind_up(JobEntry& job);
    void set_task_state(JobEntry& job, std::uint64_t index, requestor::TaskState state);
    void forget_history(JobEntry& job);
    [[nodiscard]] std::uint64_t open_tasks(const JobEntry& job) const noexcept;

    // leases
    void dispatch();
    void dispatch_job(JobEntry& job, std::vector<PeerEntry*>& free_peers, bool& progressed);
    bool try_lease(JobEntry& job, PeerEntry& peer, bool may_take_fresh);
    void speculate(JobEntry& job, std::vector<PeerEntry*>& free_peers);
    void give_lease(JobEntry& job, std::uint64_t index, PeerEntry& peer, StreamEntry& stream,
                    bool speculative);
    [[nodiscard]] std::string why_not(const JobEntry& job, const PeerEntry& peer) const;
    [[nodiscard]] bool is_eligible(const JobEntry& job, const PeerEntry& peer) const;
    [[nodiscard]] bool has_capacity(const PeerEntry& peer) const;
    [[nodiscard]] bool has_free_slot(const PeerEntry& peer) const;
    void relieve_credit(PeerEntry& peer);
    [[nodiscard]] bool may_vote(const JobEntry& job, const TaskEntry& task,
                                const PeerEntry& peer) const;
    [[nodiscard]] bool failed_before(const TaskEntry& task, const PeerEntry& peer) const;
    [[nodiscard]] std::vector<const PeerEntry*> distinct_peers(const JobEntry& job,
                                                               bool connected_only) const;
    [[nodiscard]] double rank_of(const JobEntry& job, const PeerEntry& peer) const;
    [[nodiscard]] Duration lease_time(const JobEntry& job, const PeerEntry& peer,
                                      bool queued) const;
    [[nodiscard]] std::optional<Duration> straggler_time(const JobEntry& job) const;
    [[nodiscard]] std::uint64_t window(const JobEntry& job) const;
    void set_state(LeaseEntry& entry, requestor::LeaseState state);
    void unreserve(LeaseEntry& entry);
    void lose(LeaseEntry& entry, std::string why, bool may_return);
    void lease_timer(const Hash32& id);
    void send_offer(LeaseEntry& entry);
    void update_wanting(JobEntry& job, std::uint64_t index);
    [[nodiscard]] bool may_ask_more(const JobEntry& job, const TaskEntry& task) const;
    void start_next_queued(PeerEntry& peer);
    [[nodiscard]] const types::TaskSpec task_of(const LeaseEntry& entry) const;

    // agreement
    void request_reveals(JobEntry& job, std::uint64_t index);
    void send_reveal(LeaseEntry& entry);
    [[nodiscard]] std::optional<std::string> receipt_problem(
        const LeaseEntry& entry, const types::ReceiptNotice& notice) const;
    void decide(JobEntry& job, std::uint64_t index);
    void accept(JobEntry& job, std::uint64_t index, const Hash32& result);
    void settle_receipt(JobEntry& job, TaskEntry& task, LeaseEntry& entry);
    void contradict(JobEntry& job, TaskEntry& task, LeaseEntry& entry);
    void send_verdict(LeaseEntry& entry);

    // outputs
    void start_fetch(JobEntry& job, std::uint64_t index);
    void continue_fetch(JobEntry& job, std::uint64_t index);

    // payments
    void fund(JobEntry& job);
    void plan_allocation(JobEntry& job, std::vector<requestor::AllocationLeaf> leaves);
    [[nodiscard]] Amount available_deposit() const;
    [[nodiscard]] std::optional<Amount> limit_price(const JobEntry& job,
                                                    const PeerEntry& peer) const;
    StreamEntry* stream_for(const JobEntry& job, const PeerEntry& peer, const Amount& price,
                            Duration time);
    [[nodiscard]] bool within_cap(const JobEntry& job, const Amount& price,
                                  std::uint64_t leases) const;
    [[nodiscard]] bool is_moving(const JobEntry& job) const;
    void pay(JobEntry& job, LeaseEntry& entry);
    void send_voucher(StreamEntry& stream);
    void start_closing(StreamEntry& stream);
    void send_close(StreamEntry& stream);
    void stream_over(StreamEntry& stream);
    void emit_allocate(const AllocationEntry& allocation);
    [[nodiscard]] types::AllocationProof proof_of(const StreamEntry& stream) const;
    [[nodiscard]] bool is_final(const StreamEntry& stream) const;
    [[nodiscard]] std::uint64_t acknowledged_tasks(const StreamEntry& stream) const;
    void allocation_timer(std::uint64_t number);
    void stream_timer(const requestor::StreamKey& key);
    void report(requestor::EvidenceEntry& entry);

    // peers
    void connect_wanted();
    [[nodiscard]] bool is_wanted(const PeerEntry& peer) const;
    void pause(PeerEntry& peer, std::string why, std::optional<Duration> fixed);
    void bad_message(PeerEntry& peer, const std::string& why);
    [[nodiscard]] Duration backoff(Duration least, Duration most, std::uint32_t count);
    [[nodiscard]] std::uint32_t unsettled(const PeerEntry& peer) const;

    // effects and records
    void emit(requestor::Effect effect) { effects_.push_back(std::move(effect)); }
    void send(const Address& provider, types::Message message);
    void note(const Hash32& job, std::string text);
    void arm(requestor::Timer timer);
    void finish_step(requestor::Effects& out);
    void flush_records(requestor::Effects& out);
    void put(requestor::Effects& out, std::string table, Bytes key, Bytes value);
    [[nodiscard]] Bytes encode(const JobEntry& job) const;
    [[nodiscard]] Bytes encode(const JobEntry& job, std::uint64_t index) const;
    [[nodiscard]] Bytes encode(const LeaseEntry& entry) const;
    [[nodiscard]] Bytes encode(const StreamEntry& stream) const;
    [[nodiscard]] Bytes encode(const AllocationEntry& allocation) const;
    [[nodiscard]] Bytes encode(const PeerEntry& peer) const;
    [[nodiscard]] Bytes encode(const requestor::EvidenceEntry& entry) const;
    using Restored = Result<void, codec::RlpError>;
    Restored restore_job(const types::Record& record);
    Restored restore_inputs(const types::Record& record);
    Restored restore_task(const types::Record& record);
    Restored restore_lease(const types::Record& record);
    Restored restore_stream(const types::Record& record);
    Restored restore_allocation(const types::Record& record);
    Restored restore_provider(const types::Record& record);
    Restored restore_evidence(const types::Record& record);
    void rebuild();
    void resume();

    PeerEntry& peer_of(const Address& provider);
    [[nodiscard]] JobEntry* job_of(const Hash32& id);
    [[nodiscard]] LeaseEntry* lease_of(const Hash32& id);
    [[nodiscard]] const LeaseEntry* lease_of(const Hash32& id) const;

    Config config_;
    Address account_;
    Prng prng_;
    Instant now_;
    requestor::Effects effects_;

    std::map<Hash32, JobEntry> jobs_;
    std::map<std::uint64_t, Hash32> job_order_;  ///< by sequence
    std::uint64_t sequence_next_ = 1;
    std::size_t turn_ = 0;  ///< whose job is served first
    std::unordered_map<Hash32, LeaseEntry, FixedBytesHash> leases_;
    std::size_t leases_out_ = 0;
    std::map<Address, PeerEntry> peers_;
    bool providers_known_ = false;
    std::map<requestor::StreamKey, StreamEntry> streams_;
    std::map<std::uint64_t, AllocationEntry> allocations_;
    std::map<Hash32, requestor::EvidenceEntry> evidence_;
    std::optional<Amount> deposit_free_;
    std::uint64_t allocation_next_ = 0;
    std::set<requestor::Timer> timers_;

    struct Dirty {
        std::set<Hash32> jobs;
        std::set<Hash32> new_jobs;  ///< with their inputs
        std::set<std::pair<Hash32, std::uint64_t>> tasks;
        std::set<Hash32> leases;
        std::set<requestor::StreamKey> streams;
        std::set<std::uint64_t> allocations;
        std::set<Address> peers;
        std::set<Hash32> evidence;
    } dirty_;
    std::map<Address, std::set<Hash32>> verdicts_due_;
    std::set<requestor::StreamKey> vouchers_due_;
    std::set<Hash32> jobs_to_check_;  ///< may have ended, or must wind up
    bool work_changed_ = false;
    bool peers_changed_ = false;
};

}  // namespace millrace::compute
