// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/program.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "codec/rlp.hpp"
#include "crypto/hash.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {
namespace {

template <typename Record>
std::span<std::uint8_t> bytes_of(RecordList<Record>& list) noexcept {
    return {reinterpret_cast<std::uint8_t*>(list.data()), list.size() * sizeof(Record)};
}

bool fits(const ProgramCounts& counts) noexcept {
    const auto within = [](std::uint64_t count, std::uint64_t size, Region region) {
        return count * size <= bytes_max(region);
    };
    return within(counts.headers, sizeof(FunctionHeader), Region::headers) &&
           within(counts.functions, 4, Region::functions) &&
           within(counts.instrs, sizeof(Instr), Region::instrs) &&
           within(counts.targets, sizeof(BranchTarget), Region::targets) &&
           within(counts.shuffles, 16, Region::shuffles) &&
           within(counts.types, 4, Region::types) &&
           counts.data_segments <= segment_elements_first &&
           counts.element_segments <= segment_elements_first &&
           within(counts.data_bytes, 1, Region::data) &&
           within(counts.elements, 8, Region::elements) &&
           within(counts.globals, 16, Region::globals) && counts.tables <= tables_max;
}

}  // namespace

std::array<std::uint32_t, ProgramCounts::fields> ProgramCounts::list() const noexcept {
    return {headers,       functions,        instrs,     targets,  shuffles, types,
            data_segments, element_segments, data_bytes, elements, globals,  tables};
}

std::optional<ProgramCounts> ProgramCounts::from(const std::array<std::uint32_t, fields>& list) {
    const ProgramCounts counts{list[0], list[1], list[2], list[3], list[4],  list[5],
                               list[6], list[7], list[8], list[9], list[10], list[11]};
    if (!fits(counts)) return std::nullopt;
    return counts;
}

std::unique_ptr<Program> Program::blank(const ProgramCounts& counts) {
    auto program = std::make_unique<Program>();
    program->counts = counts;
    const std::size_t segments = counts.element_segments > 0
                                     ? std::size_t{segment_elements_first} + counts.element_segments
                                     : counts.data_segments;
    const bool allocated =
        program->headers.allocate(counts.headers) &&
        program->functions.allocate(counts.functions) && program->instrs.allocate(counts.instrs) &&
        program->targets.allocate(counts.targets) && program->shuffles.allocate(counts.shuffles) &&
        program->types.allocate(counts.types) && program->segments.allocate(segments) &&
        program->data.allocate(counts.data_bytes) && program->elements.allocate(counts.elements);
    if (!allocated) return nullptr;
    return program;
}

