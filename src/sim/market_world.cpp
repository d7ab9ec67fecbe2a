// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sim/market_world.hpp"

#include <cstdio>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "sim/provider_host.hpp"
#include "sim/requestor_host.hpp"

namespace millrace::sim {
namespace {

constexpr Instant start_time{1'700'000'000'000};

types::SettlementDomain make_domain() {
    types::SettlementDomain domain;
    domain.chain_id = U256{31'337};
    domain.genesis = named("genesis", 0);
    domain.deposits.bytes[19] = 1;
    domain.providers.bytes[19] = 2;
    domain.jobs.bytes[19] = 3;
    domain.capabilities.bytes[19] = 5;
    return domain;
}

}  // namespace

Hash32 named(std::string_view name, std::uint64_t number) {
    const std::string text = std::string{name} + "/" + std::to_string(number);
    return crypto::keccak256(as_bytes(text));
}

crypto::SecretKey secret(std::string_view name, std::uint64_t number) {
    const auto key = crypto::SecretKey::from(named(name, number).view());
    MILLRACE_ASSERT(key.has_value());
    return *key;
}

World::World(const MarketSettings& given)
    : settings{given},
      timeline{start_time},
      prng{given.seed},
      domain{make_domain()},
      chain{domain} {}

bool World::trouble() const noexcept {
    return now() < start_time + Duration{std::int64_t{settings.trouble_seconds} * 1000};
}

Duration World::between(std::int64_t least, std::int64_t most) {
    return Duration{least + static_cast<std::int64_t>(
                                prng.below(static_cast<std::uint64_t>(most - least) + 1))};
}

void World::violated(std::string law) {
    constexpr std::size_t violations_max = 20;
    if (settings.narrate) std::fprintf(stderr, "VIOLATED %s\n", law.c_str());
    if (report.violations.size() < violations_max) report.violations.push_back(std::move(law));
}

void World::record(std::string_view who, std::string_view what, ByteView detail) {
    const auto add = [this](std::uint8_t byte) { trace = (trace ^ byte) * 0x100000001b3; };
    const auto when = static_cast<std::uint64_t>(now().ms);
    for (int shift = 0; shift < 64; shift += 8)
        add(static_cast<std::uint8_t>(when >> shift));
    for (const char letter : who)
        add(static_cast<std::uint8_t>(letter));
    for (const char letter : what)
        add(static_cast<std::uint8_t>(letter));
    for (const std::uint8_t byte : detail)
        add(byte);
    if (!settings.narrate) return;
    std::fprintf(
        stderr, "%10.3f %.*s %.*s\n", static_cast<double>(now().ms - start_time.ms) / 1000.0,
        static_cast<int>(who.size()), who.data(), static_cast<int>(what.size()), what.data());
}

Instant World::next_block() {
    const std::int64_t block = block_time.count();
    return Instant{(now().ms / block + 1) * block};
}

// ---- connections
// ---------------------------------------------------------------------------------

Connection::Connection(World& world, std::uint64_t id, std::size_t provider)
    : world_{world}, id_{id}, provider_{provider}, latency_ms_{world.between(1, 80).count()} {}

Connection* Connection::find(World& world, std::uint64_t id) {
    const auto found = world.requestor->connections_.find(id);
    return found == world.requestor->connections_.end() ? nullptr : found->second.get();
}

void Connection::to_provider(const types::Message& message) {
    carry(message, true);
}
void Connection::to_requestor(const types::Message& message) {
    carry(message, false);
}

void Connection::carry(const types::Message& message, bool to_provider) {
    if (!open_) return;
    constexpr std::int64_t bytes_per_ms = 5'000;  // 40 Mbit/s
    const Bytes payload = types::encode_message(message);
    MILLRACE_ASSERT(payload.size() + 8 <= types::frame_size_max);
    world_.record(to_provider ? "r>p" : "p>r", types::message_name(message), payload);
    Instant& last = arrived_[to_provider ? 0 : 1];
    const Instant ready = std::max(last, world_.now() + Duration{latency_ms_});
    last = ready + Duration{static_cast<std::int64_t>(payload.size()) / bytes_per_ms};
    if (world_.trouble() && world_.chance(world_.settings.disconnect_ppm)) {
        ++world_.report.disconnects;
        return close("the line broke");
    }
    World& world = world_;
    world.timeline.at(last, [&world, id = id_, provider = provider_, to_provider,
                             type = types::message_type(message), payload] {
        Connection* connection = find(world, id);
        if (connection == nullptr || !connection->open_) return;
        const auto decoded = types::decode_message(type, payload);
        if (!decoded) return world.violated("a sent message decodes");
        if (to_provider) {
            world.providers[provider]->received(id, *decoded);
        } else {
            world.requestor->received(provider, id, *decoded);
        }
    });
}

void Connection::close(std::string why) {
    if (!open_) return;
    open_ = false;
    World& world = world_;
    const std::uint64_t id = id_;
    const std::size_t provider = provider_;
    world.timeline.after(world.between(0, 200),
                         [&world, id, provider] { world.providers[provider]->disconnected(id); });
    world.timeline.after(world.between(0, 200), [&world, id, provider, why = std::move(why)] {
        world.requestor->disconnected(provider, id, why);
    });
}

}  // namespace millrace::sim
