// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/hash.hpp"

#include <openssl/evp.h>

#include <bit>

#include "base/assert.hpp"

namespace millrace::crypto {
namespace {

using KeccakState = std::array<std::uint64_t, 25>;

/// FIPS 202, 3.2.5: the round constants.
constexpr std::array<std::uint64_t, 24> round_constants = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

/// Rho's rotations and pi's destinations along the one cycle of 24 lanes that starts at lane 1.
constexpr std::array<int, 24> rotations = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                           27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
constexpr std::array<std::size_t, 24> lanes = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                               15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

/// Keccak-f[1600]. FIPS 202, 3.3.
void permute(KeccakState& state) noexcept {
    for (const std::uint64_t constant : round_constants) {
        std::array<std::uint64_t, 5> parity;
        for (std::size_t x = 0; x < 5; ++x) {
            parity[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20];
        }
        for (std::size_t x = 0; x < 5; ++x) {
            const std::uint64_t mixed = parity[(x + 4) % 5] ^ std::rotl(parity[(x + 1) % 5], 1);
            for (std::size_t y = 0; y < 25; y += 5)
                state[y + x] ^= mixed;
        }
        std::uint64_t carried = state[1];
        for (std::size_t step = 0; step < 24; ++step) {
            const std::uint64_t kept = state[lanes[step]];
            state[lanes[step]] = std::rotl(carried, rotations[step]);
            carried = kept;
        }
        for (std::size_t y = 0; y < 25; y += 5) {
            std::array<std::uint64_t, 5> row;
            for (std::size_t x = 0; x < 5; ++x)
                row[x] = state[y + x];
            for (std::size_t x = 0; x < 5; ++x) {
                state[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
            }
        }
        state[0] ^= constant;
    }
}

/// Rate of Keccak-256: 1600 bits less twice the 256-bit strength.
constexpr std::size_t rate = 136;

static_assert(std::endian::native == std::endian::little, "lanes are read in place");

void absorb(KeccakState& state, const std::uint8_t* block) noexcept {
    for (std::size_t index = 0; index < rate / 8; ++index) {
        std::uint64_t lane = 0;
        std::memcpy(&lane, block + index * 8, 8);
        state[index] ^= lane;
    }
    permute(state);
}

/// Looked up once: OpenSSL's search by name takes longer than hashing a short message.
const EVP_MD* fetch(const char* name) noexcept {
    const EVP_MD* const method = EVP_MD_fetch(nullptr, name, nullptr);
    MILLRACE_ASSERT(method != nullptr);
    return method;
}

template <typename Hash>
Hash digest(const EVP_MD* method, ByteView data) noexcept {
    Hash result;
    unsigned size = 0;
    const int made =
        EVP_Digest(data.data(), data.size(), result.bytes.data(), &size, method, nullptr);
    MILLRACE_ASSERT(made == 1);
    MILLRACE_ASSERT(size == Hash::size);
    return result;
}

}  // namespace

Hash32 keccak256(ByteView data) noexcept {
    KeccakState state{};
    while (data.size() >= rate) {
        absorb(state, data.data());
        data = data.subspan(rate);
    }
    std::array<std::uint8_t, rate> last{};
    if (!data.empty()) std::memcpy(last.data(), data.data(), data.size());
    last[data.size()] = 0x01;  // the padding from before FIPS 202, which has 0x06 here
    last[rate - 1] |= 0x80;
    absorb(state, last.data());
    Hash32 result;
    std::memcpy(result.bytes.data(), state.data(), result.bytes.size());
    return result;
}

Hash32 sha256(ByteView data) noexcept {
    static const EVP_MD* const method = fetch("SHA256");
    return digest<Hash32>(method, data);
}

Ripemd160Hash ripemd160(ByteView data) noexcept {
    static const EVP_MD* const method = fetch("RIPEMD160");
    return digest<Ripemd160Hash>(method, data);
}

struct Sha256::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();

    State() {
        MILLRACE_ASSERT(context != nullptr);
        start();
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }
    void start() noexcept {
        MILLRACE_ASSERT(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
    }
};

Sha256::Sha256() : state_{std::make_unique<State>()} {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(ByteView data) noexcept {
    MILLRACE_ASSERT(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

Hash32 Sha256::finish() noexcept {
    Hash32 result;
    unsigned size = 0;
    MILLRACE_ASSERT(EVP_DigestFinal_ex(state_->context, result.bytes.data(), &size) == 1);
    MILLRACE_ASSERT(size == result.bytes.size());
    state_->start();
    return result;
}

}  // namespace millrace::crypto
