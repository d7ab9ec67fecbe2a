// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/transport.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/log.hpp"
#include "io/socket_address.hpp"
#include "io/thread_pool.hpp"
#include "io/tls.hpp"

namespace millrace::io {
namespace {

constexpr std::size_t record_size_max = 16 * 1024;  ///< of TLS; SSL_read gives at most one
constexpr std::size_t read_turn_max = 256 * 1024;
constexpr std::size_t write_turn_max = 1u << 20;

enum class Phase : std::uint8_t {
    resolving,
    connecting,
    handshaking,
    open,
    flushing,  ///< close() was called: what is queued goes out, what comes in is dropped
    draining,  ///< everything is sent; waiting for the other side's end, so that no reset eats it
    dead,
};

std::string_view to_text(types::FrameError error) {
    switch (error) {
        case types::FrameError::too_large:
            return "a frame over the size limit";
        case types::FrameError::bad_version:
            return "a frame of another protocol version";
        case types::FrameError::unknown_type:
            return "a message of unknown type";
        case types::FrameError::bad_payload:
            return "a message that cannot be decoded";
    }
    return "a bad frame";
}

}  // namespace

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
    void release() {
        if (session != nullptr) SSL_free(session);
        if (fd >= 0) ::close(fd);
        session = nullptr;
        fd = -1;
    }
};

struct Transport::State : std::enable_shared_from_this<Transport::State> {
    using Pointer = std::shared_ptr<Connection>;

    EventLoop& loop;
    TlsContext tls;
    Handlers handlers;
    TransportLimits limits;
    std::unordered_map<PeerId, Pointer> connections;
    PeerId id_last = 0;
    int listener = -1;
    TimerId listen_again = 0;
    std::unique_ptr<ThreadPool> resolver;

    State(EventLoop& owner, const NodeKey& identity, Handlers calls, TransportLimits bounds)
        : loop{owner}, tls{identity}, handlers{std::move(calls)}, limits{bounds} {}

    void shut() {
        stop_listening();
        resolver.reset();
        for (const auto& [id, connection] : connections)
            end(*connection);
        connections.clear();
    }

    void stop_listening() {
        if (listener < 0) return;
        loop.cancel(listen_again);
        loop.unwatch_fd(listener);
        ::close(listener);
        listener = -1;
    }

    /// Frees what the connection holds; it stays in the table.
    void end(Connection& connection) {
        connection.phase = Phase::dead;
        loop.cancel(connection.deadline);
        loop.cancel(connection.idle_timer);
        if (connection.fd >= 0) loop.unwatch_fd(connection.fd);
        connection.release();
        connection.queue.clear();
        connection.queued = 0;
    }

    void fail(const Pointer& connection, const std::string& why) {
        if (connection->phase == Phase::dead) return;
        const bool quiet = !connection->announced || connection->phase == Phase::flushing ||
                           connection->phase == Phase::draining;
        end(*connection);
        connections.erase(connection->id);
        if (connection->inbound && !connection->announced) {
            log_limited("inbound-handshake", LogLevel::info, "inbound connection failed",
                        {{"address", connection->endpoint}, {"why", why}});
        }
        if (!quiet && handlers.on_closed) handlers.on_closed(connection->id, why);
    }

    Pointer add(bool inbound, std::string endpoint, Duration time_max) {
        auto connection = std::make_shared<Connection>();
        connection->id = ++id_last;
        connection->inbound = inbound;
        connection->announced = !inbound;
        connection->endpoint = std::move(endpoint);
        connections.emplace(connection->id, connection);
        arm_deadline(connection, time_max, "the connection was not ready in time");
        return connection;
    }

    void arm_deadline(const Pointer& connection, Duration time_max, std::string why) {
        loop.cancel(connection->deadline);
        connection->deadline = loop.call_after(
            time_max, [this, weak = std::weak_ptr{connection}, why = std::move(why)] {
                if (const Pointer alive = weak.lock()) fail(alive, why);
            });
    }

    void want(Connection& connection, Readiness interest) {
        if (connection.interest.readable == interest.readable &&
            connection.interest.writable == interest.writable) {
            return;
        }
        connection.interest = interest;
        loop.set_interest(connection.fd, interest);
    }

    bool watch(const Pointer& connection, Readiness interest) {
        connection->interest = interest;
        return loop
            .watch_fd(connection->fd, interest,
                      [this, self = shared_from_this(), connection](Readiness ready) {
                          on_ready(connection, ready);
                      })
            .has_value();
    }

