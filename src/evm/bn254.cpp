// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/bn254.hpp"

#include <algorithm>
#include <vector>

#include "evm/bn254_pairing.hpp"

namespace millrace::evm::bn254 {
namespace {

/// The first N bytes, with zeros for what is missing.
template <std::size_t N>
std::array<std::uint8_t, N> padded(ByteView input) noexcept {
    std::array<std::uint8_t, N> result{};
    std::copy_n(input.begin(), std::min(input.size(), N), result.begin());
    return result;
}

std::optional<G1> read_g1(ByteView bytes) noexcept {
    const auto x = Fp::from_bytes(bytes.first(32));
    const auto y = Fp::from_bytes(bytes.subspan(32, 32));
    if (!x || !y) return std::nullopt;
    const G1 point{*x, *y};
    if (!point.is_on_curve(curve_b)) return std::nullopt;
    return point;
}

std::optional<Fp2<Fp>> read_fp2(ByteView bytes) noexcept {
    const auto imaginary = Fp::from_bytes(bytes.first(32));
    const auto real = Fp::from_bytes(bytes.subspan(32, 32));
    if (!imaginary || !real) return std::nullopt;
    return Fp2<Fp>{*real, *imaginary};
}

std::optional<G2> read_g2(ByteView bytes) noexcept {
    const auto x = read_fp2(bytes.first(64));
    const auto y = read_fp2(bytes.subspan(64, 64));
    if (!x || !y) return std::nullopt;
    const G2 point{*x, *y};
    if (!is_in_subgroup(point)) return std::nullopt;
    return point;
}

Bytes write(const JacobianPoint<Fp>& point) {
    const G1 affine = point.to_affine();
    Bytes output(64);
    affine.x.write_bytes(output.data());
    affine.y.write_bytes(output.data() + 32);
    return output;
}

}  // namespace

std::optional<Bytes> add(ByteView input) {
    const auto bytes = padded<128>(input);
    const auto left = read_g1(ByteView{bytes}.first(64));
    const auto right = read_g1(ByteView{bytes}.subspan(64));
    if (!left || !right) return std::nullopt;
    return write(JacobianPoint<Fp>::from(*left) + JacobianPoint<Fp>::from(*right));
}

std::optional<Bytes> multiply(ByteView input) {
    const auto bytes = padded<96>(input);
    const auto point = read_g1(ByteView{bytes}.first(64));
    if (!point) return std::nullopt;
    const U256 scalar = load_word(bytes.data() + 64);
    return write(JacobianPoint<Fp>::from(*point).times(scalar.words));
}

std::optional<bool> check_pairing(ByteView input) {
    if (input.size() % pair_size != 0) return std::nullopt;
    std::vector<Pair> pairs;
    pairs.reserve(input.size() / pair_size);
    for (std::size_t offset = 0; offset < input.size(); offset += pair_size) {
        const ByteView bytes = input.subspan(offset, pair_size);
        const auto first = read_g1(bytes.first(64));
        const auto second = read_g2(bytes.subspan(64));
        if (!first || !second) return std::nullopt;
        pairs.push_back({*first, *second});
    }
    return pairing_is_one(pairs);
}

}  // namespace millrace::evm::bn254
