// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/arena.hpp"

#include <algorithm>

#include "evm/machine.hpp"

namespace millrace::evm {

std::shared_ptr<Arena> make_arena() {
    return std::make_shared<Arena>();
}

void Arena::next_stack_block() {
    if (!stacks_.empty()) ++stack_.block;
    if (stack_.block == stacks_.size())
        stacks_.push_back(std::make_unique<U256[]>(stack_block_items));
    stack_.used = 0;
}

std::uint8_t* Arena::move_memory(std::uint8_t* memory, std::size_t size_old, std::size_t size_new) {
    // A frame that has no memory yet may begin in its caller's block.
    if (memory == nullptr && !memories_.empty() &&
        memory_.used + size_new <= memories_[memory_.block].size) {
        std::uint8_t* const start = memories_[memory_.block].bytes.get() + memory_.used;
        memory_.used += size_new;
        return start;
    }
    const std::size_t block = memories_.empty() ? 0 : memory_.block + 1;
    if (block == memories_.size()) memories_.emplace_back();
    MemoryBlock& target = memories_[block];
    if (target.size < size_new) {
        target.size = std::max(memory_block_bytes, 2 * size_new);
        target.bytes = std::make_unique_for_overwrite<std::uint8_t[]>(target.size);
    }
    if (size_old != 0) std::memcpy(target.bytes.get(), memory, size_old);
    memory_ = {block, size_new};
    return target.bytes.get();
}

void Arena::trim() {
    std::size_t total = 0;
    for (std::size_t index = 0; index < memories_.size(); ++index) {
        total += memories_[index].size;
        if (total > memory_kept_bytes) {
            memories_.resize(index);
            break;
        }
    }
}

}  // namespace millrace::evm
