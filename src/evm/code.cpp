// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/code.hpp"

#include "crypto/hash.hpp"

namespace millrace::evm {
namespace {
constexpr std::size_t padding_size = 33;
constexpr std::uint8_t jumpdest = 0x5b;
constexpr std::uint8_t push1 = 0x60;
constexpr std::uint8_t push32 = 0x7f;
}  // namespace

const Hash32 empty_code_hash =
    *fixed_from_hex<Hash32>("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

Code::Code(Bytes code) : Code{std::move(code), unhashed} {
    hash_ = crypto::keccak256(view());
}

Code::Code(Bytes code, Unhashed)
    : padded_{std::move(code)}, size_{padded_.size()}, jump_targets_(size_ / 64 + 1) {
    padded_.resize(size_ + padding_size);
    for (std::size_t at = 0; at < size_; ++at) {
        const std::uint8_t opcode = padded_[at];
        if (opcode == jumpdest) jump_targets_[at / 64] |= std::uint64_t{1} << (at % 64);
        if (opcode >= push1 && opcode <= push32) at += std::size_t{opcode} - push1 + 1;
    }
}

const CodePtr& Code::empty() {
    static const CodePtr code = make({});
    return code;
}

}  // namespace millrace::evm
