// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/recorder.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace millrace::judge {
namespace {

constexpr std::size_t number(Region region) noexcept {
    return static_cast<std::size_t>(region);
}
/// Where a region's tree is: the changing regions come first, then the tables.
constexpr std::size_t tree_index(Region region) noexcept {
    return region < Region::first_table ? number(region)
                                        : number(region) - wasm::fixed_regions + changing_regions;
}

}  // namespace

Recorder::Recorder(wasm::Store& store, wasm::Instance& instance, wasi::Context* host)
    : store_{store}, data_{store.data()}, instance_{instance.data()}, host_{host} {
    if (host_ != nullptr) contents_.emplace(*host_);
}

std::unique_ptr<Recorder> Recorder::create(wasm::Store& store, wasm::Instance& instance,
                                           wasi::Context* host) {
    MILLRACE_ASSERT(store.data().instances.size() == 1);
    std::unique_ptr<Recorder> made{new Recorder{store, instance, host}};
    made->program_ = wasm::Program::build(instance.data());
    if (!made->program_) return nullptr;
    for (std::size_t index = 0; index < changing_regions; ++index)
        made->trees_.emplace_back(wasm::depth_of(static_cast<Region>(index)));
    for (std::size_t table = 0; table < made->instance_.tables.size(); ++table)
        made->trees_.emplace_back(wasm::depth_of(wasm::table_region(table)));
    made->shadows_.resize(made->trees_.size());
    // Data segments are in place already, and were not marked page by page for us.
    wasm::Memory& memory = *made->instance_.memory;
    if (memory.size() > 0) wasm::Memory::mark(memory.data(), 0, memory.size());
    return made;
}

void Recorder::take(wasm::Stop stop) {
    status_ = status_of(stop);
    stop_ = std::move(stop);
    data_.fuel_hold = 0;
}

void Recorder::start(const wasm::Extern& entry) {
    MILLRACE_ASSERT(entry.function != nullptr && entry.function->type->params.empty());
    data_.fuel_hold = data_.fuel_left + 1;  // the function's entry is the first safe point
    take(wasm::advance(data_, entry.function, nullptr));
}

void Recorder::hold(std::uint64_t fuel) {
    const std::uint64_t limit = data_.fuel_limit;
    data_.fuel_hold = fuel < limit ? static_cast<std::int64_t>(limit - fuel) : 0;
}

void Recorder::run_to(std::uint64_t fuel) {
    if (!is_running()) return;
    // Parts of a step first: the fast interpreter knows none.
    while (is_running() && (data_.machine.progress > 0 || data_.machine.locals_left > 0))
        run_steps(1);
    if (!is_running()) return;
    hold(fuel);
    take(wasm::advance(data_, nullptr, nullptr));
}

void Recorder::run_steps(std::uint64_t steps) {
    if (!is_running()) return;
    wasm::Watch watch{data_, instance_, *program_};
    watch.steps_left = steps;
    take(wasm::advance(data_, nullptr, &watch));
    MILLRACE_ASSERT(!watch.is_refused());
}

Registers Recorder::registers() {
    return registers_of(parts(), status_, code_of(stop_));
}

std::uint32_t Recorder::page_count(Region region) const {
    const auto pages = [](std::uint64_t bytes) {
        return static_cast<std::uint32_t>((bytes + wasm::state_page_size - 1) /
                                          wasm::state_page_size);
    };
    switch (region) {
        case Region::memory:
            return pages(instance_.memory->size());
        case Region::slots:
            return pages(std::uint64_t{data_.slots_high} * 8);
        case Region::frames:
            return pages(static_cast<std::uint64_t>(data_.machine.frame - data_.frames.get()) * 8);
        case Region::globals:
            return pages(instance_.globals.size() * 16);
        case Region::marks:
            return pages((wasm::marks_elements_first + instance_.dropped_elements.size() + 7) / 8);
        default:
            return pages(instance_.tables[number(region) - wasm::fixed_regions]->entries.size() *
                         8);
    }
}

Region Recorder::region_of(std::size_t tree) noexcept {
    return tree < changing_regions ? static_cast<Region>(tree)
                                   : wasm::table_region(tree - changing_regions);
}

wasm::PageTree& Recorder::tree(Region region) {
    return trees_[tree_index(region)];
}

/// Memory by its marks; the others, which are small, by comparing with what was hashed last.
void Recorder::settle(Region region) {
    wasm::PageTree& into = tree(region);
    if (region == Region::memory) {
        wasm::Memory& memory = *instance_.memory;
        const std::uint32_t count = page_count(region);
        for (std::uint32_t page = 0; page < count; ++page) {
            if (!memory.is_marked(page)) continue;
            into.set_page(page, {memory.data() + std::size_t{page} * wasm::state_page_size,
                                 wasm::state_page_size});
        }
        memory.clear_marks();
        return;
    }
    auto& shadow = shadows_[tree_index(region)];
    if (shadow.size() < page_count(region)) shadow.resize(page_count(region), Page{});
    Page page{};
    for (std::uint32_t index = 0; index < shadow.size(); ++index) {
        read_page(parts(), region, index, page);
        if (page == shadow[index]) continue;
        shadow[index] = page;
        into.set_page(index, page);
    }
}

