// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/failure.hpp"
#include "base/time.hpp"
#include "compute/provider_event.hpp"
#include "compute/provider_view.hpp"
#include "crypto/secp256k1.hpp"
#include "types/record.hpp"
#include "types/settlement.hpp"

namespace millrace::compute {

/// The provider: takes leases from requestors nobody trusts, runs them, commits before it reveals,
/// and gets paid by vouchers. A pure machine: no clock, socket, file, thread or random device; the
/// same events at the same instants give the same effects. docs/provider.md tells the rules to
/// people.
///
/// Laws (each has a test that bears its name):
///  - one lease has one commitment and one receipt, whatever is repeated or lost;
///  - a result is persisted before it is committed to, a voucher before it is acknowledged;
///  - nothing is revealed before the requestor shows our own commitment among the round's;
///  - a requestor has at most one unpaid task with us while its allocation is not final on chain,
///    and never more unpaid tasks than its history earned, nor more than its leaves cover;
///  - the cumulative amount of a stream never falls;
///  - dropped at any step and restored from its records, it ends with the same claims.
///
/// What an attacker tries: work without pay (credit window), vouchers beyond the leaf or on
/// allocations that do not exist (checked on chain before they count), speaking for another account
/// (offers and vouchers carry signatures; the rest is heard only from the node key that brought the
/// last signed one), flooding (a message that fits nothing counts against its sender, who is
/// dropped after bad_messages_max), huge tasks (Config bounds).
///
/// Records: leases, lease_states, results, ended, payers, streams.
class Provider {
  public:
    using Event = provider::Event;
    using Effect = provider::Effect;
    using Effects = provider::Effects;

    struct Timing {
        Duration lease_time_max{6 * 3'600'000};
        Duration late_grace{60'000};    ///< least wait after a deadline before a result is given up
        Duration blob_wait{120'000};    ///< for a lost requestor to come back with its blobs
        Duration check_again_min{250};  ///< an allocation that is not final; doubling
        Duration check_again_max{5'000};
        Duration settle_retry_min{2'000};  ///< doubling
        Duration settle_retry_max{300'000};
        Duration settle_before_expiry{1'800'000};
        Duration progress_interval{500};
        Duration credit_relief{5'000};
        Duration credit_wait{10'000};  ///< an accepted lease may wait so long for an allocation
        Duration default_pause{3'600'000};  ///< a requestor that never pays is left alone so long
        Duration stop_time_max{20'000};     ///< for the last settlement
    };
    struct Config {
        types::SettlementDomain domain;
        Address owner;             ///< registered identity and payee
        crypto::SecretKey signer;  ///< signs commitments and receipts
        Hash32 seed;               ///< secret and lasting: salts come from it
        Amount price;              ///< least, wei per 10^9 fuel
        std::uint32_t slots = 1;
        std::uint32_t queue = 1;  ///< accepted beyond the running ones, so that fetching overlaps
        std::uint64_t fuel_max = types::fuel_per_task_max;
        std::uint64_t memory_max = types::memory_per_task_max;
        std::uint64_t output_max = types::output_per_task_max;
        std::uint64_t input_max = 8ull << 30;  ///< bytes of module and input files of a task
        /// Unpaid tasks of one requestor whose allocation is final: `credit_tasks_first`, one more
        /// for each it has paid, and one more for each credit_relief it waits, so that replicas of
        /// different providers that wait for each other's payment cannot block one another for
        /// ever.
        std::uint32_t credit_tasks_first = 4;
        std::uint32_t credit_tasks_max = 64;
        Amount settle_threshold;             ///< unsettled value of a stream; 0: only at its end
        std::uint32_t wrong_result_ppm = 0;  ///< lies on purpose: development networks only
        Timing timing{};
    };

    explicit Provider(Config config);
    Provider(Provider&&) noexcept;
    Provider& operator=(Provider&&) noexcept;
    ~Provider();

    /// Once, before the first step, with every record persisted, in any order. A failure names the
    /// table: a newer version, or damage.
    Result<void, Failure> restore(const std::vector<types::Record>& records, Instant now,
                                  provider::Effects& out);

    void step(const provider::Event& event, Instant now, provider::Effects& out);

    /// When step(TimerFired) is due next; null: only an event can change anything.
    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept;

    /// True when the session may read this sealed blob: an output, standard output or error of a
    /// lease of its account that has been revealed. Ask before answering a BlobRequest.
    [[nodiscard]] bool may_read(provider::SessionId session,
                                const crypto::BlobId& sealed) const noexcept;
    [[nodiscard]] provider::Status status() const;

    static constexpr std::size_t sessions_max = 256;
    static constexpr std::size_t leases_max = 8'192;  ///< not ended
    static constexpr std::size_t leases_per_payer_max = 1'024;
    static constexpr std::size_t settled_kept_max =
        1'024;                                        ///< paid ones whose outputs stay readable
    static constexpr std::size_t ended_max = 65'536;  ///< ids remembered until their deadline
    static constexpr std::size_t payers_max = 4'096;
    static constexpr std::size_t streams_per_payer_max = 64;
    static constexpr std::uint32_t bad_messages_max = 32;

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::compute
