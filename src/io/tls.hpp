// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "io/node_key.hpp"

// Private to io/: only its .cpp files include this.
struct ssl_ctx_st;
struct ssl_st;

namespace millrace::io {

/// The TLS side of the transport: a context that shows a self-signed certificate of the node key,
/// speaks only TLS 1.3 with ed25519 signatures, asks the other side for its certificate, and takes
/// any ed25519 one. Who it is, the caller decides by peer_key().
class TlsContext {
  public:
    explicit TlsContext(const NodeKey& identity);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    /// A session on a connected socket, which stays the caller's.
    [[nodiscard]] ssl_st* new_session(int fd, bool inbound) const;

  private:
    ssl_ctx_st* context_ = nullptr;
};

/// After the handshake: the ed25519 key the other side proved.
std::optional<Hash32> peer_key(ssl_st* session);
/// The oldest error of OpenSSL's queue in words; the queue is empty afterwards.
std::string tls_error_text();

}  // namespace millrace::io
