// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>

#include "judge/recorder.hpp"

namespace millrace::judge {

Snapshot Recorder::snapshot() {
    Snapshot taken;
    taken.registers = registers();
    Page page{};
    constexpr Page zeros{};
    for (std::size_t index = 0; index < trees_.size(); ++index) {
        const Region region = region_of(index);
        auto& list = taken.pages.emplace_back();
        for (std::uint32_t number = 0; number < page_count(region); ++number) {
            read_page(parts(), region, number, page);
            if (page != zeros) list.emplace_back(number, page);
        }
    }
    if (host_ != nullptr) {
        (void)host_root();
        taken.host = host_state_;
        wasi::StateCodec::each_content(*host_, [&taken](std::uint64_t key, ByteView bytes) {
            taken.contents.emplace(key, to_bytes(bytes));
        });
    }
    return taken;
}

bool Recorder::restore_host(const Snapshot& snapshot) {
    if ((host_ == nullptr) != snapshot.host.empty()) return false;
    if (host_ == nullptr) return true;
    if (!wasi::StateCodec::restore(*host_, snapshot.host, snapshot.contents)) return false;
    contents_.emplace(*host_);
    return true;
}

bool Recorder::restore(const Snapshot& snapshot) {
    const Registers& registers = snapshot.registers;
    wasm::Memory& memory = *instance_.memory;
    if (snapshot.pages.size() != trees_.size() ||
        registers.tables.size() != instance_.tables.size() ||
        registers.memory_pages < memory.pages() ||
        registers.memory_pages_max != memory.pages_max() || !restore_host(snapshot))
        return false;
    if (memory.grow(registers.memory_pages - memory.pages()) != wasm::Memory::Grown::yes)
        return false;
    std::ranges::fill(memory.bytes(), std::uint8_t{0});
    if (memory.size() > 0) wasm::Memory::mark(memory.data(), 0, memory.size());
    for (std::size_t index = 0; index < instance_.tables.size(); ++index) {
        wasm::Table& table = *instance_.tables[index];
        if (registers.tables[index].entries_max != table.entries_max) return false;
        table.resize(0, 0);
        table.resize(registers.tables[index].entries, 0);
    }
    std::fill_n(data_.slots.get(), data_.slots_high, std::uint64_t{0});
    if (!apply_registers(parts(), registers)) return false;
    std::uint64_t high = std::uint64_t{registers.first_slot} + 65'536;
    for (std::size_t index = 0; index < trees_.size(); ++index) {
        const Region region = region_of(index);
        for (std::uint32_t number = 0; number < page_count(region); ++number)
            if (region == Region::globals || region == Region::marks)
                (void)write_page(parts(), region, number, Page{});
        for (const auto& [number, page] : snapshot.pages[index]) {
            if (!write_page(parts(), region, number, page)) return false;
            if (region == Region::slots)
                high = std::max(high, (std::uint64_t{number} + 1) * (wasm::state_page_size / 8));
        }
    }
    data_.slots_high =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(high, data_.limits.stack_slots_max));
    status_ = registers.status;
    stop_ = {};
    stop_.kind = status_ == Status::running ? wasm::Stop::Kind::again : stop_.kind;
    return true;
}

}  // namespace millrace::judge
