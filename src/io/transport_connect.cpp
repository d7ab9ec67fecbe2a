// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// How a connection comes to be: listening, accepting, connecting, and the TLS handshake after which
// it is known who is on the other side.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "io/files.hpp"
#include "io/log.hpp"
#include "io/transport_state.hpp"

namespace millrace::io {
namespace {

void tune(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    const unsigned unacknowledged_ms_max = 60'000;
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms_max,
                 sizeof unacknowledged_ms_max);
}

}  // namespace

// ---- listening ---------------------------------------------------------------------------------

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

void Transport::State::stop_listening() {
    if (listener < 0) return;
    loop.cancel(listen_again);
    loop.unwatch_fd(listener);
    ::close(listener);
    listener = -1;
}

void Transport::State::on_listener() {
    for (int turn = 0; turn < 32 && listener >= 0; ++turn) {
        SocketAddress from;
        from.size = sizeof from.storage;
        const int fd = ::accept4(listener, from.get(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                pause_listening(errno);
            }
            return;
        }
        accept(fd, from);
    }
}

void Transport::State::pause_listening(int error) {
    log_limited("accept", LogLevel::warn, "cannot accept connections",
                {{"why", ::strerrordesc_np(error)}});
    loop.set_interest(listener, {});
    listen_again = loop.call_after(Duration{200}, [this] {
        if (listener >= 0) loop.set_interest(listener, {.readable = true});
    });
}

void Transport::State::accept(int fd, const SocketAddress& from) {
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

// ---- connecting --------------------------------------------------------------------------------

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

void Transport::State::start_connecting(const Pointer& connection) {
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
    fail(connection,
         "cannot connect to " + connection->endpoint + ": " +
             (connection->last_problem.empty() ? "no address found" : connection->last_problem));
}

void Transport::State::on_connect_result(const Pointer& connection) {
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

// ---- who it is ---------------------------------------------------------------------------------

void Transport::State::handshake(const Pointer& connection) {
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

}  // namespace millrace::io
