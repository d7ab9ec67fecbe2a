// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <cstring>

#include "wasm/fuel.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {
namespace {

bool fits(std::uint64_t offset, std::uint64_t length, std::uint64_t size) noexcept {
    return offset <= size && length <= size - offset;
}
bool charge(InstanceData& instance, std::uint64_t cost) noexcept {
    return instance.store->self->charge(cost);
}

}  // namespace

BulkResult memory_init(InstanceData& instance, std::uint32_t segment, std::uint64_t target,
                       std::uint64_t source, std::uint64_t length) {
    const ModuleData& module = instance.module->data();
    const DataSegment& data = module.data[segment];
    const std::uint64_t size = instance.dropped_data[segment] ? 0 : data.size;
    if (!fits(source, length, size) || !fits(target, length, instance.memory->size()))
        return BulkResult::memory_trap;
    if (!charge(instance, fuel::for_bytes(length))) return BulkResult::out_of_fuel;
    if (length > 0) {
        instance.memory->note_write(target, length);
        std::memcpy(instance.memory->data() + target, module.bytes.data() + data.begin + source,
                    length);
    }
    return BulkResult::done;
}

BulkResult memory_copy(InstanceData& instance, std::uint64_t target, std::uint64_t source,
                       std::uint64_t length) {
    Memory& memory = *instance.memory;
    if (!fits(source, length, memory.size()) || !fits(target, length, memory.size()))
        return BulkResult::memory_trap;
    if (!charge(instance, fuel::for_bytes(length))) return BulkResult::out_of_fuel;
    memory.note_write(target, length);
    std::memmove(memory.data() + target, memory.data() + source, length);
    return BulkResult::done;
}

BulkResult memory_fill(InstanceData& instance, std::uint64_t target, std::uint8_t value,
                       std::uint64_t length) {
    Memory& memory = *instance.memory;
    if (!fits(target, length, memory.size())) return BulkResult::memory_trap;
    if (!charge(instance, fuel::for_bytes(length))) return BulkResult::out_of_fuel;
    memory.note_write(target, length);
    std::memset(memory.data() + target, value, length);
    return BulkResult::done;
}

BulkResult memory_grow(InstanceData& instance, std::uint32_t delta, std::uint32_t& result) {
    Memory& memory = *instance.memory;
    result = 0xffffffff;
    if (!memory.can_grow(delta)) return BulkResult::done;
    if (!charge(instance, std::uint64_t{delta} * fuel::units_per_page))
        return BulkResult::out_of_fuel;
    const std::uint32_t before = memory.pages();
    if (memory.grow(delta) != Memory::Grown::yes) return BulkResult::exhausted;
    result = before;
    return BulkResult::done;
}

BulkResult table_init(InstanceData& instance, std::uint32_t table, std::uint32_t segment,
                      std::uint64_t target, std::uint64_t source, std::uint64_t length) {
    const ElementSegment& elements = instance.module->data().elements[segment];
    std::vector<std::uint64_t>& entries = instance.tables[table]->entries;
    const std::uint64_t size = instance.dropped_elements[segment] ? 0 : elements.elements.size();
    if (!fits(source, length, size) || !fits(target, length, entries.size()))
        return BulkResult::table_trap;
    if (!charge(instance, length * fuel::units_per_entry)) return BulkResult::out_of_fuel;
    for (std::uint64_t index = 0; index < length; ++index)
        entries[target + index] = element_value(instance, elements.elements[source + index]);
    return BulkResult::done;
}

BulkResult table_copy(InstanceData& instance, std::uint32_t target_table,
                      std::uint32_t source_table, std::uint64_t target, std::uint64_t source,
                      std::uint64_t length) {
    std::vector<std::uint64_t>& to = instance.tables[target_table]->entries;
    const std::vector<std::uint64_t>& from = instance.tables[source_table]->entries;
    if (!fits(source, length, from.size()) || !fits(target, length, to.size()))
        return BulkResult::table_trap;
    if (!charge(instance, length * fuel::units_per_entry)) return BulkResult::out_of_fuel;
    if (length > 0)
        std::memmove(to.data() + target, from.data() + source, length * sizeof(std::uint64_t));
    return BulkResult::done;
}

BulkResult table_fill(InstanceData& instance, std::uint32_t table, std::uint64_t target,
                      std::uint64_t value, std::uint64_t length) {
    std::vector<std::uint64_t>& entries = instance.tables[table]->entries;
    if (!fits(target, length, entries.size())) return BulkResult::table_trap;
    if (!charge(instance, length * fuel::units_per_entry)) return BulkResult::out_of_fuel;
    std::fill_n(entries.begin() + static_cast<std::ptrdiff_t>(target), length, value);
    return BulkResult::done;
}

BulkResult table_grow(InstanceData& instance, std::uint32_t table, std::uint64_t value,
                      std::uint32_t delta, std::uint32_t& result) {
    Table& grown = *instance.tables[table];
    result = 0xffffffff;
    const auto before = static_cast<std::uint32_t>(grown.entries.size());
    if (delta > grown.entries_max - before) return BulkResult::done;
    if (!charge(instance, std::uint64_t{delta} * fuel::units_per_entry))
        return BulkResult::out_of_fuel;
    grown.resize(grown.entries.size() + delta, value);
    result = before;
    return BulkResult::done;
}

std::uint64_t element_value(const InstanceData& instance, const ElementInit& element) noexcept {
    switch (element.opcode) {
        case 0xd2:
            return instance.functions[element.index]->reference;
        case 0x23:
            return instance.globals[element.index]->bits;
        default:
            return 0;
    }
}

}  // namespace millrace::wasm
