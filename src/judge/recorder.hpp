// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "judge/witness.hpp"
#include "wasi/state.hpp"
#include "wasm/instance.hpp"
#include "wasm/watch.hpp"

/// Runs a module in the interpreter so that it can be disputed: stops at safe points, knows the
/// root of the whole state there at the cost of what changed, and makes witnesses.
///
///     auto recorder = Recorder::create(store, *instance);
///     recorder->start(entry);                       // stands at the entry's first instruction
///     while (recorder->is_running()) {
///         roots.push_back(recorder->root());
///         recorder->run_to(recorder->fuel_used() + fuel_per_segment);
///     }
///
/// and, standing where a segment is in doubt:
///
///     const Segment segment = recorder->record();   // steps until the witness is full
///
/// One thread; the store must hold this one instance and have the limits of a task.
namespace millrace::judge {

struct Segment {
    Witness witness;
    Hash32 start;
    Hash32 end;              ///< of the state after witness.steps steps
    bool is_at_end = false;  ///< the run ended, or came to where it was to go
};

/// A whole state, to go on from later or elsewhere.
struct Snapshot {
    Registers registers;
    /// Pages that are not zero: changing regions in their order, then tables.
    std::vector<std::vector<std::pair<std::uint32_t, Page>>> pages;
    Bytes host;  ///< empty: no host
    std::map<std::uint64_t, Bytes> contents;
};

class Recorder {
  public:
    /// Translates the whole module. Null when it is too large to be judged, or memory is short.
    /// `host` is the WASI that the store's modules ask; null: there is none with a state.
    static std::unique_ptr<Recorder> create(wasm::Store& store, wasm::Instance& instance,
                                            wasi::Context* host = nullptr);

    /// Calls a function without parameters, up to its first instruction.
    void start(const wasm::Extern& entry);
    /// On to the next safe point where more than `fuel` were used since the task began, or to the
    /// end.
    void run_to(std::uint64_t fuel);
    /// Exactly so many steps, or fewer at the end.
    void run_steps(std::uint64_t steps);

    [[nodiscard]] bool is_running() const noexcept { return status_ == Status::running; }
    [[nodiscard]] const wasm::Stop& stop() const noexcept { return stop_; }
    [[nodiscard]] std::uint64_t fuel_used() const noexcept { return store_.fuel_used(); }
    [[nodiscard]] Registers registers();

    /// Of the state as it stands. Hashes what changed since the last call.
    Hash32 root();
    /// The same from nothing, for tests: every page is hashed.
    Hash32 root_from_scratch();

    /// Runs on for at most `steps` steps, while their witness stays within `witness_bytes`.
    /// Goes no further than run_to(fuel) would; Segment::is_at_end tells.
    Segment record(std::uint64_t steps = witness_steps_max,
                   std::size_t witness_bytes = witness_bytes_max,
                   std::uint64_t fuel = ~std::uint64_t{0});

    /// At any step.
    Snapshot snapshot();
    /// Takes the place of the state of this recorder, which has started the same task and is not
    /// further than the snapshot. False when it is another task's.
    bool restore(const Snapshot& snapshot);

    [[nodiscard]] const wasm::Program& program() const noexcept { return *program_; }

  private:
    Recorder(wasm::Store& store, wasm::Instance& instance, wasi::Context* host);
    Hash32 host_root();
    void add_host(Witness& witness, const wasm::Watch& watch) const;
    [[nodiscard]] Parts parts() { return {data_, instance_, *program_}; }
    /// Pages of a region that may be other than zero.
    [[nodiscard]] std::uint32_t page_count(Region region) const;
    [[nodiscard]] static Region region_of(std::size_t tree) noexcept;
    bool restore_host(const Snapshot& snapshot);
    wasm::PageTree& tree(Region region);
    void settle(Region region);
    void take(wasm::Stop stop);
    void hold(std::uint64_t fuel);
    StateRoots roots();
    [[nodiscard]] Page page_before(Region region, std::uint32_t page, const wasm::Watch& watch);

    wasm::Store& store_;
    wasm::StoreData& data_;
    wasm::InstanceData& instance_;
    std::unique_ptr<wasm::Program> program_;
    std::vector<wasm::PageTree> trees_;       ///< changing regions, then tables
    std::vector<std::vector<Page>> shadows_;  ///< the pages that the trees know; not of memory
    wasi::Context* host_;
    std::optional<wasi::ContentTrees> contents_;
    Bytes host_state_;  ///< when its root was asked for last
    Status status_ = Status::running;
    wasm::Stop stop_;
};

}  // namespace millrace::judge
