// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>

#include "compute/requestor.hpp"
#include "sim/machine_host.hpp"

namespace millrace::sim {

class RequestorHost : public MachineHost<compute::Requestor> {
  public:
    explicit RequestorHost(World& world);
    void submit();
    void connected(std::size_t provider, std::uint64_t connection);
    void disconnected(std::size_t provider, std::uint64_t connection, const std::string& why);
    void received(std::size_t provider, std::uint64_t connection, const types::Message& message);

    [[nodiscard]] const compute::requestor::JobPlan& plan() const noexcept { return plan_; }
    [[nodiscard]] Address account() const noexcept { return account_; }
    [[nodiscard]] bool job_over() const;
    [[nodiscard]] bool settled() const;

  private:
    std::unique_ptr<compute::Requestor> make_machine() override;
    void carry_out(const compute::requestor::Effect& effect) override;
    void on_started() override;
    void on_crashed() override;
    void ask(blobs::SourceId source, const types::BlobRequest& request) override;
    void blob_ended(const crypto::BlobId& sealed, bool ok, const std::string& why) override;
    void connect(const compute::requestor::Connect& effect);
    void fetch(const compute::requestor::FetchBlob& effect);
    void allocate(const compute::requestor::Allocate& effect);
    void watch_allocation(std::uint64_t number);
    void release(std::uint64_t number);
    void report_contradiction(const compute::requestor::Evidence& evidence);
    void tell_deposit();
    [[nodiscard]] std::optional<std::size_t> index_of(const Address& provider) const;
    /// Null: not connected.
    [[nodiscard]] Connection* line_to(const Address& provider) const;

    crypto::SecretKey key_;
    Address account_;
    compute::requestor::JobPlan plan_;
    std::map<std::size_t, std::uint64_t> links_;  ///< provider → connection
    std::multimap<crypto::BlobId, compute::requestor::FetchBlob> fetches_;  ///< by sealed address
    std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
    std::uint64_t connection_next_ = 1;
    friend class Connection;
};

}  // namespace millrace::sim
