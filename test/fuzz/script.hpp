// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/bytes.hpp"

/// The fuzzer's bytes as a script: each byte is a choice, and after the last one every choice is 0.
class Script {
  public:
    explicit Script(millrace::ByteView bytes) : bytes_{bytes} {}
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    std::uint8_t take() noexcept {
        if (bytes_.empty()) return 0;
        const std::uint8_t byte = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return byte;
    }

  private:
    millrace::ByteView bytes_;
};
