// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/failure.hpp"
#include "base/time.hpp"
#include "io/node_key.hpp"
#include "types/message.hpp"

namespace millrace::io {

class EventLoop;

using PeerId = std::uint64_t;  ///< one connection; never 0, never used twice

/// Bounds of one Transport. A peer over one of them is closed with the reason.
struct TransportLimits {
    std::size_t connections_max = 256;  ///< both directions, handshakes included
    std::size_t connections_per_address_max =
        64;                                    ///< inbound from one IP address; loopback excepted
    std::size_t queued_bytes_max = 64u << 20;  ///< unsent bytes of one peer; send() then refuses
    std::size_t writable_below = 4u << 20;     ///< on_writable is called when the queue falls below
    Duration handshake_time_max{10'000};
    Duration idle_time_max{0};  ///< nothing received for so long; 0: no limit
};

/// Mutually authenticated TLS 1.3 connections that carry types::Message frames.
///
/// Each side shows a self-signed certificate made from its ed25519 node key and proves it holds the
/// key; there is no authority and no name: the key is the identity, pinned by the caller with
/// `expected` (from the provider registry) or accepted and reported. Only TLS 1.3 and its AEAD
/// suites; no session tickets, no early data, no renegotiation.
///
/// What an attacker tries: endless or half-open handshakes (handshake_time_max, connections_max),
/// oversized or undecodable frames (FrameReader; the connection is closed), never reading what it
/// is sent (queued_bytes_max), a flood of frames (each turn of the loop takes at most 256 KiB from
/// one peer). Everything runs on the loop's thread. Handlers may call any function, also close().
class Transport {
  public:
    struct Handlers {
        /// The handshake is done; `key` is proven.
        std::function<void(PeerId, const Hash32& key, bool inbound)> on_connected{};
        std::function<void(PeerId, types::Message)> on_message{};
        /// Once per PeerId given out by connect() or on_connected; not after close().
        std::function<void(PeerId, const std::string& why)> on_closed{};
        /// The queue of a peer fell below writable_below after having been above.
        std::function<void(PeerId)> on_writable{};
    };

    Transport(EventLoop& loop, const NodeKey& identity, Handlers handlers,
              TransportLimits limits = {});
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    /// Closes everything without callbacks.
    ~Transport();

    /// "127.0.0.1:0", "[::1]:7000"; returns the bound endpoint with the real port.
    Outcome<std::string> listen(const std::string& endpoint);
    void stop_listening();

    /// Starts connecting; on_connected or on_closed follows on a later turn. `expected`: close
    /// unless the other side proves this key. Names are resolved on a thread of the transport's
    /// own.
    Outcome<PeerId> connect(const std::string& endpoint, std::optional<Hash32> expected,
                            Duration time_max);

    /// False when the peer is gone, not yet connected, or its queue is full.
    bool send(PeerId peer, const types::Message& message);
    /// Unsent bytes; 0 for a peer that is gone.
    [[nodiscard]] std::size_t queued_bytes(PeerId peer) const;
    /// Sends what is queued (within handshake_time_max), then closes. No on_closed follows.
    void close(PeerId peer);

    [[nodiscard]] std::optional<Hash32> key_of(PeerId peer) const;
    /// "192.0.2.1:4711"; empty for a peer that is gone.
    [[nodiscard]] std::string address_of(PeerId peer) const;
    [[nodiscard]] std::size_t connection_count() const noexcept;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace millrace::io
