// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/transport.hpp"

#include <openssl/ssl.h>
#include <unistd.h>

#include <utility>

#include "io/log.hpp"
#include "io/transport_state.hpp"

namespace millrace::io {

void Connection::release() {
    if (session != nullptr) SSL_free(session);
    if (fd >= 0) ::close(fd);
    session = nullptr;
    fd = -1;
}

Transport::State::Pointer Transport::State::add(bool inbound, std::string endpoint,
                                                Duration time_max) {
    auto connection = std::make_shared<Connection>();
    connection->id = ++id_last;
    connection->inbound = inbound;
    connection->announced = !inbound;
    connection->endpoint = std::move(endpoint);
    connections.emplace(connection->id, connection);
    arm_deadline(connection, time_max, "the connection was not ready in time");
    return connection;
}

void Transport::State::arm_deadline(const Pointer& connection, Duration time_max, std::string why) {
    loop.cancel(connection->deadline);
    connection->deadline =
        loop.call_after(time_max, [this, weak = std::weak_ptr{connection}, why = std::move(why)] {
            if (const Pointer alive = weak.lock()) fail(alive, why);
        });
}

void Transport::State::watch_idle(const Pointer& connection) {
    if (limits.idle_time_max.count() == 0) return;
    const Duration silent = loop.now() - connection->received_last;
    if (silent >= limits.idle_time_max) return fail(connection, "silent for too long");
    connection->idle_timer =
        loop.call_after(limits.idle_time_max - silent, [this, weak = std::weak_ptr{connection}] {
            if (const Pointer alive = weak.lock()) watch_idle(alive);
        });
}

bool Transport::State::watch(const Pointer& connection, Readiness interest) {
    connection->interest = interest;
    return loop
        .watch_fd(connection->fd, interest,
                  [this, self = shared_from_this(), connection](Readiness ready) {
                      on_ready(connection, ready);
                  })
        .has_value();
}

void Transport::State::want(Connection& connection, Readiness interest) {
    if (connection.interest.readable == interest.readable &&
        connection.interest.writable == interest.writable) {
        return;
    }
    connection.interest = interest;
    loop.set_interest(connection.fd, interest);
}

void Transport::State::on_ready(const Pointer& connection, Readiness ready) {
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

void Transport::State::fail(const Pointer& connection, const std::string& why) {
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

void Transport::State::end(Connection& connection) {
    connection.phase = Phase::dead;
    loop.cancel(connection.deadline);
    loop.cancel(connection.idle_timer);
    if (connection.fd >= 0) loop.unwatch_fd(connection.fd);
    connection.release();
    connection.queue.clear();
    connection.queued = 0;
}

void Transport::State::shut() {
    stop_listening();
    resolver.reset();
    for (const auto& [id, connection] : connections)
        end(*connection);
    connections.clear();
}

Transport::Transport(EventLoop& loop, const NodeKey& identity, Handlers handlers,
                     TransportLimits limits)
    : state_{std::make_shared<State>(loop, identity, std::move(handlers), limits)} {}

Transport::~Transport() {
    state_->shut();
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
