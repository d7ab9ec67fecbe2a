// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"

namespace millrace::rpc {

/// One WebSocket connection, or one HTTP request's connection. Kept by whoever owes it messages.
class Session {
  public:
    virtual ~Session() = default;
    /// Queues a message to a WebSocket client; any thread. False when it is closed, is plain HTTP,
    /// or its queue was full: then the connection is closed, for a client that does not read gets
    /// nothing.
    virtual bool push(std::string message) = 0;
    [[nodiscard]] virtual bool can_push() const noexcept = 0;
    /// Never used twice.
    [[nodiscard]] virtual std::uint64_t id() const noexcept = 0;
};
using SessionPtr = std::shared_ptr<Session>;

/// What answers. Called on the server's worker threads, several at a time; where a connection's
/// calls have shown to be short, on its I/O thread instead. A call that waits for something keeps
/// its reply and returns.
class Handler {
  public:
    virtual ~Handler() = default;
    /// A JSON text of at most Limits::body_max bytes. `reply` is called once, on any thread, now or
    /// later; an empty answer means there is nothing to say (notifications): HTTP gets 204.
    using Reply = std::function<void(std::string answer)>;
    virtual void handle(const SessionPtr& session, std::string body, Reply reply) = 0;
    /// GET of a path ("/health", "/metrics").
    struct Page {
        std::uint16_t status = 404;
        std::string type = "text/plain";
        std::string body;
    };
    virtual Page page(std::string_view path) = 0;
    virtual void on_closed(std::uint64_t session_id) = 0;
};

/// JSON-RPC's carrier: HTTP/1.1 (keep-alive, pipelined) and WebSocket (RFC 6455) on one port. Knows
/// nothing of JSON. Headers of Boost stay in the source files.
class Server {
  public:
    struct Limits {
        std::size_t body_max = 16u << 20;
        std::size_t header_max = 16u << 10;
        std::size_t connections_max = 2'048;  ///< over it: the oldest idle one is closed, else 503
        std::size_t requests_waiting_max = 4'096;  ///< over all connections; over it: 503 / error
        std::size_t per_connection_waiting_max = 64;  ///< then its socket is not read
        std::size_t push_bytes_max = 4u << 20;        ///< queued to one WebSocket client
        std::size_t memory_max = 256u << 20;  ///< bodies and answers in flight, all connections
        std::uint32_t idle_ms_max = 120'000;
        std::uint32_t read_ms_max = 15'000;   ///< for one request's header and body
        std::uint32_t write_ms_max = 30'000;  ///< without the peer taking a byte
    };
    struct Options {
        std::string listen = "127.0.0.1:8545";    ///< port 0: any
        std::vector<std::string> cors_origins{};  ///< "*": any; empty: none is told
        std::vector<std::string> hosts{};  ///< accepted Host headers besides IPs and localhost
        std::size_t workers = 2;
        Limits limits{};
    };
    /// Begins to serve; the handler outlives it. Raises the process's soft limit of descriptors if
    /// connections_max needs it.
    static Outcome<std::unique_ptr<Server>> start(Options options, Handler& handler);
    /// Stops taking, answers what is in flight for at most a second, joins its threads.
    ~Server();

    [[nodiscard]] const std::string& endpoint() const noexcept;  ///< "127.0.0.1:40123"
    struct Metrics {
        std::uint64_t connections = 0;
        std::uint64_t connections_open = 0;
        std::uint64_t requests = 0;
        std::uint64_t refused = 0;
        std::uint64_t bytes_in = 0;
        std::uint64_t bytes_out = 0;
        std::uint64_t requests_waiting = 0;  ///< now: given to the handler, not yet answered
        std::uint64_t bytes_in_flight = 0;   ///< now: what Limits::memory_max bounds
    };
    [[nodiscard]] Metrics metrics() const noexcept;

  private:
    struct State;
    explicit Server(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::rpc
