// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/replay.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "wasi/state.hpp"
#include "wasm/watch.hpp"

namespace millrace::judge {
namespace {

std::optional<StateRoots> roots_of(const Witness& witness) {
    StateRoots roots;
    std::vector<Hash32> program;
    for (std::size_t index = 0; index < witness.regions.size(); ++index) {
        const auto region = static_cast<Region>(index);
        const auto root = witness.regions[index].root(wasm::depth_of(region));
        if (!root) return std::nullopt;
        if (index < changing_regions) {
            roots.changing[index] = *root;
        } else if (region < Region::first_table) {
            program.push_back(*root);
        } else {
            roots.tables.push_back(*root);
        }
    }
    roots.program = wasm::Program::root_of(witness.counts, program);
    roots.host = witness.host_root;
    return roots;
}

std::uint64_t address_space(const Witness& witness) noexcept {
    const wasm::ProgramCounts& counts = witness.counts;
    std::uint64_t bytes = std::uint64_t{witness.registers.memory_pages_max} * wasm::page_size;
    for (const TableSize& table : witness.registers.tables)
        bytes += std::uint64_t{table.entries} * 8;
    bytes += std::uint64_t{counts.instrs} * 16 + std::uint64_t{counts.targets} * 8 +
             std::uint64_t{counts.shuffles} * 16 + counts.data_bytes +
             std::uint64_t{counts.elements} * 8;
    return bytes;
}

/// A machine that has only what the witness shows.
class Judge {
  public:
    Judge(const Witness& witness, ReplayLimits limits)
        : witness_{witness},
          limits_{limits},
          data_{store_.data()},
          instance_{std::make_unique<wasm::InstanceData>()} {}

    Result<void, Refusal> build() {
        program_ = wasm::Program::blank(witness_.counts);
        if (!program_) return Err{Refusal::machine_exhausted};
        const Registers& registers = witness_.registers;
        instance_->store = &data_;
        MILLRACE_TRY_VOID(build_host());
        // Growing must not copy: the machine may be larger than this one's memory.
        auto memory =
            wasm::Memory::create({.min = registers.memory_pages, .max = registers.memory_pages_max},
                                 registers.memory_pages_max, true);
        if (!memory) return Err{Refusal::machine_exhausted};
        instance_->memory = memory.get();
        instance_->memories.push_back(memory.get());
        data_.memories.push_back(std::move(memory));
        for (const TableSize& size : registers.tables) {
            const wasm::Extern table = store_.add_table({});
            table.table->entries_max = size.entries_max;
            table.table->resize(size.entries, 0);
            instance_->tables.push_back(table.table);
        }
        for (std::uint32_t index = 0; index < witness_.counts.globals; ++index)
            instance_->globals.push_back(store_.add_global({}, wasm::Value::i32(0)).global);
        instance_->dropped_data.resize(witness_.counts.data_segments);
        instance_->dropped_elements.resize(witness_.counts.element_segments);
        program_->shared_code = std::make_unique<wasm::Code>();
        program_->shared_code->first_instr = program_->instrs.data();
        program_->shared_code->first_target = program_->targets.data();
        program_->shared_code->first_shuffle = program_->shuffles.data();
        program_->shared_code->instr_count = witness_.counts.instrs;

        if (!apply_registers(parts(), registers)) return Err{Refusal::impossible_state};
        for (std::size_t index = 0; index < witness_.regions.size(); ++index) {
            for (const auto& [number, page] : witness_.regions[index].pages) {
                if (!write_page(parts(), static_cast<Region>(index), number, page))
                    return Err{Refusal::impossible_state};
            }
        }
        instance_->type_ids.assign(program_->types.data(),
                                   program_->types.data() + witness_.counts.types);
        return build_functions();
    }

