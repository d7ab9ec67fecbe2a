// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>

#include "compute/provider.hpp"
#include "sim/machine_host.hpp"

namespace millrace::sim {

class ProviderHost : public MachineHost<compute::Provider> {
  public:
    ProviderHost(World& world, std::size_t index);
    void connected(std::uint64_t connection);
    void disconnected(std::uint64_t connection);
    void received(std::uint64_t connection, const types::Message& message);

    [[nodiscard]] const types::ProviderRecord& record() const noexcept { return record_; }
    [[nodiscard]] bool lies() const noexcept { return config_.wrong_result_ppm != 0; }

  private:
    std::unique_ptr<compute::Provider> make_machine() override;
    void carry_out(const compute::provider::Effect& effect) override;
    void on_crashed() override;
    void ask(blobs::SourceId source, const types::BlobRequest& request) override;
    void blob_ended(const crypto::BlobId& sealed, bool ok, const std::string& why) override;
    void fetch(const compute::provider::FetchBlobs& request);
    void run_task(const compute::provider::RunTask& task);
    void finish_task(const compute::provider::RunTask& task);
    void check_allocation(const compute::provider::CheckAllocation& check);
    void settle(const compute::provider::Settle& settle);

    compute::Provider::Config config_;
    types::ProviderRecord record_;
    std::map<Hash32, std::uint64_t> running_;  ///< lease → number of its run
    std::uint64_t runs_ = 0;
    std::uint64_t fuel_per_second_ = 1'000'000'000;
};

}  // namespace millrace::sim
