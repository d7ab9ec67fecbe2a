// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/layer_queue.hpp"

#include <atomic>
#include <utility>

#include "base/assert.hpp"
#include "store/layered_cursor.hpp"

namespace millrace::store {

using state::KeyValueView;
using state::Table;

/// The rows of one moment: layers over a snapshot, later a snapshot alone.
class LayerQueue::Moment final : public KeyValueView {
  public:
    Moment(Layers layers, std::shared_ptr<const KeyValueView> base) {
        if (layers.empty()) {
            settle(std::move(base));
        } else {
            layered_ = std::make_shared<const LayersOver>(
                LayersOver{.layers = std::move(layers), .base = std::move(base)});
        }
    }

    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override {
        if (const KeyValueView* alone = settled_.load(std::memory_order_acquire))
            return alone->get(table, key);
        const auto layered = layers();
        return layered ? layered->get(table, key) : settled_.load()->get(table, key);
    }
    [[nodiscard]] std::unique_ptr<Cursor> cursor(Table table) const override {
        if (const KeyValueView* alone = settled_.load(std::memory_order_acquire))
            return alone->cursor(table);
        const auto layered = layers();
        return layered ? layered->cursor(table) : settled_.load()->cursor(table);
    }

    /// Once: `base` says what the layers over the older one say.
    void settle(std::shared_ptr<const KeyValueView> base) {
        std::shared_ptr<const LayersOver> ended;
        const std::lock_guard lock{mutex_};
        alone_ = std::move(base);
        settled_.store(alone_.get(), std::memory_order_release);
        ended.swap(layered_);
    }
    [[nodiscard]] bool is_settled() const noexcept { return settled_.load() != nullptr; }

  private:
    [[nodiscard]] std::shared_ptr<const LayersOver> layers() const {
        const std::lock_guard lock{mutex_};
        return layered_;
    }

    mutable std::mutex mutex_;
    std::shared_ptr<const LayersOver> layered_;
    std::shared_ptr<const KeyValueView> alone_;  ///< never changes once `settled_` points to it
    std::atomic<const KeyValueView*> settled_{nullptr};
};

LayerQueue::LayerQueue(std::shared_ptr<LayerBase> base, Limits limits)
    : base_{std::move(base)},
      limits_{limits},
      layers_{std::make_shared<const Layers>()},
      thread_{[this] { work(); }} {
    MILLRACE_ASSERT(limits_.count_max > 0);
}

LayerQueue::~LayerQueue() {
    {
        const std::lock_guard lock{mutex_};
        ends_ = true;
    }
    work_.notify_one();
    thread_.join();
}

bool LayerQueue::is_empty() const {
    const std::lock_guard lock{mutex_};
    return queue_.empty();
}

bool LayerQueue::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& is_done) {
    ++waiters_;
    work_.notify_one();
    done_.wait(lock, [&] { return failure_ || is_done(); });
    --waiters_;
    return !failure_;
}

bool LayerQueue::wait_for_room(std::size_t size) {
    MILLRACE_ASSERT(size <= limits_.bytes_max);
    std::unique_lock lock{mutex_};
    const auto has_room = [&] {
        return queue_.size() < limits_.count_max && bytes_ <= limits_.bytes_max - size;
    };
    if (!failure_ && has_room()) return true;
    return wait(lock, has_room);
}

bool LayerQueue::settle() {
    std::unique_lock lock{mutex_};
    return wait(lock, [&] { return queue_.empty(); });
}

void LayerQueue::push(RowLayerPtr layer, std::uint64_t number) {
    {
        const std::lock_guard lock{mutex_};
        bytes_ += layer->memory_size();
        queue_.push_back({.layer = std::move(layer), .number = number, .moment = {}});
        list_layers();
    }
    work_.notify_one();
}

void LayerQueue::base_changed() {
    const std::lock_guard lock{mutex_};
    MILLRACE_ASSERT(queue_.empty());
    base_moment_.reset();
}

std::optional<std::string> LayerQueue::failure() const {
    const std::lock_guard lock{mutex_};
    return failure_;
}

std::size_t LayerQueue::bytes() const {
    const std::lock_guard lock{mutex_};
    return bytes_;
}

std::optional<Bytes> LayerQueue::get(Table table, ByteView key) const {
    std::shared_ptr<const Layers> layers;
    {
        const std::lock_guard lock{mutex_};
        layers = layers_;
    }
    // What the base has now may be newer than these layers, never older: then the key is in none
    // of them, or the call and a write met, and either answer is right.
    for (const RowLayerPtr& layer : *layers) {
        const auto row = layer->find(table, key);
        if (!row) continue;
        if (row->is_erased) return std::nullopt;
        return to_bytes(row->value);
    }
    return base_->get(table, key);
}

std::shared_ptr<const KeyValueView> LayerQueue::snapshot() const {
    const std::lock_guard lock{mutex_};
    std::weak_ptr<Moment>& newest = queue_.empty() ? base_moment_ : queue_.back().moment;
    if (auto same = newest.lock()) return same;
    auto moment = std::make_shared<Moment>(*layers_, base_->snapshot());
    newest = moment;
    return moment;
}

/// `layers_` as `queue_` is. Under the mutex.
void LayerQueue::list_layers() {
    auto layers = std::make_shared<Layers>();
    for (auto waiting = queue_.rbegin(); waiting != queue_.rend(); ++waiting)
        layers->push_back(waiting->layer);
    layers_ = std::move(layers);
}

void LayerQueue::work() {
    for (;;) {
        Waiting first;
        {
            std::unique_lock lock{mutex_};
            work_.wait(lock, [&] {
                return ends_ || (!queue_.empty() && !failure_ && (!limits_.lazily || waiters_ > 0));
            });
            if (queue_.empty() || failure_) return;
            first = queue_.front();
        }
        auto failed = base_->apply(*first.layer, first.number);
        if (failed) {
            {
                const std::lock_guard lock{mutex_};
                failure_ = std::move(failed);
            }
            done_.notify_all();
            return;
        }
        retire_first();
        done_.notify_all();
    }
}

/// Takes the applied layer out, after views of its moment have changed over.
void LayerQueue::retire_first() {
    for (;;) {
        std::shared_ptr<Moment> moment;
        std::shared_ptr<const Layers> ended;
        {
            const std::lock_guard lock{mutex_};
            Waiting& first = queue_.front();
            moment = first.moment.lock();
            if (!moment || moment->is_settled()) {
                bytes_ -= first.layer->memory_size();
                std::weak_ptr<Moment> same = std::move(first.moment);
                queue_.pop_front();
                if (queue_.empty()) base_moment_ = std::move(same);
                ended = layers_;  // its end may be that of many rows: not under the lock
                list_layers();
                return;
            }
        }
        moment->settle(base_->snapshot());
    }
}

}  // namespace millrace::store
