// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/u256.hpp"

namespace millrace::evm {

inline constexpr std::size_t stack_items_max = 1024;

/// Stacks and memories of the frames that run, innermost last. A frame's stack begins right above
/// its caller's top, its memory right behind its caller's: what is hot stays hot, and nothing is
/// allocated once the arena has grown. Blocks never move, so that a callee may read its input in
/// its caller's memory; only the innermost frame's own memory moves, when its block is full.
class Arena {
  public:
    struct Position {
        std::size_t block = 0;
        std::size_t used = 0;
    };
    struct Mark {
        Position stack;
        Position memory;
    };

    /// What the frame that begins will give back by leave().
    [[nodiscard]] Mark enter() const noexcept { return {stack_, memory_}; }
    void leave(const Mark& mark) noexcept {
        stack_ = mark.stack;
        memory_ = mark.memory;
    }
    /// Once no frame runs: frees blocks that only an unusual caller needs.
    void trim();

    /// An empty stack: items go behind the place it points to, with room for stack_items_max.
    [[nodiscard]] U256* new_stack() {
        if (stacks_.empty() || stack_.used + 1 + stack_items_max > stack_block_items)
            next_stack_block();
        return stacks_[stack_.block].get() + stack_.used;
    }
    /// The newest item of the current frame's stack is *top: the next one begins behind it.
    void cut_stack(const U256* top) noexcept {
        stack_.used = static_cast<std::size_t>(top - stacks_[stack_.block].get());
    }

    /// Makes the innermost frame's memory `size_new` bytes long, the new ones zero. `memory` is
    /// null at first; returns where it is now.
    [[nodiscard]] std::uint8_t* grow_memory(std::uint8_t* memory, std::size_t size_old,
                                            std::size_t size_new) {
        const std::size_t more = size_new - size_old;
        if (memory == nullptr || memory_.used + more > memories_[memory_.block].size)
            memory = move_memory(memory, size_old, size_new);
        else
            memory_.used += more;
        if (more <= 64) {  // as most: a loop is faster than a call
            for (std::size_t offset = 0; offset < more; offset += 32)
                std::memset(memory + size_old + offset, 0, 32);
        } else {
            std::memset(memory + size_old, 0, more);
        }
        return memory;
    }

  private:
    static constexpr std::size_t stack_block_items = 8 * stack_items_max;  // 256 KiB
    static constexpr std::size_t memory_block_bytes = std::size_t{1} << 20;
    static constexpr std::size_t memory_kept_bytes = std::size_t{16} << 20;

    struct MemoryBlock {
        std::unique_ptr<std::uint8_t[]> bytes;
        std::size_t size = 0;
    };

    void next_stack_block();
    std::uint8_t* move_memory(std::uint8_t* memory, std::size_t size_old, std::size_t size_new);

    std::vector<std::unique_ptr<U256[]>> stacks_;
    std::vector<MemoryBlock> memories_;
    Position stack_;
    Position memory_;
};

}  // namespace millrace::evm
