// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace::io {

struct Parallel::State {
    std::mutex mutex;  ///< guards all but `next`; not held while a body runs
    std::condition_variable changed;
    std::uint64_t round = 0;  ///< of run()s
    std::size_t working = 0;  ///< threads that are in the round
    bool stopping = false;
    std::size_t count = 0;
    const std::function<void(std::size_t)>* body = nullptr;  ///< null: the round is over
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;

    void work(const std::function<void(std::size_t)>& what, std::size_t end) {
        for (;;) {
            const std::size_t index = next.fetch_add(1, std::memory_order_relaxed);
            if (index >= end) return;
            what(index);
        }
    }

    void serve() {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals belong to the loop's thread
        std::uint64_t seen = 0;
        std::unique_lock lock{mutex};
        for (;;) {
            changed.wait(lock, [&] { return stopping || (body != nullptr && round != seen); });
            if (stopping) return;
            seen = round;
            ++working;
            const auto* const what = body;
            const std::size_t end = count;
            lock.unlock();
            work(*what, end);
            lock.lock();
            --working;
            if (working == 0) changed.notify_all();
        }
    }
};

Parallel::Parallel(std::size_t thread_count) : state_{std::make_unique<State>()} {
    constexpr std::size_t count_max = 8;
    if (thread_count == 0)
        thread_count = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, count_max);
    for (std::size_t index = 1; index < thread_count; ++index)
        state_->threads.emplace_back([state = state_.get()] { state->serve(); });
}

Parallel::~Parallel() {
    {
        const std::lock_guard lock{state_->mutex};
        state_->stopping = true;
    }
    state_->changed.notify_all();
    for (std::thread& thread : state_->threads)
        thread.join();
}

void Parallel::run(std::size_t count, const std::function<void(std::size_t)>& body) {
    State& state = *state_;
    {
        const std::lock_guard lock{state.mutex};
        state.next.store(0, std::memory_order_relaxed);
        state.count = count;
        state.body = &body;
        ++state.round;
    }
    state.changed.notify_all();
    state.work(body, count);
    // Who has not begun by now finds nothing left to do; who has is waited for.
    std::unique_lock lock{state.mutex};
    state.body = nullptr;
    state.changed.wait(lock, [&] { return state.working == 0; });
}

}  // namespace millrace::io
