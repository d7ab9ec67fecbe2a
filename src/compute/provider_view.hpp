// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/time.hpp"
#include "base/u256.hpp"

namespace millrace::compute::provider {

enum class LeaseState : std::uint8_t {
    fetching = 1,  ///< module and inputs are on their way
    waiting = 2,   ///< everything is here, no slot is free
    running = 3,
    committed = 4,  ///< result persisted, commitment sent
    revealed = 5,   ///< receipt sent; the requestor compares
    accepted = 6,   ///< agreed; a voucher is owed
    settled = 7,    ///< paid, contradicted, late, cancelled or given up: nothing is owed
};
std::string_view to_text(LeaseState state) noexcept;

/// What people see: plain values.
struct LeaseRow {
    Hash32 lease;
    Address requestor;
    std::uint64_t task_index = 0;
    LeaseState state = LeaseState::fetching;
    Fuel fuel;     ///< progress while running, then the result's
    Amount worth;  ///< price of the result; 0 before there is one
    Instant accepted_at;
    std::uint64_t deadline = 0;
};
struct PayerRow {
    Address payer;
    bool connected = false;
    std::uint64_t tasks_paid = 0;
    Amount earned;                     ///< by vouchers held
    Amount settled;                    ///< of these, on chain
    Amount owed;                       ///< by accepted tasks not yet paid
    std::uint64_t contradictions = 0;  ///< verdicts against us
    std::uint64_t unpaid = 0;          ///< tasks this requestor never paid
    std::uint32_t credit_tasks = 1;    ///< unpaid tasks it may have with us now
    std::uint32_t leases = 0;          ///< unpaid ones it has
};
struct Status {
    std::uint32_t slots = 0;
    std::uint32_t running = 0;
    std::uint32_t waiting = 0;  ///< fetching included
    bool stopping = false;
    std::uint64_t tasks_finished = 0;  ///< since the start of the process
    std::uint64_t contradictions = 0;
    Amount earned;
    Amount settled;
    std::vector<LeaseRow> leases;  ///< not settled ones
    std::vector<PayerRow> payers;
};

}  // namespace millrace::compute::provider
