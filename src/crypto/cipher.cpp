// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/cipher.hpp"

#include <sodium.h>

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::crypto {
namespace {

constexpr std::size_t block_size = 64;
constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;

void require_sodium() noexcept {
    // Picks the fastest implementations once; thread-safe, and 1 when it was done already.
    static const int ready = sodium_init();
    MILLRACE_ASSERT(ready >= 0);
}

}  // namespace

void xor_stream(std::span<std::uint8_t> data, const JobKey& key, const Hash32& label,
                std::uint64_t offset) noexcept {
    require_sodium();
    Sha256 hasher;
    hasher.update(as_bytes("millrace-blob-v1"));
    hasher.update(key.view());
    hasher.update(label.view());
    const Hash32 nonce = hasher.finish();
    static_assert(crypto_stream_xchacha20_NONCEBYTES == 24);

    const std::uint64_t within = offset % block_size;
    std::uint64_t block = offset / block_size;
    if (within != 0) {
        // A range that starts inside a block: that block through a buffer, the rest in place.
        std::array<std::uint8_t, block_size> buffer{};
        const std::size_t size =
            std::min<std::size_t>(data.size(), block_size - static_cast<std::size_t>(within));
        std::copy_n(data.begin(), size, buffer.begin() + static_cast<std::ptrdiff_t>(within));
        crypto_stream_xchacha20_xor_ic(buffer.data(), buffer.data(), buffer.size(),
                                       nonce.bytes.data(), block, key.bytes.data());
        std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(within), size, data.begin());
        data = data.subspan(size);
        ++block;
    }
    if (data.empty()) return;
    crypto_stream_xchacha20_xor_ic(data.data(), data.data(), data.size(), nonce.bytes.data(), block,
                                   key.bytes.data());
}

Bytes seal(ByteView plaintext, const JobKey& key, ByteView nonce24) {
    require_sodium();
    MILLRACE_ASSERT(nonce24.size() == nonce_size);
    Bytes sealed(nonce_size + plaintext.size() + tag_size);
    std::ranges::copy(nonce24, sealed.begin());
    unsigned long long size = 0;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + nonce_size, &size, plaintext.data(),
                                               plaintext.size(), nullptr, 0, nullptr,
                                               nonce24.data(), key.bytes.data());
    MILLRACE_ASSERT(size == plaintext.size() + tag_size);
    return sealed;
}

std::optional<Bytes> open(ByteView sealed, const JobKey& key) {
    require_sodium();
    if (sealed.size() < nonce_size + tag_size) return std::nullopt;
    Bytes plaintext(sealed.size() - nonce_size - tag_size);
    const ByteView body = sealed.subspan(nonce_size);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plaintext.data(), nullptr, nullptr, body.data(),
                                                   body.size(), nullptr, 0, sealed.data(),
                                                   key.bytes.data()) != 0) {
        return std::nullopt;
    }
    return plaintext;
}

}  // namespace millrace::crypto