    /// The state after the segment.
    Result<Replayed, Refusal> run() {
        wasm::Watch watch{data_, *instance_, *program_};
        watch.judge();
        for (std::size_t index = 0; index < witness_.regions.size(); ++index) {
            for (const auto& [number, page] : witness_.regions[index].pages)
                watch.show(static_cast<Region>(index), number);
        }
        watch.steps_left = witness_.steps;
        if (host_) {
            for (const ContentProof& content : witness_.contents) {
                for (const auto& [number, page] : content.proof.pages)
                    watch.show_content(content.key, number);
            }
            watch.new_contents_from = wasi::StateCodec::last_content(*host_) + 1;
            host_->watch(&watch);
        }
        const wasm::Stop stop = wasm::advance(data_, nullptr, &watch);
        if (stop.kind == wasm::Stop::Kind::refused || watch.is_refused())
            return Err{Refusal::missing_page};
        if (watch.steps_left > 0) return Err{Refusal::ended_early};
        if (stop.kind == wasm::Stop::Kind::trapped &&
            stop.trap == wasm::TrapKind::machine_exhausted)
            return Err{Refusal::machine_exhausted};
        Replayed end{.root = {},
                     .registers = registers_of(parts(), status_of(stop), code_of(stop))};
        Witness after = witness_;
        for (std::size_t index = 0; index < after.regions.size(); ++index) {
            const auto region = static_cast<Region>(index);
            if (index >= changing_regions && region < Region::first_table) continue;
            for (auto& [number, page] : after.regions[index].pages)
                read_page(parts(), region, number, page);
        }
        if (host_) {
            const auto contents = contents_after(watch.new_contents_from);
            if (!contents) return Err{Refusal::missing_page};
            after.host_root = crypto::sha256(wasi::StateCodec::encode(*host_, *contents));
        }
        const auto roots = roots_of(after);
        MILLRACE_ASSERT(roots.has_value());
        end.root = state_root(end.registers, *roots);
        return end;
    }

  private:
    [[nodiscard]] Parts parts() { return {data_, *instance_, *program_}; }

    /// The host in the state that is shown. Without one no step may call its functions.
    Result<void, Refusal> build_host() {
        if (witness_.host.empty()) return {};
        auto decoded = wasi::StateCodec::decode(witness_.host, limits_.contents, contents_);
        if (!decoded) {
            return Err{decoded.error() == codec::RlpError::wrong_size ? Refusal::machine_exhausted
                                                                      : Refusal::impossible_state};
        }
        host_ = std::move(decoded).value();
        for (const ContentProof& content : witness_.contents) {
            const auto known = contents_.find(content.key);
            if (known == contents_.end()) return Err{Refusal::malformed_proof};
            const auto root = content.proof.root(wasm::content_depth);
            if (!root || *root != known->second.root) return Err{Refusal::malformed_proof};
            for (const auto& [number, page] : content.proof.pages) {
                const std::uint64_t at = std::uint64_t{number} * page.size();
                const std::uint64_t size = known->second.size;
                if (at >= size) continue;
                const std::size_t length = std::min<std::size_t>(page.size(), size - at);
                if (!wasi::StateCodec::put(*host_, content.key, at, ByteView{page}.first(length)))
                    return Err{Refusal::impossible_state};
            }
        }
        host_->define(linker_);
        return {};
    }

    /// The roots of all contents after the segment; null when a proof does not reach.
    std::optional<wasi::ContentRoots> contents_after(std::uint64_t new_from) {
        wasi::ContentRoots roots;
        bool is_complete = true;
        wasi::StateCodec::each_content(*host_, [&](std::uint64_t key, ByteView bytes) {
            wasi::ContentRoot& now = roots[key];
            now.size = bytes.size();
            if (key >= new_from) {
                now.root = root_of_whole(bytes);
                return;
            }
            const std::uint64_t kept = wasi::StateCodec::pages_kept(*host_, key);
            const auto proof = std::ranges::find(witness_.contents, key, &ContentProof::key);
            if (proof == witness_.contents.end()) {
                now.root =
                    kept == 0 ? wasm::zero_root(wasm::content_depth) : contents_.at(key).root;
                return;
            }
            std::vector<wasm::PageHash> hashes;
            for (const auto& [number, page] : proof->proof.pages)
                hashes.emplace_back(number, hash_of_page(bytes, number));
            const auto root =
                wasm::root_of(wasm::content_depth, hashes, proof->proof.siblings, kept);
            is_complete = is_complete && root.has_value();
            if (root) now.root = *root;
        });
        if (!is_complete) return std::nullopt;
        return roots;
    }
    static Hash32 hash_of_page(ByteView bytes, std::uint64_t number) {
        Page page{};
        const std::uint64_t at = number * page.size();
        if (at < bytes.size()) {
            std::ranges::copy(
                bytes.subspan(at, std::min<std::size_t>(page.size(), bytes.size() - at)),
                page.begin());
        }
        return crypto::sha256(page);
    }
    static Hash32 root_of_whole(ByteView bytes) {
        wasm::PageTree tree{wasm::content_depth};
        for (std::uint32_t page = 0; std::uint64_t{page} * wasm::state_page_size < bytes.size();
             ++page)
            tree.set(page, hash_of_page(bytes, page));
        return tree.root();
    }

