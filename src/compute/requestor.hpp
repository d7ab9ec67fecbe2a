// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "compute/requestor_event.hpp"
#include "compute/requestor_view.hpp"
#include "crypto/secp256k1.hpp"
#include "types/record.hpp"
#include "types/settlement.hpp"

namespace millrace::compute {

/// The requestor: turns jobs into leases at providers nobody trusts, compares what comes back, and
/// pays for what agrees. A pure machine: no clock, socket, file, thread or random device; the same
/// events at the same instants give the same effects. docs/market.md tells the rules to people.
///
/// Laws (each has a test that bears its name):
///  - a provider votes at most once on a task;
///  - a task is accepted only with `replicas` receipts of one result id, by different providers;
///  - every lease in flight is backed, at its full fuel limit, by its payee's leaf and the job's
///  cap;
///  - a voucher's cumulative never falls, is persisted before it is sent, and never exceeds its
///  leaf;
///  - the leaves of all allocations together never exceed the deposit;
///  - a lease is paid at most once; a contradicted one never;
///  - dropped at any step and restored from its records, it ends with the same accounts.
///
/// What an attacker tries: copying another's result (commitments precede every reveal), voting
/// twice (one lease per owner, signer, node key and endpoint in a task), stalling (deadlines,
/// speculative copies), refusing to deliver outputs (every agreeing provider is asked, then a new
/// one), flooding (a message that fits no lease counts against its sender, who is dropped after 32
/// of them).
///
/// Records: jobs, inputs, tasks, leases, streams, allocations, providers, evidence. The daemon may
/// commit several steps at once, if all their rows are durable before the first of their sends.
class Requestor {
  public:
    using Event = requestor::Event;
    using Effect = requestor::Effect;
    using Effects = requestor::Effects;

    struct Timing {
        Duration reconnect_min{250};  ///< back-off after a lost connection, doubling, jittered
        Duration reconnect_max{30'000};
        Duration orphan_grace{10'000};    ///< a lost connection's leases are replaced after this
        Duration reveal_time{60'000};     ///< for a receipt once asked
        Duration refusal_pause_min{250};  ///< a provider that refused is left alone, doubling
        Duration refusal_pause_max{60'000};
        Duration fetch_retry{500};
        Duration allocation_life{6 * 3'600'000};
        Duration close_repeat{15'000};
    };
    struct Config {
        types::SettlementDomain domain;
        crypto::SecretKey key;   ///< signs leases and vouchers; its address is the requestor
        std::uint64_t seed = 0;  ///< of jitter and ties
        Timing timing{};
    };

    explicit Requestor(Config config);
    Requestor(Requestor&&) noexcept;
    Requestor& operator=(Requestor&&) noexcept;
    ~Requestor();

    /// Once, before the first step, with every record the machine has persisted, in any order. A
    /// failure names the table: a newer version, or damage. Connections start as down.
    Result<void, Failure> restore(const std::vector<types::Record>& records, Instant now,
                                  requestor::Effects& out);

    void step(const requestor::Event& event, Instant now, requestor::Effects& out);

    /// When step(TimerFired) is due next; null: only an event can change anything.
    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept;

    [[nodiscard]] Address account() const noexcept;
    [[nodiscard]] std::vector<requestor::JobRow> jobs() const;
    [[nodiscard]] std::optional<requestor::JobSummary> summary(const Hash32& job) const;
    /// Tasks from index `first` on; attempts of long finished tasks may be missing (see
    /// history_tasks_max), then only result and state are told.
    [[nodiscard]] std::vector<requestor::TaskRow> tasks(const Hash32& job, std::uint64_t first,
                                                        std::size_t count_max) const;
    /// The plan of a job that is still remembered, its key included; null otherwise.
    [[nodiscard]] const requestor::JobPlan* plan(const Hash32& job) const;
    [[nodiscard]] std::vector<requestor::ProviderRow> providers() const;
    /// Why the job (or one task of it) waits, ran twice, was rejected; and what to do.
    [[nodiscard]] std::string explain(const Hash32& job, std::optional<std::uint64_t> task,
                                      Instant now) const;
    /// Signed so far in vouchers, over all streams; and the sum of all leaves still open.
    [[nodiscard]] Amount signed_total() const;
    [[nodiscard]] Amount allocated_open() const;

    static constexpr std::size_t providers_max = 4096;
    static constexpr std::size_t peers_max = 64;  ///< connected at one time
    static constexpr std::size_t leases_out_max = 4096;
    static constexpr std::size_t history_tasks_max = 65'536;
    static constexpr std::uint32_t bad_messages_max = 32;

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::compute
