// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "base/u256.hpp"
#include "compute/requestor_event.hpp"
#include "daemon/agent_base.hpp"
#include "types/settlement.hpp"

namespace millrace::daemon {

/// What the requestor sees of the chain at one time.
struct ChainView {
    std::uint64_t block = 0;
    Amount wallet;
    Amount deposit_free_finalized;
    Amount deposit_free_latest;
    std::uint64_t allocation_count_finalized = 0;
    Amount deposit_total;  ///< free, pending and open allocations, at `latest`
    std::vector<types::ProviderRecord> providers;
    std::vector<Amount> provider_wallets;  ///< parallel to providers; read for snapshots only
};

/// The requestor's doings on chain; every answer comes on the loop's thread.
class RequestorChain {
  public:
    template <typename T>
    using Answer = std::function<void(Outcome<T>)>;

    explicit RequestorChain(AgentBase& base);
    ~RequestorChain();

    void read_view(bool with_wallets, Answer<ChainView> answer);
    /// Brings the free deposit to `target` at least; answers with the transaction, zero if none was
    /// needed.
    void ensure_deposit(const Amount& target, Answer<Hash32> answer);
    /// Appends the allocation unless it stands already. `status` is called with sent, latest and
    /// finalized as they come, or failed.
    void allocate(const compute::requestor::Allocate& request,
                  std::function<void(compute::requestor::AllocationUpdated)> status);
    void report(const compute::requestor::Evidence& evidence, Answer<Hash32> answer);
    void release(std::uint64_t allocation, Answer<Hash32> answer);

  private:
    void await_final(std::uint64_t allocation, const Hash32& transaction,
                     std::function<void(compute::requestor::AllocationUpdated)> status);
    AgentBase& base_;
};

}  // namespace millrace::daemon