    static void tune(int fd) {
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        const unsigned unacknowledged_ms_max = 60'000;
        ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms_max,
                     sizeof unacknowledged_ms_max);
    }

    void on_listener() {
        for (int turn = 0; turn < 32 && listener >= 0; ++turn) {
            SocketAddress from;
            from.size = sizeof from.storage;
            const int fd =
                ::accept4(listener, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                    pause_listening(errno);
                }
                return;
            }
            accept(fd, from);
        }
    }

    /// Out of descriptors: a level-triggered listener would spin.
    void pause_listening(int error) {
        log_limited("accept", LogLevel::warn, "cannot accept connections",
                    {{"why", ::strerrordesc_np(error)}});
        loop.set_interest(listener, {});
        listen_again = loop.call_after(Duration{200}, [this] {
            if (listener >= 0) loop.set_interest(listener, {.readable = true});
        });
    }

    void accept(int fd, const SocketAddress& from) {
        const std::string host = from.host();
        std::size_t from_host = 0;
        for (const auto& [id, other] : connections) {
            if (other->inbound && other->host == host) ++from_host;
        }
        if (connections.size() >= limits.connections_max ||
            (from_host >= limits.connections_per_address_max && !from.is_loopback())) {
            ::close(fd);
            log_limited("accept-full", LogLevel::warn, "refused a connection: too many",
                        {{"address", from.text()}});
            return;
        }
        tune(fd);
        const Pointer connection = add(true, from.text(), limits.handshake_time_max);
        connection->host = host;
        connection->fd = fd;
        connection->session = tls.new_session(fd, true);
        connection->phase = Phase::handshaking;
        if (!watch(connection, {.readable = true})) fail(connection, "cannot watch the socket");
    }

    void start_connecting(const Pointer& connection) {
        while (connection->address_next < connection->addresses.size()) {
            const SocketAddress& address = connection->addresses[connection->address_next++];
            const int fd =
                ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (fd < 0) {
                connection->last_problem = ::strerrordesc_np(errno);
                continue;
            }
            if (::connect(fd, address.get(), address.size) != 0 && errno != EINPROGRESS) {
                connection->last_problem = ::strerrordesc_np(errno);
                ::close(fd);
                continue;
            }
            tune(fd);
            connection->fd = fd;
            connection->phase = Phase::connecting;
            if (watch(connection, {.writable = true})) return;
            connection->release();
        }
        fail(connection, "cannot connect to " + connection->endpoint + ": " +
                             (connection->last_problem.empty() ? "no address found"
                                                               : connection->last_problem));
    }

    void on_ready(const Pointer& connection, Readiness ready) {
        const auto self = shared_from_this();
        if (connection->phase == Phase::connecting) {
            on_connect_result(connection);
        } else if (connection->phase == Phase::handshaking) {
            handshake(connection);
        } else {
            if (ready.readable || connection->interest.writable) read(connection);
            if (connection->phase == Phase::open || connection->phase == Phase::flushing) {
                write(connection);
            }
        }
    }

    void on_connect_result(const Pointer& connection) {
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            connection->last_problem = ::strerrordesc_np(error);
            loop.unwatch_fd(connection->fd);
            connection->release();
            start_connecting(connection);
            return;
        }
        connection->phase = Phase::handshaking;
        connection->session = tls.new_session(connection->fd, false);
        handshake(connection);
    }

    void handshake(const Pointer& connection) {
        ERR_clear_error();
        const int result = SSL_do_handshake(connection->session);
        if (result != 1) {
            const int error = SSL_get_error(connection->session, result);
            if (error == SSL_ERROR_WANT_READ) return want(*connection, {.readable = true});
            if (error == SSL_ERROR_WANT_WRITE) return want(*connection, {.writable = true});
            fail(connection, error == SSL_ERROR_SSL
                                 ? "TLS handshake failed: " + tls_error_text()
                                 : std::string{"the other side closed during the handshake"});
            return;
        }
        const auto key = peer_key(connection->session);
        if (!key) return fail(connection, "the other side showed no ed25519 key");
        if (connection->expected && *connection->expected != *key) {
            return fail(connection, "the other side is not who it should be: expected node key " +
                                        to_hex(connection->expected->view()) + ", got " +
                                        to_hex(key->view()));
        }
        loop.cancel(connection->deadline);
        connection->key = *key;
        connection->phase = Phase::open;
        connection->announced = true;
        connection->received_last = loop.now();
        watch_idle(connection);
        want(*connection, {.readable = true});
        if (handlers.on_connected) {
            handlers.on_connected(connection->id, connection->key, connection->inbound);
        }
        // The other side's first message may have come in the same packet as its last handshake
        // message; OpenSSL reads no further than a record, so the socket still reports it.
    }

    void watch_idle(const Pointer& connection) {
        if (limits.idle_time_max.count() == 0) return;
        const Duration silent = loop.now() - connection->received_last;
        if (silent >= limits.idle_time_max) return fail(connection, "silent for too long");
        connection->idle_timer = loop.call_after(limits.idle_time_max - silent,
                                                 [this, weak = std::weak_ptr{connection}] {
                                                     if (const Pointer alive = weak.lock())
                                                         watch_idle(alive);
                                                 });
    }

    void read(const Pointer& connection) {
        std::array<std::uint8_t, record_size_max> buffer;
        std::size_t taken = 0;
        while (taken < read_turn_max && connection->phase != Phase::dead) {
            ERR_clear_error();
            const int count =
                SSL_read(connection->session, buffer.data(), static_cast<int>(buffer.size()));
            if (count <= 0) return on_read_end(connection, count);
            connection->received_last = loop.now();
            taken += static_cast<std::size_t>(count);
            if (connection->phase != Phase::open) continue;
            connection->frames.feed({buffer.data(), static_cast<std::size_t>(count)});
            deliver(connection);
        }
    }

    void on_read_end(const Pointer& connection, int count) {
        const int error = SSL_get_error(connection->session, count);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
        if (error == SSL_ERROR_ZERO_RETURN) return fail(connection, "closed by the other side");
        if (error == SSL_ERROR_SSL) {
            const std::string reason = tls_error_text();
            return fail(connection, reason == "unexpected eof while reading"
                                        ? "the other side is gone"
                                        : "TLS error: " + reason);
        }
        fail(connection, errno != 0 ? std::string{"connection lost: "} + ::strerrordesc_np(errno)
                                    : std::string{"the other side is gone"});
    }

    void deliver(const Pointer& connection) {
        while (connection->phase == Phase::open) {
            auto next = connection->frames.next();
            if (!next) {
                return fail(connection,
                            "the other side sent " + std::string{to_text(next.error())});
            }
            if (!next->has_value()) return;
            if (handlers.on_message) handlers.on_message(connection->id, std::move(**next));
        }
    }

    void write(const Pointer& connection) {
        std::size_t sent = 0;
        while (!connection->queue.empty() && sent < write_turn_max) {
            const Bytes& front = connection->queue.front();
            ERR_clear_error();
            const int count = SSL_write(connection->session, front.data() + connection->front_sent,
                                        static_cast<int>(front.size() - connection->front_sent));
            if (count <= 0) {
                const int error = SSL_get_error(connection->session, count);
                if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) break;
                return fail(connection, error == SSL_ERROR_SSL
                                            ? "TLS error: " + tls_error_text()
                                            : std::string{"the other side is gone"});
            }
            sent += static_cast<std::size_t>(count);
            connection->queued -= static_cast<std::size_t>(count);
            connection->front_sent += static_cast<std::size_t>(count);
            if (connection->front_sent == front.size()) {
                connection->queue.pop_front();
                connection->front_sent = 0;
            }
        }
        want(*connection, {.readable = true, .writable = !connection->queue.empty()});
        if (connection->phase == Phase::flushing && connection->queue.empty()) {
            ERR_clear_error();
            SSL_shutdown(connection->session);
            ::shutdown(connection->fd, SHUT_WR);
            connection->phase = Phase::draining;
            return;
        }
        if (connection->was_above && connection->queued < limits.writable_below) {
            connection->was_above = false;
            if (handlers.on_writable) handlers.on_writable(connection->id);
        }
    }
};

