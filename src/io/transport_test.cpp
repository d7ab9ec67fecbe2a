// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/transport.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <thread>

#include "io/event_loop.hpp"
#include "io/socket_address.hpp"
#include "io/tls.hpp"

namespace millrace::io {
namespace {

using types::BlobData;
using types::Message;
using types::NetworkAnswer;
using types::Progress;

/// One side: a transport whose callbacks are kept for the test to look at.
struct Side {
    NodeKey key = NodeKey::generate();
    EventLoop& loop;
    std::vector<PeerId> connected;
    std::vector<Hash32> keys;
    std::vector<std::pair<PeerId, Message>> messages;
    std::vector<std::pair<PeerId, std::string>> closed;
    int writable = 0;
    std::function<void()> changed = [] {};
    std::unique_ptr<Transport> transport;

    explicit Side(EventLoop& owner, TransportLimits limits = {}) : loop{owner} {
        transport =
            std::make_unique<Transport>(loop, key,
                                        Transport::Handlers{
                                            .on_connected =
                                                [this](PeerId peer, const Hash32& other, bool) {
                                                    connected.push_back(peer);
                                                    keys.push_back(other);
                                                    changed();
                                                },
                                            .on_message =
                                                [this](PeerId peer, Message message) {
                                                    messages.emplace_back(peer, std::move(message));
                                                    changed();
                                                },
                                            .on_closed =
                                                [this](PeerId peer, const std::string& why) {
                                                    closed.emplace_back(peer, why);
                                                    changed();
                                                },
                                            .on_writable =
                                                [this](PeerId) {
                                                    ++writable;
                                                    changed();
                                                },
                                        },
                                        limits);
    }
};

struct Pair {
    EventLoop loop;
    Side server;
    Side client;
    std::string endpoint;

