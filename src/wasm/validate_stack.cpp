// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/validator.hpp"

namespace millrace::wasm::validation {

void Validator::count_wide(std::size_t operands) {
    if (operands <= 16) return;
    wide_operands_ += operands - 16;
    if (wide_operands_ > wide_operands_max)
        reader_.over_limit("instructions take and give too many operands in all");
}

void Validator::push_all(std::span<const ValueType> types) {
    count_wide(types.size());
    for (const ValueType type : types) {
        push(type);
        if (failed_) return;
    }
}

void Validator::pop_all(std::span<const ValueType> types) {
    count_wide(types.size());
    for (std::size_t left = types.size(); left > 0 && !failed_; --left)
        pop(types[left - 1]);
}

void Validator::check_top(std::span<const ValueType> types) {
    count_wide(types.size());
    const Frame& frame = frames_.back();
    std::size_t position = stack_.size();
    for (std::size_t left = types.size(); left > 0 && !failed_; --left) {
        if (position == frame.height) {
            if (!frame.is_unreachable) mismatch();
            return;
        }
        const Slot actual = stack_[--position];
        if (actual != unknown && actual != slot(types[left - 1])) mismatch();
    }
}

}  // namespace millrace::wasm::validation
