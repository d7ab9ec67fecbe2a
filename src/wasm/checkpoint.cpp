// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "wasm/checkpoint.hpp"

#include <memory>
#include <utility>

#include "base/assert.hpp"
#include "codec/rlp.hpp"
#include "crypto/hash.hpp"
#include "crypto/merkle.hpp"
#include "wasm/region.hpp"
#include "wasm/runtime.hpp"

namespace millrace::wasm {
namespace {

void append(Bytes& out, std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}
void append(Bytes& out, const std::vector<bool>& bits) {
    append(out, bits.size());
    for (std::size_t first = 0; first < bits.size(); first += 8) {
        unsigned byte = 0;
        for (std::size_t bit = first; bit < bits.size() && bit < first + 8; ++bit)
            byte |= (bits[bit] ? 1U : 0U) << (bit - first);
        out.push_back(static_cast<std::uint8_t>(byte));
    }
}

}  // namespace

Hash32 checkpoint_hash(const Checkpoint& checkpoint) {
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text("millrace-checkpoint-v1");
    writer.write(checkpoint.fuel);
    writer.write(checkpoint.memory);
    writer.write(checkpoint.rest);
    writer.write(checkpoint.io);
    writer.end_list(list);
    return crypto::sha256(writer.view());
}

Hash32 checkpoints_root(std::span<const Checkpoint> checkpoints) {
    if (checkpoints.empty()) return {};
    std::vector<Hash32> leaves;
    leaves.reserve(checkpoints.size());
    for (const Checkpoint& checkpoint : checkpoints)
        leaves.push_back(checkpoint_hash(checkpoint));
    codec::RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write_text("millrace-checkpoints-v1");
    writer.write(std::uint64_t{leaves.size()});
    writer.write(crypto::blob_root(leaves));
    writer.end_list(list);
    return crypto::sha256(writer.view());
}

CheckpointMaker::CheckpointMaker(InstanceData& instance)
    : instance_{instance}, memory_{depth_of(Region::memory)} {
    instance_.memory->mark_all();
}

Checkpoint CheckpointMaker::take(std::uint64_t fuel_used, const Hash32& io) {
    Memory& memory = *instance_.memory;
    const auto pages = static_cast<std::uint32_t>(memory.size() / state_page_size);
    for (std::uint32_t page = 0; page < pages; ++page) {
        if (!memory.is_marked(page)) continue;
        memory_.set_page(page,
                         {memory.data() + std::size_t{page} * state_page_size, state_page_size});
    }
    memory.clear_marks();
    Bytes rest;
    append(rest, memory.pages());
    append(rest, instance_.globals.size());
    for (const Global* global : instance_.globals) {
        append(rest, global->bits);
        append(rest, global->high);
    }
    append(rest, instance_.dropped_data);
    append(rest, instance_.dropped_elements);
    append(rest, instance_.tables.size());
    for (const Table* table : instance_.tables) {
        append(rest, table->entries.size());
        for (const std::uint64_t entry : table->entries)
            append(rest, entry);
    }
    return {.fuel = fuel_used, .memory = memory_.root(), .rest = crypto::sha256(rest), .io = io};
}

void take_checkpoints(InstanceData& instance, std::uint64_t interval, std::function<Hash32()> io,
                      std::vector<Checkpoint>& taken) {
    MILLRACE_ASSERT(interval > 0);
    const auto hold = [interval](StoreData& store) {
        const std::uint64_t next = next_checkpoint(store.self->fuel_used(), interval);
        store.fuel_hold =
            next < store.fuel_limit ? static_cast<std::int64_t>(store.fuel_limit - next) : 0;
    };
    hold(*instance.store);
    auto maker = std::make_shared<CheckpointMaker>(instance);
    instance.store->at_safe_point = [maker, hold, io = std::move(io), &taken](StoreData& store) {
        taken.push_back(maker->take(store.self->fuel_used(), io ? io() : Hash32{}));
        hold(store);
    };
}

}  // namespace millrace::wasm
