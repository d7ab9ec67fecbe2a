// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/state.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "wasm/fuel.hpp"

namespace millrace::judge {
namespace {

static_assert(std::endian::native == std::endian::little);

using codec::RlpError;

struct FrameRecord {
    std::uint32_t instr = 0;
    std::uint32_t first_slot = 0;
};
constexpr std::size_t frames_per_page = wasm::state_page_size / sizeof(FrameRecord);
constexpr std::size_t globals_per_page = wasm::state_page_size / 16;
constexpr std::size_t words_per_page = wasm::state_page_size / 8;
constexpr std::size_t bits_per_page = wasm::state_page_size * 8;

std::uint32_t position(const Parts& parts, const wasm::Instr* ip) {
    if (ip == nullptr || ip == &wasm::halt_instr) return halt_position;
    return static_cast<std::uint32_t>(ip - parts.program.instrs.data());
}
/// Null when there is no such instruction.
const wasm::Instr* instr_at(const Parts& parts, std::uint32_t position) {
    if (position == halt_position) return &wasm::halt_instr;
    if (position >= parts.program.counts.instrs) return nullptr;
    return parts.program.instrs.data() + position;
}

/// The code around an instruction. A judge has one for all: only its lists are used there.
const wasm::Code* code_around(const Parts& parts, std::uint32_t position) {
    if (parts.program.shared_code) return parts.program.shared_code.get();
    return parts.program.code_at(position);
}

/// Marks: bits of data segments, then of elements.
std::vector<bool>* marks_of(const Parts& parts, std::size_t bit, std::size_t& index) {
    const bool is_element = bit >= wasm::marks_elements_first;
    index = is_element ? bit - wasm::marks_elements_first : bit;
    auto& list = is_element ? parts.instance.dropped_elements : parts.instance.dropped_data;
    return index < list.size() ? &list : nullptr;
}

std::span<std::uint64_t> words_of(const Parts& parts, Region region) {
    if (region == Region::slots)
        return {parts.store.slots.get(), parts.store.limits.stack_slots_max};
    const std::size_t table = static_cast<std::size_t>(region) - wasm::fixed_regions;
    return parts.instance.tables[table]->entries;
}

}  // namespace

void write_registers(codec::RlpWriter& writer, const Registers& registers) {
    const auto list = writer.begin_list();
    for (const std::uint64_t value :
         {static_cast<std::uint64_t>(registers.status), std::uint64_t{registers.code},
          std::uint64_t{registers.instr}, std::uint64_t{registers.first_slot},
          std::uint64_t{registers.depth}, registers.fuel_limit, registers.fuel_left,
          registers.progress, std::uint64_t{registers.locals_first},
          std::uint64_t{registers.locals_left}, std::uint64_t{registers.memory_pages},
          std::uint64_t{registers.memory_pages_max}})
        writer.write(value);
    for (const TableSize& table : registers.tables) {
        writer.write(std::uint64_t{table.entries});
        writer.write(std::uint64_t{table.entries_max});
    }
    writer.end_list(list);
}

Result<Registers, RlpError> read_registers(codec::RlpReaderView& reader) {
    MILLRACE_TRY(codec::RlpReaderView list, reader.read_list());
    std::array<std::uint64_t, 12> values{};
    for (std::uint64_t& value : values) {
        MILLRACE_TRY(value, list.read_u64());
    }
    Registers registers;
    const auto narrow = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
    for (const std::size_t index : {1U, 2U, 3U, 4U, 8U, 9U, 10U, 11U}) {
        if (values[index] >> 32U != 0) return Err{RlpError::bad_value};
    }
    if (values[0] > static_cast<std::uint64_t>(Status::out_of_fuel))
        return Err{RlpError::bad_value};
    registers.status = static_cast<Status>(values[0]);
    registers.code = narrow(values[1]);
    registers.instr = narrow(values[2]);
    registers.first_slot = narrow(values[3]);
    registers.depth = narrow(values[4]);
    registers.fuel_limit = values[5];
    registers.fuel_left = values[6];
    registers.progress = values[7];
    registers.locals_first = narrow(values[8]);
    registers.locals_left = narrow(values[9]);
    registers.memory_pages = narrow(values[10]);
    registers.memory_pages_max = narrow(values[11]);
    while (!list.at_end()) {
        if (registers.tables.size() == wasm::tables_max) return Err{RlpError::too_many_items};
        MILLRACE_TRY(const std::uint64_t entries, list.read_u64());
        MILLRACE_TRY(const std::uint64_t entries_max, list.read_u64());
        if (entries > entries_max || entries_max > wasm::StoreLimits{}.table_entries_max)
            return Err{RlpError::bad_value};
        registers.tables.push_back({narrow(entries), narrow(entries_max)});
    }
    const wasm::StoreLimits limits;
    const bool is_possible = registers.first_slot <= limits.stack_slots_max &&
                             registers.depth <= limits.call_depth_max &&
                             registers.fuel_limit <= wasm::fuel::limit_max &&
                             registers.fuel_left <= registers.fuel_limit &&
                             registers.memory_pages <= registers.memory_pages_max &&
                             registers.memory_pages_max <= 65'536 &&
                             registers.locals_first <= 65'535 && registers.locals_left <= 65'535;
    if (!is_possible) return Err{RlpError::bad_value};
    return registers;
}

Hash32 state_root(const Registers& registers, const StateRoots& roots) {
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text("millrace-state-v1");
    write_registers(writer, registers);
    writer.write(roots.program);
    for (const Hash32& root : roots.changing)
        writer.write(root);
    for (const Hash32& root : roots.tables)
        writer.write(root);
    writer.write(roots.host);
    writer.end_list(list);
    return crypto::sha256(writer.view());
}

Registers registers_of(const Parts& parts, Status status, std::uint32_t code) {
    const wasm::Machine& machine = parts.store.machine;
    Registers registers;
    registers.status = status;
    registers.code = code;
    registers.instr = position(parts, machine.ip);
    registers.first_slot = static_cast<std::uint32_t>(machine.slots - parts.store.slots.get());
    registers.depth = static_cast<std::uint32_t>(machine.frame - parts.store.frames.get());
    registers.fuel_limit = parts.store.fuel_limit;
    registers.fuel_left =
        static_cast<std::uint64_t>(std::max<std::int64_t>(parts.store.fuel_left, 0));
    registers.progress = machine.progress;
    registers.locals_left = machine.locals_left;
    registers.locals_first = machine.locals_left > 0 ? machine.locals_first : 0;
    registers.memory_pages = parts.instance.memory->pages();
    registers.memory_pages_max = parts.instance.memory->pages_max();
    for (const wasm::Table* table : parts.instance.tables)
        registers.tables.push_back(
            {static_cast<std::uint32_t>(table->entries.size()), table->entries_max});
    return registers;
}

bool apply_registers(const Parts& parts, const Registers& registers) {
    wasm::Machine& machine = parts.store.machine;
    machine.ip = instr_at(parts, registers.instr);
    if (machine.ip == nullptr) return false;
    machine.slots = parts.store.slots.get() + registers.first_slot;
    machine.frame = parts.store.frames.get() + registers.depth;
    machine.instance = &parts.instance;
    machine.code = registers.instr == halt_position ? nullptr : code_around(parts, registers.instr);
    machine.progress = registers.progress;
    machine.locals_first = registers.locals_first;
    machine.locals_left = registers.locals_left;
    parts.store.fuel_limit = registers.fuel_limit;
    parts.store.fuel_left = static_cast<std::int64_t>(registers.fuel_left);
    return true;
}

void read_page(const Parts& parts, Region region, std::uint32_t page, Page& out) {
    out.fill(0);
    switch (region) {
        case Region::memory: {
            const ByteView all = std::as_const(*parts.instance.memory).bytes();
            const std::size_t from = std::size_t{page} * out.size();
            if (from < all.size()) std::memcpy(out.data(), all.data() + from, out.size());
            return;
        }
        case Region::frames: {
            const wasm::CallFrame* const frames = parts.store.frames.get();
            const auto depth = static_cast<std::size_t>(parts.store.machine.frame - frames);
            for (std::size_t index = 0; index < frames_per_page; ++index) {
                const std::size_t number = page * frames_per_page + index;
                if (number >= depth) return;
                const FrameRecord record{
                    position(parts, frames[number].ip),
                    static_cast<std::uint32_t>(frames[number].slots - parts.store.slots.get())};
                std::memcpy(out.data() + index * sizeof record, &record, sizeof record);
            }
            return;
        }
        case Region::globals:
            for (std::size_t index = 0; index < globals_per_page; ++index) {
                const std::size_t number = page * globals_per_page + index;
                if (number >= parts.instance.globals.size()) return;
                const wasm::Global& global = *parts.instance.globals[number];
                std::memcpy(out.data() + index * 16, &global.bits, 8);
                std::memcpy(out.data() + index * 16 + 8, &global.high, 8);
            }
            return;
        case Region::marks:
            for (std::size_t bit = 0; bit < bits_per_page; ++bit) {
                std::size_t index = 0;
                const auto* list = marks_of(parts, page * bits_per_page + bit, index);
                if (list != nullptr && (*list)[index])
                    out[bit / 8] = static_cast<std::uint8_t>(out[bit / 8] | (1U << (bit % 8)));
            }
            return;
        default:
            break;
    }
    if (region == Region::slots || region >= Region::first_table) {
        const auto words = words_of(parts, region);
        const std::size_t from = page * words_per_page;
        if (from >= words.size()) return;
        std::memcpy(out.data(), words.data() + from,
                    std::min(words_per_page, words.size() - from) * 8);
        return;
    }
    const auto bytes = parts.program.bytes(region);
    const std::size_t from = std::size_t{page} * out.size();
    if (from < bytes.size())
        std::memcpy(out.data(), bytes.data() + from, std::min(out.size(), bytes.size() - from));
}

bool write_page(const Parts& parts, Region region, std::uint32_t page, const Page& in) {
    switch (region) {
        case Region::memory: {
            const auto all = parts.instance.memory->bytes();
            const std::size_t from = std::size_t{page} * in.size();
            if (from < all.size()) std::memcpy(all.data() + from, in.data(), in.size());
            return true;
        }
        case Region::frames: {
            wasm::CallFrame* const frames = parts.store.frames.get();
            const auto depth = static_cast<std::size_t>(parts.store.machine.frame - frames);
            for (std::size_t index = 0; index < frames_per_page; ++index) {
                const std::size_t number = page * frames_per_page + index;
                if (number >= depth) return true;
                FrameRecord record;
                std::memcpy(&record, in.data() + index * sizeof record, sizeof record);
                const bool is_outermost = number == 0;
                const wasm::Instr* ip = instr_at(parts, record.instr);
                if (ip == nullptr || (ip == &wasm::halt_instr) != is_outermost) return false;
                if (record.first_slot > parts.store.limits.stack_slots_max) return false;
                frames[number] = {
                    .ip = ip,
                    .slots = parts.store.slots.get() + record.first_slot,
                    .instance = is_outermost ? nullptr : &parts.instance,
                    .code = is_outermost ? nullptr : code_around(parts, record.instr)};
            }
            return true;
        }
        case Region::globals:
            for (std::size_t index = 0; index < globals_per_page; ++index) {
                const std::size_t number = page * globals_per_page + index;
                if (number >= parts.instance.globals.size()) return true;
                wasm::Global& global = *parts.instance.globals[number];
                std::memcpy(&global.bits, in.data() + index * 16, 8);
                std::memcpy(&global.high, in.data() + index * 16 + 8, 8);
            }
            return true;
        case Region::marks:
            for (std::size_t bit = 0; bit < bits_per_page; ++bit) {
                std::size_t index = 0;
                auto* list = marks_of(parts, page * bits_per_page + bit, index);
                if (list != nullptr) (*list)[index] = (in[bit / 8] >> (bit % 8)) % 2 != 0;
            }
            return true;
        default:
            break;
    }
    if (region == Region::slots || region >= Region::first_table) {
        const auto words = words_of(parts, region);
        const std::size_t from = page * words_per_page;
        if (from < words.size()) {
            std::memcpy(words.data() + from, in.data(),
                        std::min(words_per_page, words.size() - from) * 8);
        }
        return true;
    }
    const auto bytes = parts.program.bytes(region);
    const std::size_t from = std::size_t{page} * in.size();
    if (from < bytes.size())
        std::memcpy(bytes.data() + from, in.data(), std::min(in.size(), bytes.size() - from));
    return true;
}

Status status_of(const wasm::Stop& stop) noexcept {
    switch (stop.kind) {
        case wasm::Stop::Kind::returned:
            return Status::returned;
        case wasm::Stop::Kind::trapped:
            return Status::trapped;
        case wasm::Stop::Kind::exited:
            return Status::exited;
        case wasm::Stop::Kind::out_of_fuel:
            return Status::out_of_fuel;
        default:
            return Status::running;
    }
}

std::uint32_t code_of(const wasm::Stop& stop) noexcept {
    if (stop.kind == wasm::Stop::Kind::trapped) return static_cast<std::uint32_t>(stop.trap);
    return stop.kind == wasm::Stop::Kind::exited ? stop.exit_code : 0;
}

}  // namespace millrace::judge
