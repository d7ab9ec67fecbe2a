// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/code.hpp"

#include "crypto/hash.hpp"
#include "evm/fusion.hpp"

namespace millrace::evm {
namespace {
constexpr std::size_t padding_size = 33;

constexpr FusedSequence sequences[] = {
#define MILLRACE_FUSION(name, ...) fused::name,
    MILLRACE_EVM_FUSIONS(MILLRACE_FUSION)
#undef MILLRACE_FUSION
};
constexpr std::size_t sequence_count = std::size(sequences);

/// By first opcode: where its sequences begin in `order`, longer ones before shorter ones.
struct SequenceIndex {
    std::array<std::uint8_t, sequence_count> order{};
    std::array<std::uint8_t, 257> begin{};

    consteval SequenceIndex() {
        std::size_t count = 0;
        for (unsigned first = 0; first < 256; ++first) {
            begin[first] = static_cast<std::uint8_t>(count);
            for (std::size_t length = FusedSequence::length_max; length > 1; --length) {
                for (std::size_t index = 0; index < sequence_count; ++index) {
                    const FusedSequence& it = sequences[index];
                    if (static_cast<unsigned>(it.opcodes[0]) == first && it.length == length)
                        order[count++] = static_cast<std::uint8_t>(index);
                }
            }
        }
        begin[256] = static_cast<std::uint8_t>(count);
    }
};
constexpr SequenceIndex sequence_index;

/// Whether the sequence stands at `at` and may be run as one.
bool stands_at(const FusedSequence& sequence, const Code& code, std::size_t at) noexcept {
    if (sequence.size > code.size() - at) return false;
    const std::uint8_t* next = code.padded() + at;
    for (std::size_t index = 0; index < sequence.length; ++index) {
        const Opcode opcode = sequence.opcodes[index];
        if (*next != static_cast<std::uint8_t>(opcode)) return false;
        const bool is_jump = opcode == Opcode::jump || opcode == Opcode::jumpi;
        if (is_jump && index > 0 && sequence.opcodes[index - 1] == Opcode::push2) {
            const auto target = static_cast<std::size_t>(next[-2]) << 8 | next[-1];
            if (!code.is_jump_target(target)) return false;
        }
        next += 1 + push_size(*next);
    }
    return true;
}
}  // namespace

const Hash32 empty_code_hash =
    *fixed_from_hex<Hash32>("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");

Code::Code(Bytes code) : Code{std::move(code), unhashed} {
    hash_ = crypto::keccak256(view());
    fuse();
}

Code::Code(Bytes code, Unhashed)
    : padded_{std::move(code)}, size_{padded_.size()}, jump_targets_(size_ / 64 + 1) {
    padded_.resize(size_ + padding_size);
    program_ = padded_;
    for (std::size_t at = 0; at < size_; ++at) {
        const std::uint8_t opcode = padded_[at];
        if (opcode == static_cast<std::uint8_t>(Opcode::jumpdest))
            jump_targets_[at / 64] |= std::uint64_t{1} << (at % 64);
        if (is_fusion(opcode)) program_[at] = unknown_opcode;
        at += push_size(opcode);
    }
}

void Code::fuse() {
    for (std::size_t at = 0; at < size_; ++at) {
        const std::uint8_t opcode = padded_[at];
        for (std::size_t index = sequence_index.begin[opcode];
             index < sequence_index.begin[opcode + 1U]; ++index) {
            const FusedSequence& sequence = sequences[sequence_index.order[index]];
            if (!stands_at(sequence, *this, at)) continue;
            program_[at] = static_cast<std::uint8_t>(sequence.token);
            break;
        }
        at += push_size(opcode);
    }
}

const CodePtr& Code::empty() {
    static const CodePtr code = make({});
    return code;
}

}  // namespace millrace::evm
