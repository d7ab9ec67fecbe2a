// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <string>

#include "wasm/validator.hpp"

namespace millrace::wasm::validation {

void Validator::enter(std::uint8_t opcode, const BlockType& type) {
    if (frames_.size() > nesting_max) {
        reader_.over_limit("more than " + std::to_string(nesting_max) + " nested blocks");
        return;
    }
    frames_.push_back({.opcode = opcode,
                       .is_unreachable = false,
                       .height = static_cast<std::uint32_t>(stack_.size()),
                       .type = type});
    push_all(type.params);
}

BlockType Validator::leave() {
    const BlockType type = frames_.back().type;
    pop_all(type.results);
    if (!failed_ && stack_.size() != frames_.back().height) mismatch();
    return type;
}

void Validator::set_unreachable() {
    while (stack_.size() > frames_.back().height)
        pop_any();
    frames_.back().is_unreachable = true;
}

const Frame* Validator::label_frame(std::uint32_t depth) {
    if (failed_) return nullptr;
    if (depth >= frames_.size()) {
        invalid("unknown label " + std::to_string(depth));
        return nullptr;
    }
    return &frames_[frames_.size() - 1 - depth];
}

std::optional<BlockType> Validator::read_block_type() {
    const std::size_t start = reader_.offset();
    const std::uint8_t first = reader_.peek();
    // A single byte with bit 6 set is a value type or the empty type; specification 5.4.1.
    if ((first & 0xc0U) == 0x40 && first != 0x40) {
        const ValueType type = read_value_type(reader_);
        if (failed_) return std::nullopt;
        return block_type(module_, static_cast<std::int64_t>(type) - 0x80);
    }
    const std::int64_t value = reader_.s33();
    if (failed_) return std::nullopt;
    const auto type = block_type(module_, value);
    if (!type) {
        reader_.fail_at(start, value < 0 ? ModuleErrorKind::malformed : ModuleErrorKind::invalid,
                        value < 0 ? "malformed block type" : "unknown type in a block");
    }
    return type;
}

void Validator::branch_table() {
    const std::uint32_t number = reader_.u32();
    if (failed_) return;
    if (number > reader_.remaining()) {
        reader_.malformed("unexpected end in br_table");
        return;
    }
    if (number > branch_targets_max) {
        reader_.over_limit("a br_table has more than " + std::to_string(branch_targets_max) +
                           " targets");
        return;
    }
    targets_.clear();
    for (std::uint32_t index = 0; index <= number && !failed_; ++index)
        targets_.push_back(reader_.u32());
    if (failed_) return;
    pop(ValueType::i32);
    const Frame* last = label_frame(targets_.back());
    if (last == nullptr) return;
    const std::size_t arity = last->label().size();
    for (const std::uint32_t depth : targets_) {
        const Frame* frame = label_frame(depth);
        if (frame == nullptr) return;
        if (frame->label().size() != arity) return mismatch();
        check_top(frame->label());
        if (failed_) return;
    }
    pop_all(last->label());
    set_unreachable();
}

void Validator::call(const FuncType& type) {
    pop_all(type.params);
    if (!failed_) push_all(type.results);
}

void Validator::tail_call(const FuncType& type) {
    const auto results = frames_.front().type.results;
    count_wide(results.size());
    if (!std::ranges::equal(type.results, results)) return mismatch();
    pop_all(type.params);
    set_unreachable();
}

}  // namespace millrace::wasm::validation
