// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/bytes.hpp"

namespace millrace::crypto {

using JobKey = FixedBytes<struct JobKeyTag, 32>;

/// XChaCha20 (libsodium) at a byte offset, so that any range of a blob can be opened alone.
/// Integrity comes from the blob's address, which is the Merkle root of the ciphertext. The nonce
/// is SHA-256("millrace-blob-v1" ‖ key ‖ label) cut to 24 bytes; a label is used for one content
/// only (the plaintext's root), so no key stream is ever used twice for different text.
void xor_stream(std::span<std::uint8_t> data, const JobKey& key, const Hash32& label,
                std::uint64_t offset) noexcept;

/// Sealed small box: XChaCha20-Poly1305 with a random 24-byte nonce in front.
Bytes seal(ByteView plaintext, const JobKey& key, ByteView nonce24);
std::optional<Bytes> open(ByteView sealed, const JobKey& key);

}  // namespace millrace::crypto