Transport::Transport(EventLoop& loop, const NodeKey& identity, Handlers handlers,
                     TransportLimits limits)
    : state_{std::make_shared<State>(loop, identity, std::move(handlers), limits)} {}

Transport::~Transport() {
    state_->shut();
}

Outcome<std::string> Transport::listen(const std::string& endpoint) {
    MILLRACE_TRY(const HostPort parsed, parse_endpoint(endpoint));
    if (state_->listener >= 0) return Err{Failure{"it listens already", endpoint, {}}};
    const auto addresses = resolve(parsed, true);
    if (addresses.empty()) {
        return Err{Failure{"cannot listen on a name", endpoint, "give an IP address and a port"}};
    }
    const SocketAddress& address = addresses.front();
    const int fd =
        ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return Err{system_failure("cannot make a socket", endpoint, errno)};
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    SocketAddress bound;
    bound.size = sizeof bound.storage;
    if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, 128) != 0 ||
        ::getsockname(fd, bound.get(), &bound.size) != 0) {
        const int error = errno;
        ::close(fd);
        return Err{system_failure("cannot listen", endpoint, error)};
    }
    auto watched = state_->loop.watch_fd(fd, {.readable = true}, [state = state_.get()](Readiness) {
        const auto self = state->shared_from_this();
        self->on_listener();
    });
    if (!watched) {
        ::close(fd);
        return Err{std::move(watched).error()};
    }
    state_->listener = fd;
    return bound.text();
}

