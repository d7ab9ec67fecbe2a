// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace millrace::io {

/// Threads for work that its caller waits for: a ParallelFor (base/parallel_for.hpp) for code that
/// has no threads of its own. One run() at a time, from one thread, which takes part in the work;
/// bodies must not throw nor call run().
class Parallel {
  public:
    /// With the caller; 0: the machine's number of processors, at most 8.
    explicit Parallel(std::size_t thread_count = 0);
    Parallel(const Parallel&) = delete;
    Parallel& operator=(const Parallel&) = delete;
    /// No run() is going on.
    ~Parallel();

    /// body(0) … body(count - 1), each once; returns when all have returned, and what they wrote
    /// can be read.
    void run(std::size_t count, const std::function<void(std::size_t)>& body);
    /// run() as a function; the object outlives it.
    [[nodiscard]] std::function<void(std::size_t, const std::function<void(std::size_t)>&)> hook() {
        return [this](std::size_t count, const std::function<void(std::size_t)>& body) {
            run(count, body);
        };
    }

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::io
