// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <openssl/types.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/event_loop.hpp"
#include "io/socket_address.hpp"
#include "io/thread_pool.hpp"
#include "io/tls.hpp"
#include "io/transport.hpp"

/// Private to the transport: one connection and what all of them share. transport.cpp has a
/// connection's life and end, transport_connect.cpp how it comes to be and who is on the other
/// side, transport_frames.cpp what goes over it.
namespace millrace::io {

enum class Phase : std::uint8_t {
    resolving,
    connecting,
    handshaking,
    open,
    flushing,  ///< close() was called: what is queued goes out, what comes in is dropped
    draining,  ///< everything is sent; waiting for the other side's end, so that no reset eats it
    dead,
};

struct Connection {
    PeerId id = 0;
    Phase phase = Phase::resolving;
    bool inbound = false;
    bool announced = false;  ///< the owner knows the id and is told of the end
    int fd = -1;
    SSL* session = nullptr;
    std::string endpoint;  ///< as the caller wrote it, or the remote address
    std::vector<SocketAddress> addresses;
    std::size_t address_next = 0;
    std::string host;
    std::string last_problem;
    std::optional<Hash32> expected;
    Hash32 key;
    types::FrameReader frames;
    std::deque<Bytes> queue;
    std::size_t front_sent = 0;
    std::size_t queued = 0;
    bool was_above = false;
    Readiness interest;
    TimerId deadline = 0;
    TimerId idle_timer = 0;
    Instant received_last;

    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { release(); }
    /// Frees session and socket.
    void release();
};

struct Transport::State : std::enable_shared_from_this<Transport::State> {
    using Pointer = std::shared_ptr<Connection>;

    State(EventLoop& owner, const NodeKey& identity, Handlers calls, TransportLimits bounds)
        : loop{owner}, tls{identity}, handlers{std::move(calls)}, limits{bounds} {}

    EventLoop& loop;
    TlsContext tls;
    Handlers handlers;
    TransportLimits limits;
    std::unordered_map<PeerId, Pointer> connections;
    PeerId id_last = 0;
    int listener = -1;
    TimerId listen_again = 0;
    std::unique_ptr<ThreadPool> resolver;

    // ---- life (transport.cpp)
    Pointer add(bool inbound, std::string endpoint, Duration time_max);
    void arm_deadline(const Pointer& connection, Duration time_max, std::string why);
    void watch_idle(const Pointer& connection);
    bool watch(const Pointer& connection, Readiness interest);
    void want(Connection& connection, Readiness interest);
    void on_ready(const Pointer& connection, Readiness ready);
    /// Ends and forgets it, and tells the owner if it knows of it.
    void fail(const Pointer& connection, const std::string& why);
    /// Frees what the connection holds; it stays in the table.
    void end(Connection& connection);
    void shut();

    // ---- coming to be (transport_connect.cpp)
    void stop_listening();
    void on_listener();
    /// Out of descriptors: a level-triggered listener would spin.
    void pause_listening(int error);
    void accept(int fd, const SocketAddress& from);
    void start_connecting(const Pointer& connection);
    void on_connect_result(const Pointer& connection);
    void handshake(const Pointer& connection);

    // ---- carrying (transport_frames.cpp)
    void read(const Pointer& connection);
    void on_read_end(const Pointer& connection, int count);
    void deliver(const Pointer& connection);
    void write(const Pointer& connection);
};

}  // namespace millrace::io
