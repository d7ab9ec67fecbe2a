// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/memory.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "wasm/watch.hpp"

namespace millrace::wasm {
namespace {

// The marks end where the bytes start, so that an address finds its mark without another pointer.
std::size_t marks_size(std::uint32_t pages) noexcept {
    const std::size_t marks = std::max<std::size_t>(pages, 1) * (page_size / state_page_size);
    return (marks + 63) & ~std::size_t{63};
}
// calloc gives zeroed bytes that cost nothing until they are touched.
std::uint8_t* allocate(std::uint32_t pages) noexcept {
    const std::size_t size = std::max<std::size_t>(pages, 1) * page_size + marks_size(pages);
    return static_cast<std::uint8_t*>(std::calloc(size, 1));
}

template <typename Word>
std::optional<Word> read_word(const Memory& memory, std::uint64_t offset) noexcept {
    const auto view = memory.read(offset, sizeof(Word));
    if (!view) return std::nullopt;
    Word word;
    std::memcpy(&word, view->data(), sizeof word);
    return word;
}
template <typename Word>
bool write_word(Memory& memory, std::uint64_t offset, Word word) noexcept {
    const auto view = memory.range(offset, sizeof(Word));
    if (!view) return false;
    std::memcpy(view->data(), &word, sizeof word);
    return true;
}

}  // namespace

std::unique_ptr<Memory> Memory::create(Limits declared, std::uint32_t pages_max, bool is_reserved) {
    MILLRACE_ASSERT(declared.min <= pages_max);
    std::unique_ptr<Memory> memory{new Memory{declared, pages_max}};
    const std::uint32_t capacity = std::max(is_reserved ? pages_max : declared.min, 1U);
    memory->data_.reset(allocate(capacity));
    if (!memory->data_) return nullptr;
    memory->base_ = memory->data_.get() + marks_size(capacity);
    memory->pages_ = declared.min;
    memory->pages_capacity_ = capacity;
    return memory;
}

std::unique_ptr<Memory> Memory::create_in(std::unique_ptr<MemoryRegion> region, Limits declared,
                                          std::uint32_t pages_max) {
    MILLRACE_ASSERT(region != nullptr);
    MILLRACE_ASSERT(declared.min <= pages_max);
    if (!region->commit(declared.min)) return nullptr;
    std::unique_ptr<Memory> memory{new Memory{declared, pages_max}};
    memory->base_ = region->base();
    memory->region_ = std::move(region);
    memory->pages_ = declared.min;
    return memory;
}

std::optional<ByteView> Memory::read(std::uint64_t offset, std::uint64_t length) const noexcept {
    if (!contains(offset, length)) return std::nullopt;
    if (watch_ != nullptr) watch_->touch(Region::memory, offset, length);
    return ByteView{base_ + offset, static_cast<std::size_t>(length)};
}

std::optional<std::span<std::uint8_t>> Memory::range(std::uint64_t offset,
                                                     std::uint64_t length) noexcept {
    if (!contains(offset, length)) return std::nullopt;
    if (watch_ != nullptr) watch_->touch(Region::memory, offset, length);
    note_write(offset, length);
    return std::span<std::uint8_t>{base_ + offset, static_cast<std::size_t>(length)};
}

bool Memory::write(std::uint64_t offset, ByteView source) noexcept {
    const auto target = range(offset, source.size());
    if (!target) return false;
    if (!source.empty()) std::memmove(target->data(), source.data(), source.size());
    return true;
}

std::optional<std::uint8_t> Memory::read_u8(std::uint64_t offset) const noexcept {
    return read_word<std::uint8_t>(*this, offset);
}
std::optional<std::uint16_t> Memory::read_u16(std::uint64_t offset) const noexcept {
    return read_word<std::uint16_t>(*this, offset);
}
std::optional<std::uint32_t> Memory::read_u32(std::uint64_t offset) const noexcept {
    return read_word<std::uint32_t>(*this, offset);
}
std::optional<std::uint64_t> Memory::read_u64(std::uint64_t offset) const noexcept {
    return read_word<std::uint64_t>(*this, offset);
}
bool Memory::write_u8(std::uint64_t offset, std::uint8_t value) noexcept {
    return write_word(*this, offset, value);
}
bool Memory::write_u16(std::uint64_t offset, std::uint16_t value) noexcept {
    return write_word(*this, offset, value);
}
bool Memory::write_u32(std::uint64_t offset, std::uint32_t value) noexcept {
    return write_word(*this, offset, value);
}
bool Memory::write_u64(std::uint64_t offset, std::uint64_t value) noexcept {
    return write_word(*this, offset, value);
}

void Memory::clear_marks() noexcept {
    if (region_) return region_->watch_writes();
    const std::size_t marks = std::size_t{pages_} * (page_size / state_page_size);
    std::memset(base_ - marks, 0, marks);
}

Memory::Grown Memory::grow(std::uint32_t delta) noexcept {
    if (!can_grow(delta)) return Grown::beyond_limit;
    const std::uint32_t wanted = pages_ + delta;
    if (region_) {
        if (!region_->commit(wanted)) return Grown::machine_exhausted;
        pages_ = wanted;
        return Grown::yes;
    }
    if (wanted > pages_capacity_) {
        // Doubling keeps the copies linear in all; the reserve is untouched and so costs nothing.
        const std::uint32_t doubled =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(pages_max_, 2ULL * pages_capacity_));
        std::uint32_t capacity = std::max(wanted, doubled);
        std::unique_ptr<std::uint8_t, Free> larger{allocate(capacity)};
        if (!larger && capacity > wanted) {
            capacity = wanted;
            larger.reset(allocate(capacity));
        }
        if (!larger) return Grown::machine_exhausted;
        std::uint8_t* const base = larger.get() + marks_size(capacity);
        const std::size_t marks = std::size_t{pages_} * (page_size / state_page_size);
        std::memcpy(base - marks, base_ - marks, marks + static_cast<std::size_t>(size()));
        data_ = std::move(larger);
        base_ = base;
        pages_capacity_ = capacity;
    }
    pages_ = wanted;
    return Grown::yes;
}

}  // namespace millrace::wasm
