// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/watch.hpp"

#include <algorithm>
#include <cstring>

#include "wasm/program.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {
namespace {

constexpr std::uint64_t key_of(Region region, std::uint32_t page) noexcept {
    return (static_cast<std::uint64_t>(region) << 32U) | page;
}
constexpr std::uint64_t node_key(Region region, unsigned level, std::uint32_t index) noexcept {
    return (static_cast<std::uint64_t>(region) << 40U) | (std::uint64_t{level} << 32U) | index;
}

}  // namespace

void Watch::record(std::uint64_t witness_bytes) {
    is_recording_ = true;
    witness_bytes_ = 0;
    witness_bytes_max_ = witness_bytes;
    pages_.clear();
    nodes_.clear();
    memory_before_.clear();
    contents_before_.clear();
    is_host_touched = false;
    steps_first = steps_left;
    host_steps_left = host_steps_max;
    last_instrs_ = last_slots_ = ~std::uint64_t{0};
}

void Watch::show(Region region, std::uint32_t page) {
    pages_.insert(key_of(region, page));
}

bool Watch::touch_page(Region region, std::uint32_t page) {
    if (page >> depth_of(region) != 0) return refuse();
    if (is_judging_) return pages_.contains(key_of(region, page)) || refuse();
    if (!is_recording_ || !pages_.insert(key_of(region, page)).second) return true;
    // A new leaf brings its page, and a sibling for each new node above it; where its path meets
    // one that is known, a sibling that was needed is now computed.
    witness_bytes_ += state_page_size + 8;
    const unsigned depth = depth_of(region);
    std::uint32_t index = page;
    for (unsigned level = 0; level < depth; ++level, index /= 2) {
        if (!nodes_.insert(node_key(region, level, index)).second) {
            witness_bytes_ -= 32;
            break;
        }
        witness_bytes_ += 32;
    }
    if (region == Region::memory) {
        auto before = std::make_unique<Page>();
        std::memcpy(before->data(),
                    instance_.memory->data() + std::uint64_t{page} * state_page_size,
                    state_page_size);
        memory_before_.emplace(page, std::move(before));
    }
    return true;
}

bool Watch::touch(Region region, std::uint64_t offset, std::uint64_t length) {
    if (length == 0) return true;
    if (offset >= bytes_max(region) || length > bytes_max(region) - offset) return refuse();
    const std::uint64_t last = (offset + length - 1) / state_page_size;
    for (std::uint64_t page = offset / state_page_size; page <= last; ++page) {
        if (!touch_page(region, static_cast<std::uint32_t>(page))) return false;
    }
    return true;
}

bool Watch::touch_slots(const std::uint64_t* first, std::uint64_t count) {
    const std::uint64_t* const begin = store_.slots.get();
    const std::uint64_t index = static_cast<std::uint64_t>(first - begin);
    const std::uint64_t size = store_.limits.stack_slots_max;
    if (index >= size || count > size - index) return refuse();
    if (count == 0) return true;
    const std::uint64_t page = index / (state_page_size / 8);
    if (page == last_slots_ && (index + count - 1) / (state_page_size / 8) == page) return true;
    if (!touch(Region::slots, index * 8, count * 8)) return false;
    last_slots_ = page;
    return true;
}

void Watch::show_content(std::uint64_t key, std::uint32_t page) {
    contents_shown_.emplace(key, page);
}

bool Watch::touch_content(std::uint64_t key, std::span<const std::uint8_t> bytes,
                          std::uint64_t offset, std::uint64_t length) {
    if (length == 0 || key >= new_contents_from) return true;
    constexpr std::uint64_t size_max = std::uint64_t{state_page_size} << content_depth;
    if (offset >= size_max || length > size_max - offset) return refuse();
    const std::uint64_t last = (offset + length - 1) / state_page_size;
    for (std::uint64_t page = offset / state_page_size; page <= last; ++page) {
        const std::pair name{key, static_cast<std::uint32_t>(page)};
        if (is_judging_ && !contents_shown_.contains(name)) return refuse();
        if (!is_recording_ || contents_before_.contains(name)) continue;
        Page before{};
        const std::uint64_t from = page * state_page_size;
        if (from < bytes.size()) {
            std::memcpy(before.data(), bytes.data() + from,
                        std::min<std::size_t>(before.size(), bytes.size() - from));
        }
        contents_before_.emplace(name, before);
        // At most: neighbours share the upper part of their paths.
        const bool has_neighbour = page > 0 && contents_before_.contains({key, name.second - 1});
        witness_bytes_ += state_page_size + 8 + (has_neighbour ? 64 : content_depth * 32);
    }
    return true;
}

Function* Watch::function(std::uint32_t index) {
    if (index >= program_.counts.functions ||
        !touch(Region::functions, std::uint64_t{index} * 4, 4)) {
        refuse();
        return nullptr;
    }
    return function_of(std::uint64_t{program_.functions[index]} + 1);
}

Function* Watch::function_of(std::uint64_t reference) {
    if (reference == 0 || reference > store_.functions.size() ||
        reference > program_.counts.headers ||
        !touch(Region::headers, (reference - 1) * sizeof(FunctionHeader), sizeof(FunctionHeader))) {
        refuse();
        return nullptr;
    }
    Function* const function = store_.functions[reference - 1];
    if (function == nullptr) refuse();
    return function;
}

std::vector<std::uint32_t> Watch::touched(Region region) const {
    std::vector<std::uint32_t> list;
    for (const std::uint64_t key : pages_) {
        if (key >> 32U == static_cast<std::uint64_t>(region))
            list.push_back(static_cast<std::uint32_t>(key));
    }
    std::ranges::sort(list);
    return list;
}

const Watch::Page* Watch::memory_before(std::uint32_t page) const {
    const auto found = memory_before_.find(page);
    return found == memory_before_.end() ? nullptr : found->second.get();
}

}  // namespace millrace::wasm
