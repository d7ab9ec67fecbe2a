// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// What goes over a connection: frames out of TLS records and into them, each turn bounded.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "io/transport_state.hpp"

namespace millrace::io {
namespace {

constexpr std::size_t record_size_max = 16 * 1024;  ///< of TLS; SSL_read gives at most one
constexpr std::size_t read_turn_max = 256 * 1024;
constexpr std::size_t write_turn_max = 1u << 20;

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

void Transport::State::read(const Pointer& connection) {
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

void Transport::State::on_read_end(const Pointer& connection, int count) {
    const int error = SSL_get_error(connection->session, count);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    if (error == SSL_ERROR_ZERO_RETURN) return fail(connection, "closed by the other side");
    if (error == SSL_ERROR_SSL) {
        const std::string reason = tls_error_text();
        return fail(connection, reason == "unexpected eof while reading" ? "the other side is gone"
                                                                         : "TLS error: " + reason);
    }
    fail(connection, errno != 0 ? std::string{"connection lost: "} + ::strerrordesc_np(errno)
                                : std::string{"the other side is gone"});
}

void Transport::State::deliver(const Pointer& connection) {
    while (connection->phase == Phase::open) {
        auto next = connection->frames.next();
        if (!next) {
            return fail(connection, "the other side sent " + std::string{to_text(next.error())});
        }
        if (!next->has_value()) return;
        if (handlers.on_message) handlers.on_message(connection->id, std::move(**next));
    }
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

void Transport::State::write(const Pointer& connection) {
    std::size_t sent = 0;
    while (!connection->queue.empty() && sent < write_turn_max) {
        const Bytes& front = connection->queue.front();
        ERR_clear_error();
        const int count = SSL_write(connection->session, front.data() + connection->front_sent,
                                    static_cast<int>(front.size() - connection->front_sent));
        if (count <= 0) {
            const int error = SSL_get_error(connection->session, count);
            if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) break;
            return fail(connection, error == SSL_ERROR_SSL ? "TLS error: " + tls_error_text()
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

std::size_t Transport::queued_bytes(PeerId peer) const {
    const auto found = state_->connections.find(peer);
    return found == state_->connections.end() ? 0 : found->second->queued;
}

}  // namespace millrace::io
