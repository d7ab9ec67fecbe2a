// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "sim/market.hpp"
#include "sim/timeline.hpp"
#include "sim/virtual_chain.hpp"

// The inside of run_market(): the world that the computers (machine_host.hpp) stand in.

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

Hash32 named(std::string_view name, std::uint64_t number);
crypto::SecretKey secret(std::string_view name, std::uint64_t number);

}  // namespace millrace::sim
