// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "wasm/memory.hpp"

/// Address space for compiled code: what it runs on, and its linear memories.
namespace millrace::aot {

constexpr std::size_t machine_page = 4096;

/// Address space of our own, given back at the end.
class Mapping {
  public:
    Mapping() = default;
    /// Without data() when the system gives none.
    Mapping(std::size_t size, int protection);
    /// A file's bytes from an offset in whole pages on; writes stay here.
    Mapping(std::size_t size, int protection, int file, std::uint64_t offset);
    ~Mapping();
    Mapping(Mapping&& other) noexcept
        : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    [[nodiscard]] std::uint8_t* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// The caller unmaps it.
    std::uint8_t* release() noexcept { return std::exchange(data_, nullptr); }

  private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A memory that code reaches without bounds checks: a page with the fuel and size cells, then as
/// much as an access can reach, of which the committed part can be touched.
///
/// Which pages were written is told by the processor: watch_writes() makes them read-only, and the
/// first write to one faults. The faults of a row of pages written one after the other are few,
/// because each next one frees twice as many pages.
class Region : public wasm::MemoryRegion {
  public:
    /// Null when the machine has no address space to give.
    static std::unique_ptr<Region> reserve();

    [[nodiscard]] std::uint8_t* base() const noexcept override {
        return mapping_.data() + machine_page;
    }
    [[nodiscard]] bool commit(std::uint32_t pages) noexcept override;
    void watch_writes() noexcept override;
    [[nodiscard]] bool is_written(std::uint64_t page) const noexcept override {
        return !is_watching_ || written_[static_cast<std::size_t>(page)] != 0;
    }

    // For the signal handler: no allocation, no lock.
    /// Whether an access of code can have led to this address.
    [[nodiscard]] bool reaches(std::uintptr_t address) const noexcept;
    /// A fault at an address of this region. True when it was a first write: the instruction can be
    /// repeated.
    [[nodiscard]] bool take_write(std::uintptr_t address) noexcept;

  private:
    explicit Region(Mapping mapping) noexcept : mapping_{std::move(mapping)} {}
    bool allow_writes(std::size_t first, std::size_t count) noexcept;

    Mapping mapping_;
    std::size_t committed_ = 0;  ///< bytes
    bool is_watching_ = false;
    std::vector<std::uint8_t> written_;  ///< by page, while watching
    std::size_t next_page_ = 0;          ///< after those that the last fault freed
    std::size_t freed_ = 0;              ///< how many those were
};

}  // namespace millrace::aot
