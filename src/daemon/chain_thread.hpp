// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "io/event_loop.hpp"
#include "io/thread_pool.hpp"

namespace millrace::daemon {

/// One thread on which blocking calls to the chain run in order; answers come back on the loop's
/// thread. What `work` touches belongs to this thread alone.
class ChainThread {
  public:
    explicit ChainThread(io::EventLoop& loop) : pool_{loop, {.threads = 1, .waiting_max = 4096}} {}

    /// False when too many calls wait.
    template <typename Work, typename Done>
    bool call(Work work, Done done) {
        using Answer = decltype(work());
        auto answer = std::make_shared<std::optional<Answer>>();
        return pool_.submit(
            [answer, work = std::move(work)]() mutable { answer->emplace(work()); },
            [answer, done = std::move(done)]() mutable { done(std::move(**answer)); });
    }

  private:
    io::ThreadPool pool_;
};

}  // namespace millrace::daemon
