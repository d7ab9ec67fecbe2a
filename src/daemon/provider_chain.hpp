// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compute/provider_event.hpp"
#include "daemon/agent_base.hpp"

namespace millrace::daemon {

/// The provider's doings on chain; every answer comes on the loop's thread.
class ProviderChain {
  public:
    struct Terms {
        Hash32 node_key;
        std::string endpoint;
        Amount price;
        std::uint32_t slots = 1;
        Amount stake;
    };

    explicit ProviderChain(AgentBase& base) : base_{base} {}

    /// Registers, or updates what differs, and sees to it that the registration is active.
    void ensure_registered(const Terms& terms, std::function<void(Outcome<Hash32>)> answer);
    void check_allocation(const compute::provider::CheckAllocation& request,
                          std::function<void(compute::provider::AllocationSeen)> answer);
    /// `answer` is called for each claim with VoucherSettled or SettleFailed.
    void settle(const compute::provider::Settle& request,
                std::function<void(compute::provider::Event)> answer);

  private:
    void tell_settled(const compute::provider::Claim& claim, const Hash32& transaction,
                      std::function<void(compute::provider::Event)> answer);
    AgentBase& base_;
};

}  // namespace millrace::daemon
