// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/precompiles.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "crypto/p256.hpp"
#include "crypto/secp256k1.hpp"
#include "evm/blake2f.hpp"
#include "evm/bn254.hpp"
#include "evm/modexp.hpp"

namespace millrace::evm {
namespace {

using Status = PrecompileResult::Status;

/// Addresses are told by their last two bytes; all others are 0.
constexpr unsigned p256_verify_number = 0x100;

constexpr Address address_of(unsigned number) noexcept {
    Address address;
    address.bytes[18] = static_cast<std::uint8_t>(number >> 8);
    address.bytes[19] = static_cast<std::uint8_t>(number & 0xff);
    return address;
}

/// In the order in which upgrades brought them, which is ascending.
constexpr std::array<Address, 18> addresses = [] {
    std::array<Address, 18> all;
    for (unsigned number = 1; number <= 17; ++number)
        all[number - 1] = address_of(number);
    all[17] = address_of(p256_verify_number);
    return all;
}();

constexpr std::size_t count_at(Revision revision) noexcept {
    if (revision >= Revision::osaka) return 18;
    if (revision >= Revision::prague) return 17;
    if (revision >= Revision::cancun) return 10;
    if (revision >= Revision::istanbul) return 9;
    if (revision >= Revision::byzantium) return 8;
    return 4;
}

/// 0 when it is none of any upgrade.
unsigned number_of(const Address& address) noexcept {
    const auto& bytes = address.bytes;
    const bool is_low =
        std::all_of(bytes.begin(), bytes.begin() + 18, [](std::uint8_t byte) { return byte == 0; });
    if (!is_low) return 0;
    const unsigned number = static_cast<unsigned>(bytes[18]) << 8 | bytes[19];
    return number <= 17 || number == p256_verify_number ? number : 0;
}

PrecompileResult failure(Status status) {
    return {.status = status, .gas_left = 0, .output = {}};
}

std::int64_t by_words(ByteView input, std::int64_t base, std::int64_t per_word) noexcept {
    return base + per_word * static_cast<std::int64_t>((input.size() + 31) / 32);
}

/// The first N bytes, with zeros for what is missing.
template <std::size_t N>
std::array<std::uint8_t, N> padded(ByteView input) noexcept {
    std::array<std::uint8_t, N> result{};
    std::copy_n(input.begin(), std::min(input.size(), N), result.begin());
    return result;
}

Bytes number_word(std::uint8_t number) {
    Bytes output(32, 0);
    output[31] = number;
    return output;
}

Hash32 word(ByteView bytes, std::size_t index) noexcept {
    return *Hash32::from(bytes.subspan(32 * index, 32));
}

/// Yellow Paper, appendix E.1: hash, v, r, s to an address in a word; nothing when there is none.
Bytes recover_signer(ByteView input) {
    const auto words = padded<128>(input);
    const U256 v = load_word(words.data() + 32);
    if (v != U256{27} && v != U256{28}) return {};
    crypto::Signature signature;
    std::copy_n(words.begin() + 64, 64, signature.bytes.begin());
    signature.bytes[64] = static_cast<std::uint8_t>(v.words[0]);
    const auto signer = crypto::recover_any_s(word(words, 0), signature);
    if (!signer) return {};
    Bytes output(32, 0);
    std::ranges::copy(signer->bytes, output.begin() + 12);
    return output;
}

Bytes ripemd160_word(ByteView input) {
    Bytes output(32, 0);
    std::ranges::copy(crypto::ripemd160(input).bytes, output.begin() + 12);
    return output;
}

/// EIP-7951: a word that is 1, or nothing.
Bytes verify_p256(ByteView input) {
    if (input.size() != 160) return {};
    if (!crypto::p256_verify({.digest = word(input, 0),
                              .r = word(input, 1),
                              .s = word(input, 2),
                              .x = word(input, 3),
                              .y = word(input, 4)})) {
        return {};
    }
    return number_word(1);
}

/// EIP-152: rounds (big-endian), h, m, t (little-endian words), the final flag.
PrecompileResult run_blake2f(ByteView input, std::int64_t gas) {
    constexpr std::size_t input_size = 213;
    if (input.size() != input_size || input[212] > 1) return failure(Status::failed);
    Blake2fBlock block;
    block.round_count = static_cast<std::uint32_t>(u256_from_big_endian(input.first(4))->words[0]);
    if (block.round_count > gas) return failure(Status::out_of_gas);
    std::memcpy(block.state.data(), input.data() + 4, 64);
    std::memcpy(block.message.data(), input.data() + 68, 128);
    std::memcpy(block.offset.data(), input.data() + 196, 16);
    block.is_final = input[212] == 1;
    const auto state = blake2f(block);
    Bytes output(64);
    std::memcpy(output.data(), state.data(), 64);
    return {.gas_left = gas - block.round_count, .output = std::move(output)};
}

/// EIP-196 and EIP-197, cheaper since EIP-1108.
PrecompileResult run_bn254(unsigned number, Revision revision, ByteView input, std::int64_t gas) {
    const bool is_cheap = revision >= Revision::istanbul;
    std::int64_t cost = is_cheap ? 150 : 500;
    if (number == 7) cost = is_cheap ? 6000 : 40'000;
    if (number == 8) {
        const auto pairs = static_cast<std::int64_t>(input.size() / bn254::pair_size);
        cost = is_cheap ? 45'000 + 34'000 * pairs : 100'000 + 80'000 * pairs;
    }
    if (cost > gas) return failure(Status::out_of_gas);
    std::optional<Bytes> output;
    if (number == 6) output = bn254::add(input);
    if (number == 7) output = bn254::multiply(input);
    if (number == 8) {
        if (const auto is_one = bn254::check_pairing(input)) output = number_word(*is_one ? 1 : 0);
    }
    if (!output) return failure(Status::failed);
    return {.gas_left = gas - cost, .output = std::move(*output)};
}

/// For those whose price depends on the input's size only, and that cannot fail.
template <typename Function>
PrecompileResult priced(std::int64_t cost, std::int64_t gas, Function&& run) {
    if (cost > gas) return failure(Status::out_of_gas);
    return {.gas_left = gas - cost, .output = run()};
}

}  // namespace

bool is_precompile(Revision revision, const Address& address) noexcept {
    const unsigned number = number_of(address);
    if (number == 0) return false;
    const std::size_t count = count_at(revision);
    return number == p256_verify_number ? count == addresses.size() : number <= count;
}

std::span<const Address> precompile_addresses(Revision revision) noexcept {
    return std::span{addresses}.first(count_at(revision));
}

PrecompileResult run_precompile(Revision revision, const Address& address, ByteView input,
                                std::int64_t gas) {
    MILLRACE_ASSERT(is_precompile(revision, address));
    MILLRACE_ASSERT(gas >= 0);
    const unsigned number = number_of(address);
    switch (number) {
        case 1:
            return priced(3000, gas, [&] { return recover_signer(input); });
        case 2:
            return priced(by_words(input, 60, 12), gas,
                          [&] { return to_bytes(crypto::sha256(input).view()); });
        case 3:
            return priced(by_words(input, 600, 120), gas, [&] { return ripemd160_word(input); });
        case 4:
            return priced(by_words(input, 15, 3), gas, [&] { return to_bytes(input); });
        case 5:
            return run_modexp(revision, input, gas);
        case 6:
        case 7:
        case 8:
            return run_bn254(number, revision, input, gas);
        case 9:
            return run_blake2f(input, gas);
        case p256_verify_number:
            return priced(6900, gas, [&] { return verify_p256(input); });
        default:
            return failure(Status::not_supported);
    }
}

}  // namespace millrace::evm
