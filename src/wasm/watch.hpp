// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "wasm/ir.hpp"
#include "wasm/page_tree.hpp"
#include "wasm/region.hpp"

/// What the interpreter asks before every step while it is watched: may this be touched? Two uses.
///
/// *Recording*: everything is there; the watch notes the pages that steps touch, keeps what memory
/// held before, and says when the witness that shows these pages grows too large.
///
/// *Judging*: only the pages of a witness are there. The first touch of another one ends the run
/// (is_refused), as does an instruction that no translation of a valid module contains: here the
/// program, too, came from a stranger, and nothing of it is believed. Every index is checked.
///
/// A step is one instruction, or a part of one that moves at most 16 KiB; so it touches a bounded
/// number of pages, whatever the module does.
namespace millrace::wasm {

class Program;
struct InstanceData;
struct StoreData;
struct Function;

/// Levels of the tree over the bytes of a host's file or stream: 4 GiB.
constexpr unsigned content_depth = 20;
/// The most bytes that one step moves.
constexpr std::uint64_t step_bytes_max = 16'384;
/// Of a segment: a host's step may go through all of the host's records.
constexpr std::uint64_t host_steps_max = 4'096;
/// Slots that one step moves or clears.
constexpr std::uint32_t step_slots_max = 2'048;
/// More than the pages that one step touches, with their siblings, take in a witness.
constexpr std::uint64_t step_witness_max = 98'304;

class Watch {
  public:
    Watch(StoreData& store, InstanceData& instance, Program& program) noexcept
        : store_{store}, instance_{instance}, program_{program} {}

    /// Records from here on; full when the pages come to more than `witness_bytes`.
    void record(std::uint64_t witness_bytes);
    /// Judges: only pages given to show() are there.
    void judge() noexcept {
        is_judging_ = true;
        host_steps_left = host_steps_max;
    }
    void show(Region region, std::uint32_t page);

    // Asked by the interpreter, the memory and the host -----------------------------------------

    std::uint64_t steps_left = 0;
    /// False, and refused from then on, when it is not there or outside the region.
    bool touch(Region region, std::uint64_t offset, std::uint64_t length);
    bool touch_slots(const std::uint64_t* first, std::uint64_t count);
    /// What is not in a region: a part of the bytes numbered `key` that a host keeps, which now
    /// hold `bytes`. Their tree is content_depth deep. Those from new_contents_from on came into
    /// being after the first step and need not be shown.
    bool touch_content(std::uint64_t key, std::span<const std::uint8_t> bytes, std::uint64_t offset,
                       std::uint64_t length);
    void show_content(std::uint64_t key, std::uint32_t page);
    std::uint64_t new_contents_from = ~std::uint64_t{0};
    /// What the host's own records take in a witness, once a step asks the host.
    std::uint64_t host_bytes = 0;
    /// Whether an instruction may run: it exists, is shown, and so are the slots it names.
    bool admit(const Instr* instr, const std::uint64_t* slots);
    [[nodiscard]] bool is_full() const noexcept { return witness_bytes_ > witness_bytes_max_; }
    /// Whether `bytes` more, and the pages of a step, fit.
    [[nodiscard]] bool has_room(std::uint64_t bytes) const noexcept {
        return witness_bytes_ + bytes <= witness_bytes_max_;
    }
    bool refuse() noexcept {
        is_refused_ = true;
        return false;
    }
    [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }
    /// Null, and refused, when there is none or it is not shown.
    Function* function(std::uint32_t index);
    Function* function_of(std::uint64_t reference);

    [[nodiscard]] Program& program() noexcept { return program_; }
    [[nodiscard]] InstanceData& instance() noexcept { return instance_; }
    bool note_host() noexcept {
        if (host_steps_left == 0) return refuse();
        --host_steps_left;
        if (!is_host_touched) witness_bytes_ += host_bytes;
        is_host_touched = true;
        return true;
    }
    /// A host call happened.
    [[nodiscard]] bool was_host_asked() const noexcept { return is_host_touched; }
    /// Whether a first host call is better left to the next segment, whose witness has more room.
    [[nodiscard]] bool ends_before_host() const noexcept {
        return is_recording_ && steps_left + 1 < steps_first &&
               (host_steps_left == 0 || (!is_host_touched && !has_room(host_bytes)));
    }
    std::uint64_t steps_first = 0;  ///< steps_left when recording began
    std::uint64_t host_steps_left = ~std::uint64_t{0};

    // What was recorded -------------------------------------------------------------------------

    /// Ascending.
    [[nodiscard]] std::vector<std::uint32_t> touched(Region region) const;
    using Page = std::array<std::uint8_t, state_page_size>;
    /// Contents' pages as they were when recording began, by key and page.
    [[nodiscard]] const std::map<std::pair<std::uint64_t, std::uint32_t>, Page>& contents_before()
        const noexcept {
        return contents_before_;
    }
    /// A page of memory as it was when recording began; null if it was not touched.
    [[nodiscard]] const Page* memory_before(std::uint32_t page) const;
    [[nodiscard]] std::uint64_t witness_bytes() const noexcept { return witness_bytes_; }

  private:
    bool touch_page(Region region, std::uint32_t page);
    bool admit_other(const Instr& instr, const std::uint64_t* slots);
    bool admit_vector(const Instr& instr, const std::uint64_t* slots);

    StoreData& store_;
    InstanceData& instance_;
    Program& program_;
    bool is_judging_ = false;
    bool is_recording_ = false;
    bool is_host_touched = false;
    bool is_refused_ = false;
    std::uint64_t witness_bytes_ = 0;
    std::uint64_t witness_bytes_max_ = ~std::uint64_t{0};
    std::unordered_set<std::uint64_t> pages_;  ///< region and page: touched, or shown
    std::unordered_set<std::uint64_t> nodes_;  ///< of the trees, on a touched path
    std::unordered_map<std::uint32_t, std::unique_ptr<Page>> memory_before_;
    std::map<std::pair<std::uint64_t, std::uint32_t>, Page> contents_before_;
    std::set<std::pair<std::uint64_t, std::uint32_t>> contents_shown_;
    /// The page of instructions and of slots that was touched last: most steps stay there.
    std::uint64_t last_instrs_ = ~std::uint64_t{0};
    std::uint64_t last_slots_ = ~std::uint64_t{0};
};

}  // namespace millrace::wasm
