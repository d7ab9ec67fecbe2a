// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "wasm/ir.hpp"
#include "wasm/page_tree.hpp"
#include "wasm/region.hpp"

/// A module as the judge sees it: everything about it that never changes while it runs, in flat
/// lists of fixed-size records, cut in pages under Merkle trees. Whoever has the root can be shown
/// the few pages that some steps need, and knows that they belong to the module: its code is a tree
/// of functions, and a function that of its instructions.
///
/// The order of records follows the module, so that the root is a function of its bytes alone
/// (docs/formats/checkpoint.md).
namespace millrace::wasm {

struct InstanceData;

/// Function `index` of a store: hosts first, then the module's. As in the pages.
struct FunctionHeader {
    std::uint32_t kind = 0;  ///< 0 there is none, 1 a module's, 2 a host's
    std::uint32_t type_id = 0;
    std::uint32_t first = 0;  ///< in the list of instructions
    std::uint32_t entry_cost = 0;
    std::uint32_t params = 0;
    std::uint32_t locals = 0;
    std::uint32_t frame_slots = 0;
    std::uint32_t unused = 0;
};
static_assert(sizeof(FunctionHeader) == 32);

/// Where a segment's elements or bytes lie.
struct SegmentPlace {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};
static_assert(sizeof(SegmentPlace) == 8);

/// How many records each list has; part of the root.
struct ProgramCounts {
    std::uint32_t headers = 0;    ///< functions of the store
    std::uint32_t functions = 0;  ///< functions of the module, imported ones included
    std::uint32_t instrs = 0;
    std::uint32_t targets = 0;
    std::uint32_t shuffles = 0;
    std::uint32_t types = 0;
    std::uint32_t data_segments = 0;
    std::uint32_t element_segments = 0;
    std::uint32_t data_bytes = 0;
    std::uint32_t elements = 0;
    std::uint32_t globals = 0;
    std::uint32_t tables = 0;
    bool operator==(const ProgramCounts&) const = default;

    static constexpr std::size_t fields = 12;
    [[nodiscard]] std::array<std::uint32_t, fields> list() const noexcept;
    /// Null when a count is beyond what a valid module can come to.
    static std::optional<ProgramCounts> from(const std::array<std::uint32_t, fields>& list);
};

/// Zeroed memory for records, which costs nothing where it is not touched.
template <typename Record>
class RecordList {
  public:
    /// False when the machine has no memory to give.
    [[nodiscard]] bool allocate(std::size_t count) {
        // Whole pages, so that a page can be copied in and out.
        constexpr std::size_t per_page = state_page_size / sizeof(Record);
        const std::size_t whole = (count + per_page - 1) / per_page * per_page;
        list_.reset(static_cast<Record*>(std::calloc(whole + per_page, sizeof(Record))));
        count_ = count;
        return list_ != nullptr;
    }
    [[nodiscard]] Record* data() noexcept { return list_.get(); }
    [[nodiscard]] const Record* data() const noexcept { return list_.get(); }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    Record& operator[](std::size_t index) noexcept { return list_.get()[index]; }
    const Record& operator[](std::size_t index) const noexcept { return list_.get()[index]; }

  private:
    struct Free {
        void operator()(Record* pointer) const noexcept { std::free(pointer); }
    };
    std::unique_ptr<Record, Free> list_;
    std::size_t count_ = 0;
};

class Program {
  public:
    /// Translates the whole module and makes the store's functions run from these lists. Null when
    /// the module is larger than a judge takes, or this machine has not the memory.
    static std::unique_ptr<Program> build(InstanceData& instance);
    /// Lists of zeros, to be filled with the pages of a witness. Null: no memory.
    static std::unique_ptr<Program> blank(const ProgramCounts& counts);

    ProgramCounts counts;
    RecordList<FunctionHeader> headers;
    RecordList<std::uint32_t> functions;  ///< by the module's index: which header
    RecordList<Instr> instrs;
    RecordList<BranchTarget> targets;
    RecordList<std::array<std::uint8_t, 16>> shuffles;
    RecordList<std::uint32_t> types;    ///< type ids by the module's index
    RecordList<SegmentPlace> segments;  ///< data first, elements from segment_elements_first
    RecordList<std::uint8_t> data;
    RecordList<std::uint64_t> elements;  ///< references

    /// A judge's stand-in for the code of every function; null where functions have their own.
    std::unique_ptr<Code> shared_code;
    /// The code of the function that an instruction belongs to. Only of a program that was built.
    [[nodiscard]] const Code* code_at(std::uint32_t position) const;

    /// The bytes of one of the regions that belong to a program.
    [[nodiscard]] std::span<std::uint8_t> bytes(Region region) noexcept;
    /// By region; settled. Only of a program that was built.
    [[nodiscard]] const PageTree& tree(Region region) const;
    [[nodiscard]] const Hash32& root() const noexcept { return root_; }

    /// The root from the counts and the roots of the regions, in their order.
    static Hash32 root_of(const ProgramCounts& counts, std::span<const Hash32> regions);

  private:
    void hash();
    std::vector<const Code*> codes_;  ///< in the order of their instructions
    std::vector<PageTree> trees_;
    Hash32 root_;
};

}  // namespace millrace::wasm