StateRoots Recorder::roots() {
    StateRoots roots;
    roots.program = program_->root();
    for (std::size_t index = 0; index < trees_.size(); ++index) {
        const Region region = region_of(index);
        settle(region);
        const Hash32& root = trees_[index].root();
        if (index < changing_regions) {
            roots.changing[index] = root;
        } else {
            roots.tables.push_back(root);
        }
    }
    roots.host = host_root();
    return roots;
}

Hash32 Recorder::host_root() {
    if (host_ == nullptr) return {};
    host_state_ = wasi::StateCodec::encode(*host_, contents_->settle());
    return crypto::sha256(host_state_);
}

/// The host's state and contents as they were when recording began.
void Recorder::add_host(Witness& witness, const wasm::Watch& watch) const {
    if (host_ == nullptr) return;
    witness.host_root = crypto::sha256(host_state_);
    if (!watch.was_host_asked()) return;
    witness.host = host_state_;
    std::vector<std::uint32_t> pages;
    for (const auto& [name, page] : watch.contents_before()) {
        if (witness.contents.empty() || witness.contents.back().key != name.first)
            witness.contents.push_back({name.first, {}});
        witness.contents.back().proof.pages.emplace_back(name.second, page);
    }
    for (ContentProof& content : witness.contents) {
        const wasm::PageTree* tree = contents_->find(content.key);
        MILLRACE_ASSERT(tree != nullptr);
        pages.clear();
        for (const auto& [number, page] : content.proof.pages)
            pages.push_back(number);
        content.proof.siblings = tree->siblings(pages);
    }
}

Hash32 Recorder::root() {
    return state_root(registers(), roots());
}

Hash32 Recorder::root_from_scratch() {
    StateRoots roots;
    roots.program = program_->root();
    for (std::size_t index = 0; index < trees_.size(); ++index) {
        const Region region = region_of(index);
        wasm::PageTree all{wasm::depth_of(region)};
        Page page{};
        for (std::uint32_t number = 0; number < page_count(region); ++number) {
            read_page(parts(), region, number, page);
            all.set_page(number, page);
        }
        if (index < changing_regions) {
            roots.changing[index] = all.root();
        } else {
            roots.tables.push_back(all.root());
        }
    }
    if (host_ != nullptr) {
        wasi::ContentTrees all{*host_};
        roots.host = crypto::sha256(wasi::StateCodec::encode(*host_, all.settle()));
    }
    return state_root(registers(), roots);
}

Page Recorder::page_before(Region region, std::uint32_t page, const wasm::Watch& watch) {
    Page bytes{};
    if (region == Region::memory) {
        const Page* before = watch.memory_before(page);
        MILLRACE_ASSERT(before != nullptr);
        bytes = *before;
    } else if (number(region) >= changing_regions && region < Region::first_table) {
        read_page(parts(), region, page, bytes);
    } else {
        const auto& shadow = shadows_[tree_index(region)];
        if (page < shadow.size()) bytes = shadow[page];
    }
    return bytes;
}

Segment Recorder::record(std::uint64_t steps, std::size_t witness_bytes, std::uint64_t fuel) {
    MILLRACE_ASSERT(is_running() && steps > 0 && witness_bytes > wasm::step_witness_max);
    Segment segment;
    segment.start = root();
    Witness& witness = segment.witness;
    witness.registers = registers();
    witness.counts = program_->counts;
    wasm::Watch watch{data_, instance_, *program_};
    watch.steps_left = steps;
    watch.host_bytes = host_state_.size();
    watch.record(witness_bytes - wasm::step_witness_max);
    if (host_ != nullptr) {
        watch.new_contents_from = wasi::StateCodec::last_content(*host_) + 1;
        host_->watch(&watch);
    }
    hold(fuel);
    wasm::Stop stop = wasm::advance(data_, nullptr, &watch);
    segment.is_at_end = stop.kind != wasm::Stop::Kind::again;
    data_.fuel_hold = 0;
    if (stop.kind == wasm::Stop::Kind::at_safe_point && data_.machine.locals_left > 0) {
        // A function is entered when its locals are cleared.
        const std::uint64_t rest = watch.steps_left;
        watch.steps_left =
            (data_.machine.locals_left + wasm::step_slots_max - 1) / wasm::step_slots_max;
        steps += watch.steps_left;
        stop = wasm::advance(data_, nullptr, &watch);
        watch.steps_left += rest;
    }
    take(std::move(stop));
    if (host_ != nullptr) host_->watch(nullptr);
    MILLRACE_ASSERT(!watch.is_refused());
    witness.steps = steps - watch.steps_left;
    // The trees still know the state before the segment.
    add_host(witness, watch);
    for (std::size_t index = 0; index < wasm::fixed_regions + instance_.tables.size(); ++index) {
        const auto region = static_cast<Region>(index);
        const std::vector<std::uint32_t> pages = watch.touched(region);
        RegionProof& proof = witness.regions.emplace_back();
        for (const std::uint32_t page : pages)
            proof.pages.emplace_back(page, page_before(region, page, watch));
        const bool is_program = index >= changing_regions && region < Region::first_table;
        proof.siblings =
            is_program ? program_->tree(region).siblings(pages) : tree(region).siblings(pages);
    }
    segment.end = root();
    return segment;
}

}  // namespace millrace::judge
