// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "codec/rlp.hpp"
#include "wasm/program.hpp"
#include "wasm/region.hpp"
#include "wasm/runtime.hpp"

/// The whole state of a machine that runs one module, as pages and registers, and the hash that
/// stands for it (docs/formats/checkpoint.md).
namespace millrace::judge {

using wasm::Region;
using Page = std::array<std::uint8_t, wasm::state_page_size>;

/// How a run stands. The numbers are part of the format.
enum class Status : std::uint8_t {
    running = 0,
    returned = 1,
    trapped = 2,
    exited = 3,
    out_of_fuel = 4,
};

struct TableSize {
    std::uint32_t entries = 0;
    std::uint32_t entries_max = 0;
    bool operator==(const TableSize&) const = default;
};

/// Everything that lies in no page.
struct Registers {
    Status status = Status::running;
    std::uint32_t code = 0;        ///< of a trap or an exit
    std::uint32_t instr = 0;       ///< the next one; halt_position after the last
    std::uint32_t first_slot = 0;  ///< of the frame in progress
    std::uint32_t depth = 0;       ///< calls in progress
    std::uint64_t fuel_limit = 0;
    std::uint64_t fuel_left = 0;
    std::uint64_t progress = 0;      ///< of the instruction, when its work is done in parts
    std::uint32_t locals_first = 0;  ///< locals still to be cleared, from first_slot
    std::uint32_t locals_left = 0;
    std::uint32_t memory_pages = 0;  ///< of 64 KiB
    std::uint32_t memory_pages_max = 0;
    std::vector<TableSize> tables;
    bool operator==(const Registers&) const = default;
};
constexpr std::uint32_t halt_position = 0xffffffff;

/// The hashes under a state's root, in the order of the regions.
struct StateRoots {
    Hash32 program;
    std::array<Hash32, 5> changing;  ///< memory, slots, frames, globals, marks
    std::vector<Hash32> tables;
    Hash32 host;  ///< zero when no host has a state
};
constexpr std::size_t changing_regions = 5;

void write_registers(codec::RlpWriter& writer, const Registers& registers);
/// Checks what every state has: a known status, sizes within the profile.
Result<Registers, codec::RlpError> read_registers(codec::RlpReaderView& reader);
Hash32 state_root(const Registers& registers, const StateRoots& roots);

/// A machine in parts: one store with one instance, running from a program's lists.
struct Parts {
    wasm::StoreData& store;
    wasm::InstanceData& instance;
    wasm::Program& program;
};

/// The registers of a machine that stopped so.
Registers registers_of(const Parts& parts, Status status, std::uint32_t code);
/// Lets the machine stand where they say. Calls in progress are those of the frames region. The
/// memory and the tables have their sizes already. False when a register cannot be.
bool apply_registers(const Parts& parts, const Registers& registers);

/// The bytes of a page; zeros beyond what the machine has.
void read_page(const Parts& parts, Region region, std::uint32_t page, Page& out);
/// The other way round; what lies beyond the machine's sizes is ignored. The frames' depth must be
/// known: Machine::frame. False when a frame cannot be.
bool write_page(const Parts& parts, Region region, std::uint32_t page, const Page& in);

/// The status that belongs to an end; `again` and `at_safe_point` are running.
Status status_of(const wasm::Stop& stop) noexcept;
std::uint32_t code_of(const wasm::Stop& stop) noexcept;

}  // namespace millrace::judge
