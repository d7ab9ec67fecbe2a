// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <cstring>

#include "wasm/fuel.hpp"
#include "wasm/program.hpp"
#include "wasm/runtime.hpp"
#include "wasm/watch.hpp"

// Bulk instructions in parts. The operands stay in their slots until the end, so that "how much is
// done" is all that a part adds to the state. The first part checks bounds and charges for all, as
// the whole instruction does; a copy goes in the direction that leaves its source whole.

namespace millrace::wasm {
namespace {

constexpr std::uint64_t entry_size = sizeof(std::uint64_t);

/// One instruction at work.
struct Bulk {
    StoreData& store;
    Watch& watch;
    const Instr& instr;
    std::uint64_t* slots;

    [[nodiscard]] std::uint64_t operand(std::uint16_t slot) const noexcept {
        return static_cast<std::uint32_t>(slots[slot]);
    }
    [[nodiscard]] InstanceData& instance() const noexcept { return watch.instance(); }
    [[nodiscard]] Table& table(std::uint32_t index) const { return *instance().tables[index]; }

    /// The next part of `length` records of `size` bytes, or why there is none. act(first, count)
    /// is false when the watch refuses.
    template <typename Act>
    BulkStep part(std::uint64_t length, std::uint64_t size, std::uint64_t cost, bool backward,
                  Act act) {
        std::uint64_t& progress = store.machine.progress;
        if (progress == 0 && !store.self->charge(cost)) return BulkResult::out_of_fuel;
        if (progress > length) {
            watch.refuse();
            return BulkStep::Kind::refused;
        }
        const std::uint64_t count = std::min(length - progress, step_bytes_max / size);
        const std::uint64_t first = backward ? length - progress - count : progress;
        if (count > 0 && !act(first, count)) return BulkStep::Kind::refused;
        progress += count;
        if (progress < length) return BulkStep::Kind::again;
        progress = 0;
        return BulkResult::done;
    }
};

bool fits(std::uint64_t offset, std::uint64_t length, std::uint64_t size) noexcept {
    return offset <= size && length <= size - offset;
}

/// A dropped segment is empty.
bool is_dropped(Watch& watch, const std::vector<bool>& dropped, std::uint32_t segment,
                std::uint64_t first, bool& shown) {
    shown = watch.touch(Region::marks, (first + segment) / 8, 1);
    return dropped[segment];
}

BulkStep init_memory(Bulk& bulk) {
    InstanceData& instance = bulk.instance();
    Program& program = bulk.watch.program();
    const std::uint32_t segment = bulk.instr.d;
    bool shown = false;
    const bool dropped = is_dropped(bulk.watch, instance.dropped_data, segment, 0, shown);
    if (!shown || !bulk.watch.touch(Region::segments, std::uint64_t{segment} * 8, 8))
        return BulkStep::Kind::refused;
    const SegmentPlace place = program.segments[segment];
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const std::uint64_t source = bulk.operand(bulk.instr.b);
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    Memory& memory = *instance.memory;
    if (!fits(source, length, dropped ? 0 : place.count) || !memory.contains(target, length))
        return BulkResult::memory_trap;
    return bulk.part(
        length, 1, fuel::for_bytes(length), false, [&](std::uint64_t first, std::uint64_t count) {
            const std::uint64_t from = place.first + source + first;
            if (from + count > program.data.size()) return bulk.watch.refuse();
            if (!bulk.watch.touch(Region::data, from, count) ||
                !bulk.watch.touch(Region::memory, target + first, count))
                return false;
            Memory::mark(memory.data(), target + first, count);
            std::memcpy(memory.data() + target + first, program.data.data() + from, count);
            return true;
        });
}

BulkStep copy_memory(Bulk& bulk) {
    Memory& memory = *bulk.instance().memory;
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const std::uint64_t source = bulk.operand(bulk.instr.b);
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    if (!memory.contains(source, length) || !memory.contains(target, length))
        return BulkResult::memory_trap;
    return bulk.part(length, 1, fuel::for_bytes(length), target > source,
                     [&](std::uint64_t first, std::uint64_t count) {
                         if (!bulk.watch.touch(Region::memory, source + first, count) ||
                             !bulk.watch.touch(Region::memory, target + first, count))
                             return false;
                         Memory::mark(memory.data(), target + first, count);
                         std::memmove(memory.data() + target + first,
                                      memory.data() + source + first, count);
                         return true;
                     });
}

BulkStep fill_memory(Bulk& bulk) {
    Memory& memory = *bulk.instance().memory;
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const auto value = static_cast<std::uint8_t>(bulk.slots[bulk.instr.b]);
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    if (!memory.contains(target, length)) return BulkResult::memory_trap;
    return bulk.part(length, 1, fuel::for_bytes(length), false,
                     [&](std::uint64_t first, std::uint64_t count) {
                         if (!bulk.watch.touch(Region::memory, target + first, count)) return false;
                         Memory::mark(memory.data(), target + first, count);
                         std::memset(memory.data() + target + first, value, count);
                         return true;
                     });
}

BulkStep init_table(Bulk& bulk) {
    InstanceData& instance = bulk.instance();
    Program& program = bulk.watch.program();
    const std::uint32_t segment = bulk.instr.e;
    bool shown = false;
    const bool dropped =
        is_dropped(bulk.watch, instance.dropped_elements, segment, marks_elements_first, shown);
    const std::uint64_t place_index = std::uint64_t{segment_elements_first} + segment;
    if (!shown || !bulk.watch.touch(Region::segments, place_index * 8, 8))
        return BulkStep::Kind::refused;
    const SegmentPlace place = program.segments[place_index];
    Table& table = bulk.table(bulk.instr.d);
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const std::uint64_t source = bulk.operand(bulk.instr.b);
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    if (!fits(source, length, dropped ? 0 : place.count) ||
        !fits(target, length, table.entries.size()))
        return BulkResult::table_trap;
    return bulk.part(
        length, entry_size, length * fuel::units_per_entry, false,
        [&](std::uint64_t first, std::uint64_t count) {
            const std::uint64_t from = place.first + source + first;
            if (from + count > program.elements.size()) return bulk.watch.refuse();
            if (!bulk.watch.touch(Region::elements, from * entry_size, count * entry_size) ||
                !bulk.watch.touch(table_region(bulk.instr.d), (target + first) * entry_size,
                                  count * entry_size))
                return false;
            std::copy_n(program.elements.data() + from, count,
                        table.entries.begin() + static_cast<std::ptrdiff_t>(target + first));
            return true;
        });
}

BulkStep copy_table(Bulk& bulk) {
    Table& to = bulk.table(bulk.instr.d);
    Table& from = bulk.table(bulk.instr.e);
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const std::uint64_t source = bulk.operand(bulk.instr.b);
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    if (!fits(source, length, from.entries.size()) || !fits(target, length, to.entries.size()))
        return BulkResult::table_trap;
    return bulk.part(length, entry_size, length * fuel::units_per_entry, target > source,
                     [&](std::uint64_t first, std::uint64_t count) {
                         if (!bulk.watch.touch(table_region(bulk.instr.e),
                                               (source + first) * entry_size, count * entry_size) ||
                             !bulk.watch.touch(table_region(bulk.instr.d),
                                               (target + first) * entry_size, count * entry_size))
                             return false;
                         std::memmove(to.entries.data() + target + first,
                                      from.entries.data() + source + first, count * entry_size);
                         return true;
                     });
}

BulkStep fill_table(Bulk& bulk) {
    Table& table = bulk.table(bulk.instr.d);
    const std::uint64_t target = bulk.operand(bulk.instr.a);
    const std::uint64_t value = bulk.slots[bulk.instr.b];
    const std::uint64_t length = bulk.operand(bulk.instr.c);
    if (!fits(target, length, table.entries.size())) return BulkResult::table_trap;
    return bulk.part(length, entry_size, length * fuel::units_per_entry, false,
                     [&](std::uint64_t first, std::uint64_t count) {
                         if (!bulk.watch.touch(table_region(bulk.instr.d),
                                               (target + first) * entry_size, count * entry_size))
                             return false;
                         std::fill_n(
                             table.entries.begin() + static_cast<std::ptrdiff_t>(target + first),
                             count, value);
                         return true;
                     });
}

/// The table grows with every part; its entries beyond the end are zeros at all times.
BulkStep grow_table(Bulk& bulk) {
    Table& table = bulk.table(bulk.instr.d);
    const std::uint64_t value = bulk.slots[bulk.instr.b];
    const std::uint64_t delta = bulk.operand(bulk.instr.c);
    const std::uint64_t progress = bulk.store.machine.progress;
    if (progress > table.entries.size() || progress > delta) {
        bulk.watch.refuse();
        return BulkStep::Kind::refused;
    }
    const std::uint64_t before = table.entries.size() - progress;
    if (before > table.entries_max || delta > table.entries_max - before) {
        bulk.slots[bulk.instr.a] = 0xffffffff;
        return BulkResult::done;
    }
    const BulkStep result =
        bulk.part(delta, entry_size, delta * fuel::units_per_entry, false,
                  [&](std::uint64_t first, std::uint64_t count) {
                      if (!bulk.watch.touch(table_region(bulk.instr.d),
                                            (before + first) * entry_size, count * entry_size))
                          return false;
                      table.resize(before + first + count, value);
                      return true;
                  });
    if (result.kind == BulkStep::Kind::ended && result.result == BulkResult::done)
        bulk.slots[bulk.instr.a] = before;
    return result;
}

}  // namespace

BulkStep bulk_step(StoreData& store, Watch& watch, const Instr& instr, std::uint64_t* slots) {
    Bulk bulk{store, watch, instr, slots};
    switch (instr.op) {
        case IrOp::memory_init:
            return init_memory(bulk);
        case IrOp::memory_copy:
            return copy_memory(bulk);
        case IrOp::memory_fill:
            return fill_memory(bulk);
        case IrOp::table_init:
            return init_table(bulk);
        case IrOp::table_copy:
            return copy_table(bulk);
        case IrOp::table_fill:
            return fill_table(bulk);
        case IrOp::table_grow:
            return grow_table(bulk);
        case IrOp::memory_grow: {
            // New pages are zeros, in every state that has them.
            std::uint32_t result = 0;
            const BulkResult grown =
                memory_grow(watch.instance(), static_cast<std::uint32_t>(slots[instr.b]), result);
            if (grown == BulkResult::done) slots[instr.a] = result;
            return grown;
        }
        default:
            watch.refuse();
            return BulkStep::Kind::refused;
    }
}

}  // namespace millrace::wasm
