// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace millrace::io {

class EventLoop;

/// A bounded set of threads for CPU work (hashing, validating, signing) and for calls that block.
/// `work` runs on a pool thread and must not throw nor touch what the loop's thread owns; `done`
/// then runs on the loop's thread. Order between jobs is not kept.
///
/// Destruction drops jobs that have not begun (neither part is called), waits for those that have,
/// and drops their `done`: destroy the pool before what its callbacks refer to.
class ThreadPool {
  public:
    using Callback = std::function<void()>;
    struct Size {
        std::size_t threads = 0;          ///< 0: the machine's number of processors
        std::size_t waiting_max = 4'096;  ///< jobs not begun; the next is refused
    };

    explicit ThreadPool(EventLoop& loop) : ThreadPool{loop, Size{}} {}
    ThreadPool(EventLoop& loop, Size size);
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool();

    /// Any thread. False when waiting_max jobs wait: try later or do without.
    bool submit(Callback work, Callback done);
    [[nodiscard]] std::size_t thread_count() const noexcept;
    [[nodiscard]] std::size_t waiting_count() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace millrace::io