    explicit Pair(TransportLimits limits = {}) : server{loop, limits}, client{loop, limits} {
        auto bound = server.transport->listen("127.0.0.1:0");
        MILLRACE_ASSERT(bound.has_value());
        endpoint = *bound;
    }
    /// Runs the loop until `condition` holds. The test runner's time-out is the only clock.
    template <typename Condition>
    void until(Condition condition) {
        const auto check = [this, condition] {
            if (condition()) loop.stop();
        };
        server.changed = check;
        client.changed = check;
        if (!condition()) loop.run();
    }
    PeerId connect() {
        const auto peer =
            client.transport->connect(endpoint, server.key.public_key(), Duration{30'000});
        MILLRACE_ASSERT(peer.has_value());
        until([this] { return !client.connected.empty() && !server.connected.empty(); });
        return *peer;
    }
};

Message chunk() {
    BlobData data;
    data.content = Bytes(types::blob_chunk_max, 1);
    return data;
}

Message sample(std::uint64_t fuel) {
    return Progress{.lease = {}, .fuel = Fuel{fuel}};
}

/// A TCP connection without TLS, blocking.
int raw_connect(const std::string& endpoint) {
    const auto addresses = resolve(*parse_endpoint(endpoint), true);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MILLRACE_ASSERT(::connect(fd, addresses.front().get(), addresses.front().size) == 0);
    return fd;
}

TEST(Transport, both_sides_prove_their_keys_and_messages_go_both_ways) {
    Pair pair;
    const PeerId peer = pair.connect();
    EXPECT_EQ(pair.client.keys.front(), pair.server.key.public_key());
    EXPECT_EQ(pair.server.keys.front(), pair.client.key.public_key());
    EXPECT_EQ(pair.client.transport->key_of(peer), pair.server.key.public_key());
    ASSERT_TRUE(pair.client.transport->send(peer, sample(7)));
    pair.until([&] { return pair.server.messages.size() == 1; });
    EXPECT_EQ(pair.server.messages.front().second, sample(7));
    ASSERT_TRUE(pair.server.transport->send(pair.server.connected.front(),
                                            NetworkAnswer{.network_toml = "x = 1"}));
    pair.until([&] { return pair.client.messages.size() == 1; });
    EXPECT_EQ(pair.client.messages.front().second, Message{NetworkAnswer{.network_toml = "x = 1"}});
}

TEST(Transport, many_large_messages_arrive_whole_and_in_order) {
    Pair pair;
    const PeerId peer = pair.connect();
    constexpr std::size_t count = 60;
    for (std::size_t index = 0; index < count; ++index) {
        const Message message =
            BlobData{.sealed_root = {},
                     .offset = index * types::blob_chunk_max,
                     .content = Bytes(types::blob_chunk_max, static_cast<std::uint8_t>(index)),
                     .proof = {}};
        ASSERT_TRUE(pair.client.transport->send(peer, message));
    }
    pair.until([&] { return pair.server.messages.size() == count && pair.client.writable == 1; });
    for (std::size_t index = 0; index < count; ++index) {
        const auto& data = std::get<BlobData>(pair.server.messages[index].second);
        EXPECT_EQ(data.offset, index * types::blob_chunk_max);
        ASSERT_EQ(data.content, Bytes(types::blob_chunk_max, static_cast<std::uint8_t>(index)));
    }
    EXPECT_EQ(pair.client.transport->queued_bytes(peer), 0u);
}

TEST(Transport, a_full_queue_refuses_and_tells_when_it_has_room) {
    Pair pair{{.queued_bytes_max = 2u << 20, .writable_below = 1u << 20}};
    const PeerId peer = pair.connect();
    const Message message = chunk();
    std::size_t sent = 0;
    while (pair.client.transport->send(peer, message))
        ++sent;
    EXPECT_EQ(sent, 3u);
    EXPECT_LE(pair.client.transport->queued_bytes(peer), 2u << 20);
    pair.until([&] { return pair.client.writable == 1; });
    EXPECT_TRUE(pair.client.transport->send(peer, message));
}

TEST(Transport, a_wrong_key_is_not_connected_to) {
    Pair pair;
    const auto peer = pair.client.transport->connect(
        pair.endpoint, NodeKey::generate().public_key(), Duration{30'000});
    ASSERT_TRUE(peer);
    pair.until([&] { return !pair.client.closed.empty(); });
    EXPECT_EQ(pair.client.closed.front().first, *peer);
    EXPECT_NE(pair.client.closed.front().second.find("not who it should be"), std::string::npos);
    EXPECT_TRUE(pair.client.connected.empty());
}

TEST(Transport, an_unreachable_endpoint_is_reported_not_thrown) {
    Pair pair;
    pair.server.transport->stop_listening();
    const auto peer = pair.client.transport->connect(pair.endpoint, {}, Duration{30'000});
    ASSERT_TRUE(peer);
    pair.until([&] { return !pair.client.closed.empty(); });
    EXPECT_NE(pair.client.closed.front().second.find("refused"), std::string::npos);
    EXPECT_EQ(pair.client.transport->connection_count(), 0u);
}

TEST(Transport, names_are_resolved_off_the_loop) {
    Pair pair;
    const std::string port = pair.endpoint.substr(pair.endpoint.rfind(':'));
    const auto peer = pair.client.transport->connect("localhost" + port, {}, Duration{30'000});
    ASSERT_TRUE(peer);
    pair.until([&] { return !pair.client.connected.empty() || !pair.client.closed.empty(); });
    EXPECT_EQ(pair.client.connected.size(), 1u);
}

TEST(Transport, malformed_endpoints_are_refused) {
    EventLoop loop;
    Side side{loop};
    for (const char* endpoint : {"", "a", ":1", "a:", "a:b", "a:65536", "1:2:3", "a:-1"}) {
        EXPECT_FALSE(side.transport->connect(endpoint, {}, Duration{1'000})) << endpoint;
    }
    EXPECT_FALSE(side.transport->listen("localhost:0"));
    EXPECT_TRUE(side.transport->listen("[::1]:0").has_value() ||
                side.transport->listen("127.0.0.1:0").has_value());
}

TEST(Transport, close_delivers_what_was_queued) {
    Pair pair;
    const PeerId peer = pair.connect();
    constexpr std::size_t count = 20;
    for (std::size_t index = 0; index < count; ++index) {
        ASSERT_TRUE(pair.client.transport->send(peer, chunk()));
        ASSERT_TRUE(pair.server.transport->send(pair.server.connected.front(), sample(index)));
    }
    pair.client.transport->close(peer);
    EXPECT_FALSE(pair.client.transport->send(peer, sample(1)));
    pair.until([&] { return !pair.server.closed.empty(); });
    EXPECT_EQ(pair.server.messages.size(), count);
    EXPECT_EQ(pair.server.closed.front().second, "closed by the other side");
    EXPECT_TRUE(pair.client.closed.empty());
}

TEST(Transport, garbage_instead_of_a_handshake_is_closed_and_not_announced) {
    Pair pair;
    const int fd = raw_connect(pair.endpoint);
    ASSERT_GT(::send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 0);
    ASSERT_TRUE(pair.loop.watch_fd(fd, {.readable = true}, [&](Readiness) {
        std::array<char, 4096> buffer;
        if (::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) pair.loop.stop();
    }));
    pair.loop.run();
    pair.loop.unwatch_fd(fd);
    ::close(fd);
    EXPECT_TRUE(pair.server.connected.empty());
    EXPECT_TRUE(pair.server.closed.empty());
    EXPECT_EQ(pair.server.transport->connection_count(), 0u);
}

TEST(Transport, a_silent_connection_does_not_outlive_the_handshake_time) {
    Pair pair{{.handshake_time_max = Duration{20}}};
    const int fd = raw_connect(pair.endpoint);
    ASSERT_TRUE(pair.loop.watch_fd(fd, {.readable = true}, [&](Readiness) { pair.loop.stop(); }));
    pair.loop.run();
    pair.loop.unwatch_fd(fd);
    ::close(fd);
    EXPECT_EQ(pair.server.transport->connection_count(), 0u);
}

TEST(Transport, a_peer_silent_for_the_idle_time_is_closed) {
    Pair pair{{.idle_time_max = Duration{20}}};
    pair.connect();
    pair.until([&] { return !pair.server.closed.empty(); });
    EXPECT_EQ(pair.server.connected.size(), 1u);
}

/// A peer that speaks TLS with a good key, and then whatever the test likes; blocking, in a thread.
void rogue(const std::string& endpoint, const Bytes& after_handshake) {
    const int fd = raw_connect(endpoint);
    const TlsContext context{NodeKey::generate()};
    SSL* session = context.new_session(fd, false);
    if (SSL_do_handshake(session) == 1) {
        SSL_write(session, after_handshake.data(), static_cast<int>(after_handshake.size()));
        std::array<char, 256> buffer;
        while (SSL_read(session, buffer.data(), buffer.size()) > 0)
            continue;
    }
    SSL_free(session);
    ::close(fd);
}

TEST(Transport, a_peer_that_sends_garbage_is_closed_with_a_reason) {
    const Bytes too_large{0xff, 0xff, 0xff, 0x7f, 1, 0, 1, 0};
    Bytes unknown_type = types::encode_frame(sample(1));
    unknown_type[4] = 0xff;
    unknown_type[5] = 0xff;
    Bytes bad_payload = types::encode_frame(sample(1));
    bad_payload[8] ^= 0x40;
    for (const Bytes& bytes : {too_large, unknown_type, bad_payload}) {
        Pair pair;
        std::thread thread{[&] { rogue(pair.endpoint, bytes); }};
        pair.until([&] { return !pair.server.closed.empty(); });
        thread.join();
        EXPECT_TRUE(pair.server.closed.front().second.starts_with("the other side sent "))
            << pair.server.closed.front().second;
        EXPECT_TRUE(pair.server.messages.empty());
    }
}

TEST(Transport, a_client_without_a_certificate_is_refused) {
    Pair pair;
    std::thread thread{[&] {
        const int fd = raw_connect(pair.endpoint);
        SSL_CTX* context = SSL_CTX_new(TLS_client_method());
        SSL* session = SSL_new(context);
        SSL_set_fd(session, fd);
        if (SSL_connect(session) == 1) {
            char byte = 0;
            EXPECT_LE(SSL_read(session, &byte, 1), 0);
        }
        SSL_free(session);
        SSL_CTX_free(context);
        ::close(fd);
        pair.loop.stop();
    }};
    pair.loop.run();
    thread.join();
    EXPECT_TRUE(pair.server.connected.empty());
}

TEST(Transport, tls_1_2_is_refused) {
    Pair pair;
    std::thread thread{[&] {
        const int fd = raw_connect(pair.endpoint);
        SSL_CTX* context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        SSL* session = SSL_new(context);
        SSL_set_fd(session, fd);
        EXPECT_NE(SSL_connect(session), 1);
        SSL_free(session);
        SSL_CTX_free(context);
        ::close(fd);
        pair.loop.stop();
    }};
    pair.loop.run();
    thread.join();
    EXPECT_TRUE(pair.server.connected.empty());
}

TEST(Transport, connections_over_the_limit_are_refused) {
    EventLoop loop;
    Side server{loop, {.connections_max = 1}};
    Side client{loop};
    const auto endpoint = server.transport->listen("127.0.0.1:0");
    ASSERT_TRUE(endpoint);
    const auto check = [&] {
        if (client.connected.size() == 1 && client.closed.size() == 1) loop.stop();
    };
    client.changed = check;
    ASSERT_TRUE(client.transport->connect(*endpoint, {}, Duration{30'000}));
    ASSERT_TRUE(client.transport->connect(*endpoint, {}, Duration{30'000}));
    loop.run();
    EXPECT_EQ(server.transport->connection_count(), 1u);
}

TEST(Transport, a_handler_may_close_the_peer_it_is_called_for) {
    Pair pair;
    const PeerId peer = pair.connect();
    for (std::uint64_t fuel = 0; fuel < 5; ++fuel)
        pair.client.transport->send(peer, sample(fuel));
    pair.client.changed = [&] {
        if (!pair.client.closed.empty()) pair.loop.stop();
    };
    pair.server.changed = [&] {
        if (!pair.server.messages.empty()) {
            pair.server.transport->close(pair.server.connected.front());
        }
    };
    pair.loop.run();
    EXPECT_EQ(pair.server.messages.size(), 1u);
}

TEST(Transport, destruction_closes_everything_without_callbacks) {
    Pair pair;
    pair.connect();
    pair.client.transport.reset();
    EXPECT_TRUE(pair.client.closed.empty());
    pair.until([&] { return !pair.server.closed.empty(); });
}

}  // namespace
}  // namespace millrace::io
