// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "wasm/values.hpp"

namespace millrace::wasm {

class Watch;  // src/wasm/watch.hpp

/// Room for a linear memory at an address that never changes, from outside the engine. Compiled
/// code reaches it without a bounds check: what lies beyond the committed pages must fault.
class MemoryRegion {
  public:
    virtual ~MemoryRegion() = default;
    [[nodiscard]] virtual std::uint8_t* base() const noexcept = 0;
    /// Makes the first `pages` pages usable; new ones are zero. Never fewer than before. False when
    /// the machine has no memory to give.
    [[nodiscard]] virtual bool commit(std::uint32_t pages) noexcept = 0;
    /// From here on is_written() tells the pages of 4 KiB that were written since the last call of
    /// this; it may tell too many. Before the first call it tells all.
    virtual void watch_writes() noexcept = 0;
    [[nodiscard]] virtual bool is_written(std::uint64_t page) const noexcept = 0;
};

/// A linear memory. Addresses are offsets from 0; every access here is checked against the current
/// size. grow() may move the bytes: a span is good until the next call into the module.
class Memory {
  public:
    /// `pages_max` is the smaller of the module's declared maximum and the task's limit; growth
    /// succeeds exactly up to it. Null when the machine has no memory to give.
    /// With `is_reserved` the room for all of them is there at once, untouched.
    static std::unique_ptr<Memory> create(Limits declared, std::uint32_t pages_max,
                                          bool is_reserved = false);
    /// The same in a region that has room for `pages_max` pages.
    static std::unique_ptr<Memory> create_in(std::unique_ptr<MemoryRegion> region, Limits declared,
                                             std::uint32_t pages_max);

    [[nodiscard]] std::uint32_t pages() const noexcept { return pages_; }
    [[nodiscard]] std::uint32_t pages_max() const noexcept { return pages_max_; }
    [[nodiscard]] const Limits& declared() const noexcept { return declared_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return pages_ * page_size; }

    /// All bytes, for the final memory root.
    [[nodiscard]] ByteView bytes() const noexcept {
        return {base_, static_cast<std::size_t>(size())};
    }
    [[nodiscard]] std::span<std::uint8_t> bytes() noexcept {
        return {base_, static_cast<std::size_t>(size())};
    }

    /// Null when [offset, offset + length) leaves the memory. Never overflows.
    [[nodiscard]] std::optional<ByteView> read(std::uint64_t offset,
                                               std::uint64_t length) const noexcept;
    /// The same bytes, to be written.
    [[nodiscard]] std::optional<std::span<std::uint8_t>> range(std::uint64_t offset,
                                                               std::uint64_t length) noexcept;
    /// False, and nothing written, when the bytes do not fit.
    [[nodiscard]] bool write(std::uint64_t offset, ByteView source) noexcept;

    // Little-endian integers.
    [[nodiscard]] std::optional<std::uint8_t> read_u8(std::uint64_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> read_u16(std::uint64_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> read_u32(std::uint64_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> read_u64(std::uint64_t offset) const noexcept;
    [[nodiscard]] bool write_u8(std::uint64_t offset, std::uint8_t value) noexcept;
    [[nodiscard]] bool write_u16(std::uint64_t offset, std::uint16_t value) noexcept;
    [[nodiscard]] bool write_u32(std::uint64_t offset, std::uint32_t value) noexcept;
    [[nodiscard]] bool write_u64(std::uint64_t offset, std::uint64_t value) noexcept;

    enum class Grown : std::uint8_t { yes, beyond_limit, machine_exhausted };
    /// The rule alone: may the memory grow by `delta` pages?
    [[nodiscard]] bool can_grow(std::uint32_t delta) const noexcept {
        return delta <= pages_max_ - pages_;
    }
    Grown grow(std::uint32_t delta) noexcept;

    /// For the engine's tiers.
    [[nodiscard]] std::uint8_t* data() noexcept { return base_; }

    /// Which pages of 4 KiB were written since clear_marks(). In a region that tells it; else
    /// data()[-1 - page] is not 0: the interpreter and every method here that writes mark them, and
    /// whoever writes through bytes() does not.
    static void mark(std::uint8_t* data, std::uint64_t at, std::uint64_t length) noexcept {
        if (length == 0) return;
        const std::uint64_t last = (at + length - 1) >> 12U;
        for (std::uint64_t page = at >> 12U; page <= last; ++page)
            *(data - 1 - page) = 1;
    }
    [[nodiscard]] bool is_marked(std::uint64_t page) const noexcept {
        return region_ ? region_->is_written(page) : *(base_ - 1 - page) != 0;
    }
    void clear_marks() noexcept;
    /// For who writes through data(): these bytes lie inside.
    void note_write(std::uint64_t at, std::uint64_t length) noexcept {
        if (data_) mark(base_, at, length);
    }
    /// Before the first clear_marks(): all count as written.
    void mark_all() noexcept { note_write(0, size()); }

    /// Is told what the methods of this class are about to touch, while a Watch runs the module. A
    /// refused access still gives bytes: the watch remembers, and the run is given up.
    void watch(Watch* watch) noexcept { watch_ = watch; }
    /// Whether [offset, offset + length) lies inside, touching nothing.
    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t length) const noexcept {
        return offset <= size() && length <= size() - offset;
    }

  private:
    struct Free {
        void operator()(std::uint8_t* pointer) const noexcept { std::free(pointer); }
    };
    Memory(Limits declared, std::uint32_t pages_max) noexcept
        : declared_{declared}, pages_max_{pages_max} {}

    std::unique_ptr<std::uint8_t, Free> data_;  ///< marks, then the bytes; null in a region
    std::unique_ptr<MemoryRegion> region_;
    std::uint8_t* base_ = nullptr;
    Watch* watch_ = nullptr;
    Limits declared_;
    std::uint32_t pages_ = 0;
    std::uint32_t pages_max_ = 0;
    std::uint32_t pages_capacity_ = 0;
};

}  // namespace millrace::wasm
