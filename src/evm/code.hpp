// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "evm/host.hpp"

namespace millrace::evm {

/// Code and what the interpreter needs to run it: padded with zeros so that no instruction reads
/// past the end, one bit per byte that may be jumped to, and a copy in which tokens stand for
/// sequences (evm/fusion.hpp). Immutable.
class Code {
  public:
    explicit Code(Bytes code);
    /// For init code, which runs once: without its hash and without tokens.
    struct Unhashed {};
    static constexpr Unhashed unhashed{};
    Code(Bytes code, Unhashed);

    /// As deployed, without the padding.
    [[nodiscard]] ByteView view() const noexcept { return {padded_.data(), size_}; }
    /// view().size() + 33 readable bytes at least, the rest STOP.
    [[nodiscard]] const std::uint8_t* padded() const noexcept { return padded_.data(); }
    /// As long as padded(), offset for offset the same but for opcodes: tokens of evm/fusion.hpp,
    /// and unknown_opcode for bytes that would be taken for one.
    [[nodiscard]] const std::uint8_t* program() const noexcept { return program_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool is_jump_target(std::size_t offset) const noexcept {
        return offset < size_ && ((jump_targets_[offset / 64] >> (offset % 64)) & 1) != 0;
    }
    /// keccak256(view()); zero when constructed as Unhashed.
    [[nodiscard]] const Hash32& hash() const noexcept { return hash_; }

    static CodePtr make(Bytes code) { return std::make_shared<const Code>(std::move(code)); }
    /// The one empty code.
    static const CodePtr& empty();

  private:
    void fuse();

    Bytes padded_;
    Bytes program_;
    std::size_t size_;
    std::vector<std::uint64_t> jump_targets_;
    Hash32 hash_;
};

/// keccak256 of nothing: the code hash of an account without code.
extern const Hash32 empty_code_hash;

}  // namespace millrace::evm
