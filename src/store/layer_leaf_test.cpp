// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The queue of layers is shared by the writer, readers and its own thread
// (src/store/layer_queue.hpp). Labelled "tsan": run under the thread sanitizer
// (docs/operations.md).

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/layer_queue.hpp"

namespace millrace::store {
namespace {

using state::KeyValueView;
using state::Table;
using state::WriteBatch;

/// Tables in memory that any thread may use. A layer goes in by steps of one row.
class MemoryBase final : public LayerBase {
  public:
    [[nodiscard]] std::optional<Bytes> get(Table table, ByteView key) const override {
        const std::lock_guard lock{mutex_};
        return rows_.get(table, key);
    }
    [[nodiscard]] std::shared_ptr<const KeyValueView> snapshot() const override {
        const std::lock_guard lock{mutex_};
        return rows_.snapshot();
    }
    [[nodiscard]] std::optional<std::string> apply(const RowLayer& layer,
                                                   std::uint64_t number) override {
        EXPECT_EQ(number, ++applied_);
        if (number == fails_at) return "the disk is full";
        for (std::size_t index = 0; index < layer.count(Table::accounts); ++index) {
            const RowLayer::RowView row = layer.row(Table::accounts, index);
            WriteBatch step;
            if (row.is_erased) {
                step.erase(Table::accounts, to_bytes(row.key));
            } else {
                step.put(Table::accounts, to_bytes(row.key), to_bytes(row.value));
            }
            const std::lock_guard lock{mutex_};
            EXPECT_TRUE(rows_.write(step, state::Durability::logged));
        }
        return std::nullopt;
    }

    std::uint64_t fails_at = 0;

  private:
    mutable std::mutex mutex_;
    state::MemoryStore rows_;
    std::uint64_t applied_ = 0;
};

/// All rows say the number of the batch; the one it is divisible by is not there.
constexpr std::uint64_t row_count = 8;

RowLayerPtr layer_of(std::uint64_t number) {
    WriteBatch batch;
    for (std::uint8_t row = 1; row <= row_count; ++row) {
        if (number % row_count == row - 1u) {
            batch.erase(Table::accounts, Bytes{row});
        } else {
            batch.put(Table::accounts, Bytes{row}, to_bytes(as_bytes(std::to_string(number))));
        }
    }
    return RowLayer::of(batch);
}

/// The number that all rows of the view agree on; 0 when it is empty.
std::uint64_t number_of(const KeyValueView& view) {
    std::string number;
    std::size_t count = 0;
    for (const auto cursor = view.cursor(Table::accounts); cursor->valid(); cursor->next()) {
        if (number.empty()) number = as_text(cursor->value());
        EXPECT_EQ(as_text(cursor->value()), number);
        EXPECT_EQ(view.get(Table::accounts, cursor->key()), to_bytes(cursor->value()));
        ++count;
    }
    if (number.empty()) return 0;
    EXPECT_EQ(count, row_count - 1);
    return std::stoull(number);
}

TEST(LayerQueue, every_view_is_of_one_moment_whatever_is_written_and_applied) {
    const auto base = std::make_shared<MemoryBase>();
    LayerQueue queue{base, {.count_max = 4, .bytes_max = 1u << 20}};
    std::atomic<std::uint64_t> written{0};
    constexpr std::uint64_t end = 400;
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 3; ++reader) {
        readers.emplace_back([&] {
            std::uint64_t newest = 0;
            while (newest < end) {
                const std::uint64_t before = written;
                const auto view = queue.snapshot();
                const std::uint64_t number = number_of(*view);
                EXPECT_GE(number, std::max(before, newest));
                EXPECT_EQ(number_of(*view), number);
                static_cast<void>(queue.get(Table::accounts, Bytes{1}));
                newest = number;
            }
        });
    }
    for (std::uint64_t number = 1; number <= end; ++number) {
        RowLayerPtr layer = layer_of(number);
        ASSERT_TRUE(queue.wait_for_room(layer->memory_size()));
        queue.push(std::move(layer), number);
        written = number;
        if (number % 50 == 0) {
            EXPECT_TRUE(queue.settle());
        }
    }
    for (std::thread& reader : readers)
        reader.join();
    EXPECT_TRUE(queue.settle());
    EXPECT_TRUE(queue.is_empty());
    EXPECT_EQ(queue.bytes(), 0u);
}

TEST(LayerQueue, a_view_keeps_no_layers_that_are_applied) {
    const auto base = std::make_shared<MemoryBase>();
    LayerQueue queue{base, {.lazily = true}};
    RowLayerPtr layer = layer_of(1);
    const std::weak_ptr<const RowLayer> kept = layer;
    queue.push(std::move(layer), 1);
    const auto view = queue.snapshot();
    EXPECT_FALSE(kept.expired());
    EXPECT_TRUE(queue.settle());
    EXPECT_EQ(number_of(*view), 1u);
    EXPECT_EQ(queue.snapshot(), view);
    while (!kept.expired())  // the queue's thread lets go of it right after it has said so
        std::this_thread::yield();
}

TEST(LayerQueue, what_finds_no_room_waits) {
    const auto base = std::make_shared<MemoryBase>();
    const std::size_t size = layer_of(1)->memory_size();
    LayerQueue queue{base, {.count_max = 3, .bytes_max = 2 * size + size / 2, .lazily = true}};
    for (std::uint64_t number = 1; number <= 20; ++number) {
        ASSERT_TRUE(queue.wait_for_room(layer_of(number)->memory_size()));
        queue.push(layer_of(number), number);
        EXPECT_LE(queue.bytes(), 2 * size + size / 2);
        EXPECT_EQ(number_of(*queue.snapshot()), number);
    }
}

TEST(LayerQueue, after_a_failure_reads_go_on_and_nothing_more_is_applied) {
    const auto base = std::make_shared<MemoryBase>();
    base->fails_at = 2;
    LayerQueue queue{base, {.count_max = 3}};
    for (std::uint64_t number = 1; number <= 3; ++number)
        queue.push(layer_of(number), number);
    EXPECT_FALSE(queue.settle());
    EXPECT_EQ(queue.failure(), "the disk is full");
    EXPECT_EQ(number_of(*queue.snapshot()), 3u);
    EXPECT_EQ(number_of(*base->snapshot()), 1u);
    EXPECT_FALSE(queue.settle());
}

}  // namespace
}  // namespace millrace::store
