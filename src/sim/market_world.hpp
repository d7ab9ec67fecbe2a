// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "blobs/downloader.hpp"
#include "compute/provider.hpp"
#include "compute/requestor.hpp"
#include "sim/disk.hpp"
#include "sim/market.hpp"
#include "sim/model_task.hpp"
#include "sim/timeline.hpp"
#include "sim/virtual_chain.hpp"

// The inside of run_market(): computers that carry out the machines' effects as the daemons do.

namespace millrace::sim {

class RequestorHost;
class ProviderHost;

/// What all computers share: time, luck, the chain, the trace, the list of broken laws.
struct World {
    explicit World(const MarketSettings& given);

    MarketSettings settings;
    Timeline timeline;
    Prng prng;
    types::SettlementDomain domain;
    VirtualChain chain;
    MarketReport report;
    std::uint64_t trace = 0xcbf29ce484222325;
    std::unique_ptr<RequestorHost> requestor;
    std::vector<std::unique_ptr<ProviderHost>> providers;

    [[nodiscard]] Instant now() const noexcept { return timeline.now(); }
    [[nodiscard]] bool trouble() const noexcept;
    [[nodiscard]] bool chance(std::uint32_t ppm) { return ppm != 0 && prng.chance(ppm); }
    [[nodiscard]] Duration between(std::int64_t least, std::int64_t most);
    void violated(std::string law);
    /// FNV-1a over who, when and what.
    void record(std::string_view who, std::string_view what, ByteView detail);
    /// The next block's time, and when it is final.
    [[nodiscard]] Instant next_block();
    static constexpr Duration block_time{500};
    static constexpr Duration finality{1'000};
};

/// A connection: ordered and reliable until it breaks. Messages take their latency and the time of
/// their bytes; none overtakes another.
class Connection {
  public:
    Connection(World& world, std::uint64_t id, std::size_t provider);
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::size_t provider() const noexcept { return provider_; }
    [[nodiscard]] bool is_open() const noexcept { return open_; }
    void to_provider(const types::Message& message);
    void to_requestor(const types::Message& message);
    /// Both ends hear of it, each after its latency.
    void close(std::string why);

    static Connection* find(World& world, std::uint64_t id);

  private:
    void carry(const types::Message& message, bool to_provider);

    World& world_;
    std::uint64_t id_;
    std::size_t provider_;
    bool open_ = true;
    std::int64_t latency_ms_;
    Instant arrived_[2];
};

/// A computer that can lose its memory. Actions scheduled before a crash do not happen after it.
class Host {
  public:
    Host(World& world, std::string name) : world_{world}, name_{std::move(name)} {}
    [[nodiscard]] bool is_up() const noexcept { return up_; }

  protected:
    template <typename Action>
    void later(Duration span, Action action) {
        world_.timeline.after(span, [this, epoch = epoch_, action = std::move(action)] {
            if (epoch == epoch_ && up_) action();
        });
    }
    /// Where in a durable step the process dies; null: it lives.
    enum class Death : std::uint8_t { before_commit, after_commit, amid_effects };
    std::optional<Death> draw_death();

    World& world_;
    std::string name_;
    bool up_ = false;
    std::uint64_t epoch_ = 0;
    RecordDisk rows_;
    BlobDisk blobs_;
    blobs::Downloader downloader_;
    std::optional<Instant> wake_at_;
    std::optional<Instant> download_wake_at_;
};

class ProviderHost : public Host {
  public:
    ProviderHost(World& world, std::size_t index);
    void start();
    void crash();
    void connected(std::uint64_t connection);
    void disconnected(std::uint64_t connection);
    void received(std::uint64_t connection, const types::Message& message);

    [[nodiscard]] const types::ProviderRecord& record() const noexcept { return record_; }
    [[nodiscard]] const compute::Provider& machine() const noexcept { return *machine_; }
    [[nodiscard]] bool lies() const noexcept { return config_.wrong_result_ppm != 0; }

  private:
    void step(const compute::provider::Event& event);
    void carry_out(const compute::provider::Effects& effects);
    void wake();
    void download(const blobs::Event& event);
    void run_task(const compute::provider::RunTask& task);
    void finish_task(const compute::provider::RunTask& task);
    void check_allocation(const compute::provider::CheckAllocation& check);
    void settle(const compute::provider::Settle& settle);
    types::SealedBlob seal(const Bytes& plain, const crypto::JobKey& key);

    compute::Provider::Config config_;
    types::ProviderRecord record_;
    std::unique_ptr<compute::Provider> machine_;
    std::map<Hash32, std::uint64_t> running_;  ///< lease → number of its run
    std::uint64_t runs_ = 0;
    std::uint64_t fuel_per_second_ = 1'000'000'000;
};

class RequestorHost : public Host {
  public:
    explicit RequestorHost(World& world);
    void start();
    void crash();
    void submit();
    void connected(std::size_t provider, std::uint64_t connection);
    void disconnected(std::size_t provider, std::uint64_t connection, const std::string& why);
    void received(std::size_t provider, std::uint64_t connection, const types::Message& message);

    [[nodiscard]] const compute::Requestor& machine() const noexcept { return *machine_; }
    [[nodiscard]] const compute::requestor::JobPlan& plan() const noexcept { return plan_; }
    [[nodiscard]] Address account() const noexcept { return account_; }
    [[nodiscard]] bool job_over() const;
    [[nodiscard]] bool settled() const;

  private:
    void step(const compute::requestor::Event& event);
    void carry_out(const compute::requestor::Effects& effects);
    void wake();
    void download(const blobs::Event& event);
    void connect(const compute::requestor::Connect& effect);
    void fetch(const compute::requestor::FetchBlob& effect);
    void fetched(const crypto::BlobId& sealed, bool ok, const std::string& why);
    void allocate(const compute::requestor::Allocate& effect);
    void watch_allocation(std::uint64_t number);
    void release(std::uint64_t number);
    void report_contradiction(const compute::requestor::Evidence& evidence);
    void tell_deposit();
    [[nodiscard]] std::optional<std::size_t> index_of(const Address& provider) const;
    types::SealedBlob seal(const Bytes& plain);

    crypto::SecretKey key_;
    Address account_;
    compute::requestor::JobPlan plan_;
    std::unique_ptr<compute::Requestor> machine_;
    std::map<std::size_t, std::uint64_t> links_;  ///< provider → connection
    std::multimap<crypto::BlobId, compute::requestor::FetchBlob> fetches_;  ///< by sealed address
    bool submitted_ = false;
    std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
    std::uint64_t connection_next_ = 1;
    friend class Connection;
};

Hash32 named(std::string_view name, std::uint64_t number);
crypto::SecretKey secret(std::string_view name, std::uint64_t number);

}  // namespace millrace::sim
