// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <string>

#include "base/bytes.hpp"
#include "base/failure.hpp"

namespace millrace::io {

/// The ed25519 key of a node: who it is on the transport. Its public half stands in the provider
/// registry, so a connection proves whom one speaks to. Wiped when destroyed; never printed.
class NodeKey {
  public:
    static NodeKey generate();
    /// From the 32-byte seed of RFC 8032.
    static NodeKey from_seed(const std::array<std::uint8_t, 32>& seed);
    /// Reads `path`, or creates it with a fresh key (mode 0600, PKCS#8 PEM as OpenSSL writes it).
    /// Refuses a file that others may read.
    static Outcome<NodeKey> load_or_create(const std::string& path);

    NodeKey(const NodeKey&) noexcept;
    NodeKey& operator=(const NodeKey&) noexcept;
    ~NodeKey();

    [[nodiscard]] const Hash32& public_key() const noexcept { return public_key_; }
    [[nodiscard]] ByteView seed() const noexcept { return seed_; }

  private:
    NodeKey() = default;
    std::array<std::uint8_t, 32> seed_{};
    Hash32 public_key_;
};

}  // namespace millrace::io