    /// Those whose header is shown.
    Result<void, Refusal> build_functions() {
        data_.functions.resize(
            std::max<std::size_t>(data_.functions.size(), witness_.counts.headers), nullptr);
        constexpr std::uint32_t per_page = wasm::state_page_size / sizeof(wasm::FunctionHeader);
        for (const auto& [number, page] : witness_.of(Region::headers).pages) {
            const std::uint32_t first = number * per_page;
            const std::uint32_t end = std::min(first + per_page, witness_.counts.headers);
            for (std::uint32_t index = first; index < end; ++index) {
                const wasm::FunctionHeader& header = program_->headers[index];
                if (header.kind == 2 && data_.functions[index] != nullptr)
                    data_.functions[index]->type_id = header.type_id;
                if (header.kind != 1) continue;
                const std::uint64_t used = std::uint64_t{header.params} + header.locals;
                if (used > header.frame_slots || header.frame_slots > 65'535 ||
                    header.first >= witness_.counts.instrs)
                    return Err{Refusal::impossible_state};
                if (data_.functions[index] != nullptr) return Err{Refusal::impossible_state};
                wasm::Function& function = data_.function_storage.emplace_back();
                function.type_id = header.type_id;
                function.reference = std::uint64_t{index} + 1;
                function.instance = instance_.get();
                function.code = std::make_unique<wasm::Code>();
                function.code->entry_cost = header.entry_cost;
                function.code->params = header.params;
                function.code->locals = header.locals;
                function.code->frame_slots = header.frame_slots;
                function.code->first_instr = program_->instrs.data() + header.first;
                function.code->first_target = program_->targets.data();
                function.code->first_shuffle = program_->shuffles.data();
                data_.functions[index] = &function;
            }
        }
        return {};
    }

    const Witness& witness_;
    ReplayLimits limits_;
    std::unique_ptr<wasi::Context> host_;
    wasi::ContentRoots contents_;
    wasm::Store store_;
    wasm::Linker linker_{store_};
    wasm::StoreData& data_;
    std::unique_ptr<wasm::InstanceData> instance_;
    std::unique_ptr<wasm::Program> program_;
};

}  // namespace

std::string_view to_text(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::malformed_proof:
            return "the witness's pages and siblings make no tree";
        case Refusal::other_start:
            return "the witness belongs to another state";
        case Refusal::impossible_state:
            return "no run comes to the witness's state";
        case Refusal::missing_page:
            return "a step touches a page that the witness does not show";
        case Refusal::ended_early:
            return "the run ends before the segment does";
        case Refusal::machine_exhausted:
            return "this machine has not the memory to judge";
    }
    return "";
}

std::optional<Hash32> start_of(const Witness& witness) {
    const auto roots = roots_of(witness);
    if (!roots) return std::nullopt;
    return state_root(witness.registers, *roots);
}

Result<Replayed, Refusal> replay(const Witness& witness, const Hash32& start, ReplayLimits limits) {
    const auto own = start_of(witness);
    if (!own) return Err{Refusal::malformed_proof};
    if (*own != start) return Err{Refusal::other_start};
    if (witness.registers.status != Status::running) return Err{Refusal::ended_early};
    if (address_space(witness) > limits.address_space) return Err{Refusal::machine_exhausted};
    std::uint64_t table_bytes = 0;
    for (const TableSize& table : witness.registers.tables)
        table_bytes += std::uint64_t{table.entries} * 8;
    if (table_bytes > limits.table_bytes) return Err{Refusal::machine_exhausted};
    Judge judge{witness, limits};
    MILLRACE_TRY_VOID(judge.build());
    return judge.run();
}

}  // namespace millrace::judge
