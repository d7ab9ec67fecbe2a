// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// For machines that the check of portability has no OpenSSL for: the few calls that crypto/hash.cpp
// makes, for SHA-256 (FIPS 180-4) alone. Nothing but test/portability is built with it; that its
// results equal those of builds with OpenSSL is part of what is checked.

struct EVP_MD {};
struct ENGINE;
struct OSSL_LIB_CTX;

struct EVP_MD_CTX {
    std::array<std::uint32_t, 8> state{};
    std::array<std::uint8_t, 64> block{};
    std::uint64_t size = 0;

    void start() {
        state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
        size = 0;
    }
    void take(std::uint8_t byte) {
        block[size++ % 64] = byte;
        if (size % 64 == 0) mix();
    }
    void finish(unsigned char* out) {
        const std::uint64_t bits = size * 8;
        take(0x80);
        while (size % 64 != 56)
            take(0);
        for (int shift = 56; shift >= 0; shift -= 8)
            take(static_cast<std::uint8_t>(bits >> shift));
        for (std::size_t index = 0; index < 32; ++index)
            out[index] = static_cast<unsigned char>(state[index / 4] >> (24 - 8 * (index % 4)));
    }

  private:
    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    static constexpr std::uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};

    void mix() {
        std::uint32_t words[64];
        for (std::size_t index = 0; index < 16; ++index) {
            words[index] = std::uint32_t{block[4 * index]} << 24 |
                           std::uint32_t{block[4 * index + 1]} << 16 |
                           std::uint32_t{block[4 * index + 2]} << 8 | block[4 * index + 3];
        }
        for (std::size_t index = 16; index < 64; ++index) {
            const std::uint32_t a = words[index - 15];
            const std::uint32_t b = words[index - 2];
            words[index] = words[index - 16] + words[index - 7] +
                           (std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3)) +
                           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10));
        }
        auto [a, b, c, d, e, f, g, h] = state;
        for (std::size_t index = 0; index < 64; ++index) {
            const std::uint32_t first = h +
                                        (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                                        ((e & f) ^ (~e & g)) + constants[index] + words[index];
            const std::uint32_t second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) +
                                         ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + first;
            d = c;
            c = b;
            b = a;
            a = first + second;
        }
        const std::uint32_t added[8] = {a, b, c, d, e, f, g, h};
        for (std::size_t index = 0; index < 8; ++index)
            state[index] += added[index];
    }
};

inline const EVP_MD* EVP_sha256() {
    static const EVP_MD method;
    return &method;
}
/// Another method than SHA-256 is nothing that floors F0 to F3 of the engine ask for.
inline const EVP_MD* EVP_MD_fetch(OSSL_LIB_CTX*, const char* name, const char*) {
    if (std::strcmp(name, "SHA256") != 0) std::abort();
    return EVP_sha256();
}
inline EVP_MD_CTX* EVP_MD_CTX_new() {
    return new EVP_MD_CTX;
}
inline void EVP_MD_CTX_free(EVP_MD_CTX* context) {
    delete context;
}
inline int EVP_DigestInit_ex(EVP_MD_CTX* context, const EVP_MD*, ENGINE*) {
    context->start();
    return 1;
}
inline int EVP_DigestUpdate(EVP_MD_CTX* context, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    for (std::size_t index = 0; index < size; ++index)
        context->take(bytes[index]);
    return 1;
}
inline int EVP_DigestFinal_ex(EVP_MD_CTX* context, unsigned char* out, unsigned* size) {
    context->finish(out);
    if (size != nullptr) *size = 32;
    return 1;
}
inline int EVP_Digest(const void* data, std::size_t size, unsigned char* out, unsigned* out_size,
                      const EVP_MD* method, ENGINE* engine) {
    EVP_MD_CTX context;
    EVP_DigestInit_ex(&context, method, engine);
    EVP_DigestUpdate(&context, data, size);
    return EVP_DigestFinal_ex(&context, out, out_size);
}
