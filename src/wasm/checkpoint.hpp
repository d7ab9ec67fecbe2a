// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "wasm/page_tree.hpp"

/// What a run commits to while it goes on, at the same places in every tier
/// (docs/formats/checkpoint.md): at the first safe point (a function's entry, or arriving at a
/// loop's head) after each multiple of an interval of fuel. It tells where two runs part; it is no
/// full state, because compiled code has no frames to show.
namespace millrace::wasm {

struct InstanceData;

constexpr std::uint64_t checkpoint_interval = std::uint64_t{1} << 32;

struct Checkpoint {
    std::uint64_t fuel = 0;  ///< used, the block entered at the safe point included
    Hash32 memory;           ///< root of the memory's pages
    Hash32 rest;             ///< of the memory's size, globals, dropped segments, tables
    Hash32 io;               ///< of the host calls so far; zero without a host that logs them
    bool operator==(const Checkpoint&) const = default;
};
Hash32 checkpoint_hash(const Checkpoint& checkpoint);
/// For the receipt: of the list in order; zero for an empty one. The leaves are a tree as a blob's
/// (crypto::blob_proof), so that one checkpoint can be shown alone.
Hash32 checkpoints_root(std::span<const Checkpoint> checkpoints);

/// The next multiple of the interval that a run with this much fuel used has not passed.
constexpr std::uint64_t next_checkpoint(std::uint64_t fuel_used, std::uint64_t interval) noexcept {
    const std::uint64_t next = (fuel_used + interval - 1) / interval * interval;
    return next == 0 ? interval : next;
}

/// Takes the checkpoints of one instance, of whose memory it uses the marks (Memory::is_marked).
class CheckpointMaker {
  public:
    explicit CheckpointMaker(InstanceData& instance);
    Checkpoint take(std::uint64_t fuel_used, const Hash32& io);

  private:
    InstanceData& instance_;
    PageTree memory_;
};

/// Has the runs of an instance's store take a checkpoint of it after each multiple of `interval`,
/// which is not 0, in whatever tier. They come into `taken`, which must outlive the store's last
/// run. `io` gives the hash of the host calls so far; null: zeros.
void take_checkpoints(InstanceData& instance, std::uint64_t interval, std::function<Hash32()> io,
                      std::vector<Checkpoint>& taken);

}  // namespace millrace::wasm