std::unique_ptr<Program> Program::build(InstanceData& instance) {
    const ModuleData& module = instance.module->data();
    StoreData& store = *instance.store;
    std::vector<Code> codes;
    std::uint64_t instrs = 0;
    std::uint64_t targets = 0;
    std::uint64_t shuffles = 0;
    for (const Body& body : module.bodies) {
        codes.push_back(translate(module, body));
        instrs += codes.back().instrs.size();
        targets += codes.back().targets.size();
        shuffles += codes.back().shuffles.size();
    }
    std::uint64_t data_bytes = 0;
    for (const DataSegment& segment : module.data)
        data_bytes += segment.size;
    std::uint64_t elements = 0;
    for (const ElementSegment& segment : module.elements)
        elements += segment.elements.size();
    if (std::max({instrs, targets, shuffles, data_bytes, elements}) >> 32U != 0) return nullptr;
    ProgramCounts counts{.headers = static_cast<std::uint32_t>(store.functions.size()),
                         .functions = static_cast<std::uint32_t>(instance.functions.size()),
                         .instrs = static_cast<std::uint32_t>(instrs),
                         .targets = static_cast<std::uint32_t>(targets),
                         .shuffles = static_cast<std::uint32_t>(shuffles),
                         .types = static_cast<std::uint32_t>(instance.type_ids.size()),
                         .data_segments = static_cast<std::uint32_t>(module.data.size()),
                         .element_segments = static_cast<std::uint32_t>(module.elements.size()),
                         .data_bytes = static_cast<std::uint32_t>(data_bytes),
                         .elements = static_cast<std::uint32_t>(elements),
                         .globals = static_cast<std::uint32_t>(instance.globals.size()),
                         .tables = static_cast<std::uint32_t>(instance.tables.size())};
    if (!fits(counts)) return nullptr;
    auto program = blank(counts);
    if (!program) return nullptr;

    for (std::size_t index = 0; index < store.functions.size(); ++index) {
        const Function& function = *store.functions[index];
        program->headers[index] = {.kind = function.host ? 2U : 1U, .type_id = function.type_id};
    }
    for (std::size_t index = 0; index < instance.functions.size(); ++index)
        program->functions[index] =
            static_cast<std::uint32_t>(instance.functions[index]->reference - 1);
    std::uint32_t instr = 0;
    std::uint32_t target = 0;
    std::uint32_t shuffle = 0;
    for (std::size_t index = 0; index < codes.size(); ++index) {
        Code& code = codes[index];
        Function& function = *instance.functions[module.imported_functions + index];
        const auto count = static_cast<std::uint32_t>(code.instrs.size());
        FunctionHeader& header = program->headers[function.reference - 1];
        header.first = instr;
        header.entry_cost = code.entry_cost;
        header.params = code.params;
        header.locals = code.locals;
        header.frame_slots = code.frame_slots;
        for (Instr copied : code.instrs) {
            if (copied.op == IrOp::br_table) copied.d += target;
            if (copied.op == IrOp::simd_shuffle) copied.d += shuffle;
            program->instrs[instr++] = copied;
        }
        for (const BranchTarget& entry : code.targets)
            program->targets[target++] = entry;
        for (const auto& lanes : code.shuffles)
            program->shuffles[shuffle++] = lanes;
        auto linked = std::make_unique<Code>();
        linked->entry_cost = code.entry_cost;
        linked->params = code.params;
        linked->locals = code.locals;
        linked->frame_slots = code.frame_slots;
        linked->first_instr = program->instrs.data() + header.first;
        linked->first_target = program->targets.data();
        linked->first_shuffle = program->shuffles.data();
        linked->instr_count = count;
        program->codes_.push_back(linked.get());
        function.code = std::move(linked);
        code = {};
    }
    std::ranges::copy(instance.type_ids, program->types.data());
    std::uint32_t byte = 0;
    for (std::size_t index = 0; index < module.data.size(); ++index) {
        const DataSegment& segment = module.data[index];
        program->segments[index] = {byte, segment.size};
        if (segment.size > 0) {
            std::memcpy(program->data.data() + byte, module.bytes.data() + segment.begin,
                        segment.size);
        }
        byte += segment.size;
    }
    std::uint32_t element = 0;
    for (std::size_t index = 0; index < module.elements.size(); ++index) {
        const auto& list = module.elements[index].elements;
        program->segments[segment_elements_first + index] = {
            element, static_cast<std::uint32_t>(list.size())};
        for (const ElementInit& init : list)
            program->elements[element++] = element_value(instance, init);
    }
    program->hash();
    return program;
}

const Code* Program::code_at(std::uint32_t position) const {
    const Instr* const instr = instrs.data() + position;
    const auto after = std::ranges::upper_bound(codes_, instr, {},
                                                [](const Code* code) { return code->first_instr; });
    return after == codes_.begin() ? nullptr : *(after - 1);
}

std::span<std::uint8_t> Program::bytes(Region region) noexcept {
    switch (region) {
        case Region::headers:
            return bytes_of(headers);
        case Region::functions:
            return bytes_of(functions);
        case Region::instrs:
            return bytes_of(instrs);
        case Region::targets:
            return bytes_of(targets);
        case Region::shuffles:
            return bytes_of(shuffles);
        case Region::types:
            return bytes_of(types);
        case Region::segments:
            return bytes_of(segments);
        case Region::data:
            return bytes_of(data);
        case Region::elements:
            return bytes_of(elements);
        default:
            MILLRACE_ASSERT(false);
            return {};
    }
}

const PageTree& Program::tree(Region region) const {
    const auto index =
        static_cast<std::size_t>(region) - static_cast<std::size_t>(first_program_region);
    MILLRACE_ASSERT(index < trees_.size());
    return trees_[index];
}

void Program::hash() {
    std::vector<Hash32> roots;
    for (std::size_t index = 0; index < program_regions; ++index) {
        const auto region =
            static_cast<Region>(static_cast<std::size_t>(first_program_region) + index);
        PageTree& tree = trees_.emplace_back(depth_of(region));
        const auto all = bytes(region);
        const std::size_t pages = (all.size() + state_page_size - 1) / state_page_size;
        // A list ends in a whole page (RecordList::allocate).
        for (std::size_t page = 0; page < pages; ++page)
            tree.set_page(static_cast<std::uint32_t>(page),
                          {all.data() + page * state_page_size, state_page_size});
        roots.push_back(tree.root());
    }
    root_ = root_of(counts, roots);
}

Hash32 Program::root_of(const ProgramCounts& counts, std::span<const Hash32> regions) {
    MILLRACE_ASSERT(regions.size() == program_regions);
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text("millrace-program-v1");
    for (const std::uint32_t count : counts.list())
        writer.write(std::uint64_t{count});
    for (const Hash32& root : regions)
        writer.write(root);
    writer.end_list(list);
    return crypto::sha256(writer.view());
}

}  // namespace millrace::wasm