void Transport::stop_listening() {
    state_->stop_listening();
}

Outcome<PeerId> Transport::connect(const std::string& endpoint, std::optional<Hash32> expected,
                                   Duration time_max) {
    MILLRACE_TRY(const HostPort target, parse_endpoint(endpoint));
    if (state_->connections.size() >= state_->limits.connections_max) {
        return Err{
            Failure{"too many connections are open", endpoint, "wait until others are closed"}};
    }
    const State::Pointer connection = state_->add(false, endpoint, time_max);
    connection->expected = expected;
    connection->addresses = resolve(target, true);
    const auto begin = [state = state_.get(), weak = std::weak_ptr{connection}] {
        const State::Pointer alive = weak.lock();
        if (alive && alive->phase == Phase::resolving) state->start_connecting(alive);
    };
    if (!connection->addresses.empty()) {
        state_->loop.call_after(Duration{0}, begin);
        return connection->id;
    }
    if (!state_->resolver) {
        state_->resolver = std::make_unique<ThreadPool>(state_->loop, ThreadPool::Size{1, 256});
    }
    const auto found = std::make_shared<std::vector<SocketAddress>>();
    const bool accepted =
        state_->resolver->submit([target, found] { *found = resolve(target, false); },
                                 [found, begin, weak = std::weak_ptr{connection}] {
                                     if (const State::Pointer alive = weak.lock())
                                         alive->addresses = std::move(*found);
                                     begin();
                                 });
    if (!accepted) state_->loop.call_after(Duration{0}, begin);
    return connection->id;
}

bool Transport::send(PeerId peer, const types::Message& message) {
    const auto found = state_->connections.find(peer);
    if (found == state_->connections.end() || found->second->phase != Phase::open) return false;
    Connection& connection = *found->second;
    Bytes frame = types::encode_frame(message);
    if (connection.queued + frame.size() > state_->limits.queued_bytes_max) return false;
    connection.queued += frame.size();
    connection.queue.push_back(std::move(frame));
    if (connection.queued >= state_->limits.writable_below) connection.was_above = true;
    state_->want(connection, {.readable = true, .writable = true});
    return true;
}

std::size_t Transport::queued_bytes(PeerId peer) const {
    const auto found = state_->connections.find(peer);
    return found == state_->connections.end() ? 0 : found->second->queued;
}

void Transport::close(PeerId peer) {
    const auto found = state_->connections.find(peer);
    if (found == state_->connections.end()) return;
    const State::Pointer connection = found->second;
    if (connection->phase == Phase::flushing || connection->phase == Phase::draining) return;
    if (connection->phase != Phase::open) {
        connection->announced = false;
        state_->end(*connection);
        state_->connections.erase(peer);
        return;
    }
    connection->phase = Phase::flushing;
    state_->loop.cancel(connection->idle_timer);
    state_->want(*connection, {.readable = true, .writable = true});
    state_->arm_deadline(connection, state_->limits.handshake_time_max, "did not take the rest");
}

std::optional<Hash32> Transport::key_of(PeerId peer) const {
    const auto found = state_->connections.find(peer);
    if (found == state_->connections.end() || found->second->phase != Phase::open) {
        return std::nullopt;
    }
    return found->second->key;
}

std::string Transport::address_of(PeerId peer) const {
    const auto found = state_->connections.find(peer);
    return found == state_->connections.end() ? std::string{} : found->second->endpoint;
}

std::size_t Transport::connection_count() const noexcept {
    return state_->connections.size();
}

}  // namespace millrace::io
