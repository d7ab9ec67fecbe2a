// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "state/key_value.hpp"
#include "store/row_layer.hpp"

// Private to store/.
namespace millrace::store {

/// The tables that layers are applied to.
class LayerBase {
  public:
    virtual ~LayerBase() = default;
    /// The newest value; any thread.
    [[nodiscard]] virtual std::optional<Bytes> get(state::Table table, ByteView key) const = 0;
    /// Any thread.
    [[nodiscard]] virtual std::shared_ptr<const state::KeyValueView> snapshot() const = 0;
    /// Makes the tables say what the layer says. It may take several steps, of which others may see
    /// some, for the layer lies over them until the last is done. Null: done; else why not.
    [[nodiscard]] virtual std::optional<std::string> apply(const RowLayer& layer,
                                                           std::uint64_t number) = 0;
};

/// Batches that are safe in the journal and not yet in the tables: one thread of its own applies
/// them, oldest first, while reads look through them. One writer pushes; reads in any thread.
///
/// Bounded: a layer that finds no room waits for one to be applied. What a snapshot keeps of layers
/// goes when they have been applied: then a snapshot of the base of that moment takes their place.
///
/// A leaf structure: `mutex_` is held for a few moves of pointers, and for taking a snapshot of the
/// base, which calls nothing of ours. Why reads are right:
///  - The base lacks nothing but layers that are in the queue, and what it has of one in the queue
///    is hidden by that layer. A list of layers and a snapshot of the base that are taken under the
///    mutex together are therefore one moment: layers enter the list under it, and are applied
///    only from there.
///  - The base changes by others than the thread only while the queue is empty (base_changed()).
///  - After a layer was applied and before the next is begun, the base alone is that layer's
///    moment. Views of it change over to such a snapshot once, while the layer is still in the
///    queue: both say the same, so whoever reads may see either.
class LayerQueue {
  public:
    struct Limits {
        std::size_t count_max = 16;
        std::size_t bytes_max = 16u << 20;  ///< RowLayer::memory_size() of all
        /// Tests: layers are applied only when one finds no room or settle() waits.
        bool lazily = false;
    };
    LayerQueue(std::shared_ptr<LayerBase> base, Limits limits);
    LayerQueue(const LayerQueue&) = delete;
    LayerQueue& operator=(const LayerQueue&) = delete;
    /// Applies what there is, unless that has failed. Snapshots may outlive it.
    ~LayerQueue();

    // --- the writer

    [[nodiscard]] bool is_empty() const;
    /// Until a layer of `size` (≤ bytes_max) has room. False: a layer could not be applied.
    [[nodiscard]] bool wait_for_room(std::size_t size);
    /// wait_for_room() has come first.
    void push(RowLayerPtr layer, std::uint64_t number);
    /// The base was written; the queue is empty.
    void base_changed();

    // --- any thread

    /// Until all is applied. False: a layer could not be.
    [[nodiscard]] bool settle();
    /// Why a layer could not be applied. No other is tried after that.
    [[nodiscard]] std::optional<std::string> failure() const;
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const;
    [[nodiscard]] std::shared_ptr<const state::KeyValueView> snapshot() const;

  private:
    class Moment;
    struct Waiting {
        RowLayerPtr layer;
        std::uint64_t number = 0;
        std::weak_ptr<Moment> moment;  ///< when this layer was the newest
    };
    using Layers = std::vector<RowLayerPtr>;  // newest first

    void work();
    void retire_first();
    bool wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& is_done);
    void list_layers();

    const std::shared_ptr<LayerBase> base_;
    const Limits limits_;

    mutable std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable done_;
    mutable std::deque<Waiting> queue_;  ///< oldest first
    std::shared_ptr<const Layers> layers_;
    mutable std::weak_ptr<Moment> base_moment_;  ///< while the queue is empty
    std::size_t bytes_ = 0;
    int waiters_ = 0;
    bool ends_ = false;
    std::optional<std::string> failure_;

    std::thread thread_;  ///< last: it uses all of the above
};

}  // namespace millrace::store
