// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/region.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "aot/abi.hpp"
#include "base/assert.hpp"

namespace millrace::aot {
namespace {

constexpr std::size_t pages_freed_max = 64;

}  // namespace

Mapping::Mapping(std::size_t size, int protection) {
    void* memory =
        mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    data_ = static_cast<std::uint8_t*>(memory);
    size_ = size;
}

Mapping::Mapping(std::size_t size, int protection, int file, std::uint64_t offset) {
    void* memory = mmap(nullptr, size, protection, MAP_PRIVATE, file, static_cast<off_t>(offset));
    if (memory == MAP_FAILED) return;
    data_ = static_cast<std::uint8_t*>(memory);
    size_ = size;
}

Mapping::~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
}

std::unique_ptr<Region> Region::reserve() {
    Mapping mapping{machine_page + memory_reach, PROT_NONE};
    if (mapping.data() == nullptr) return nullptr;
    if (mprotect(mapping.data(), machine_page, PROT_READ | PROT_WRITE) != 0) return nullptr;
    return std::unique_ptr<Region>{new Region{std::move(mapping)}};
}

bool Region::commit(std::uint32_t pages) noexcept {
    const std::size_t size = std::size_t{pages} * wasm::page_size;
    if (size == committed_) return true;
    MILLRACE_ASSERT(size > committed_);
    if (mprotect(base() + committed_, size - committed_, PROT_READ | PROT_WRITE) != 0) return false;
    committed_ = size;
    if (is_watching_) written_.resize(size / machine_page, 1);
    const std::uint64_t told = size;
    std::memcpy(base() + size_cell_offset, &told, sizeof told);
    return true;
}

void Region::watch_writes() noexcept {
    written_.assign(committed_ / machine_page, 0);
    next_page_ = freed_ = 0;
    is_watching_ = committed_ == 0 || mprotect(base(), committed_, PROT_READ) == 0;
    // Without protection every page counts as written, which costs time and nothing else.
    if (!is_watching_) (void)allow_writes(0, committed_ / machine_page);
}

bool Region::reaches(std::uintptr_t address) const noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(base());
    return address >= begin && address < begin + memory_reach;
}

bool Region::allow_writes(std::size_t first, std::size_t count) noexcept {
    if (mprotect(base() + first * machine_page, count * machine_page, PROT_READ | PROT_WRITE) != 0)
        return false;
    std::fill_n(written_.begin() + static_cast<std::ptrdiff_t>(first), count, std::uint8_t{1});
    return true;
}

bool Region::take_write(std::uintptr_t address) noexcept {
    if (!is_watching_ || !reaches(address)) return false;
    const std::size_t page = (address - reinterpret_cast<std::uintptr_t>(base())) / machine_page;
    if (page >= written_.size() || written_[page] != 0) return false;
    const std::size_t wanted = page == next_page_ ? std::min(2 * freed_, pages_freed_max) : 1;
    const std::size_t count = std::min(std::max<std::size_t>(wanted, 1), written_.size() - page);
    freed_ = count;
    next_page_ = page + count;
    // The system bounds in how many parts of different protection an address space falls; then all
    // of them become one.
    return allow_writes(page, count) || allow_writes(0, written_.size());
}

}  // namespace millrace::aot
