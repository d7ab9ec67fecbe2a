// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/thread_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/event_loop.hpp"

namespace millrace::io {

struct ThreadPool::State {
    struct Job {
        Callback work;
        Callback done;
    };
    EventLoop& loop;
    std::size_t waiting_max;

    std::mutex mutex;  ///< guards `waiting` and `stopping`; never held while a callback runs
    std::condition_variable changed;
    std::deque<Job> waiting;
    bool stopping = false;

    bool closed = false;  ///< loop's thread only: completions that come later are dropped
    std::vector<std::thread> threads;

    State(EventLoop& owner, std::size_t bound) : loop{owner}, waiting_max{bound} {}
};

namespace {

/// Signals belong to the loop's thread; a pool thread must not take one in the middle of its work.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

ThreadPool::ThreadPool(EventLoop& loop, Size size)
    : state_{std::make_shared<State>(loop, size.waiting_max)} {
    const std::size_t count =
        size.threads != 0 ? size.threads : std::max(1u, std::thread::hardware_concurrency());
    const auto serve = [](const std::shared_ptr<State>& state, const auto& post_completion) {
        block_signals();
        for (;;) {
            State::Job job;
            {
                std::unique_lock lock{state->mutex};
                state->changed.wait(lock,
                                    [&] { return state->stopping || !state->waiting.empty(); });
                if (state->stopping) return;
                job = std::move(state->waiting.front());
                state->waiting.pop_front();
            }
            job.work();
            job.work = nullptr;
            if (!job.done) continue;
            post_completion([state, done = std::move(job.done)] {
                if (!state->closed) done();
            });
        }
    };
    for (std::size_t index = 0; index < count; ++index) {
        state_->threads.emplace_back([state = state_, serve] {
            serve(state,
                  [&](EventLoop::Callback call) { state->loop.post_completion(std::move(call)); });
        });
    }
}

ThreadPool::~ThreadPool() {
    state_->closed = true;
    {
        const std::lock_guard lock{state_->mutex};
        state_->stopping = true;
        state_->waiting.clear();
    }
    state_->changed.notify_all();
    for (std::thread& thread : state_->threads)
        thread.join();
}

bool ThreadPool::submit(Callback work, Callback done) {
    {
        const std::lock_guard lock{state_->mutex};
        if (state_->stopping || state_->waiting.size() >= state_->waiting_max) return false;
        state_->waiting.push_back({std::move(work), std::move(done)});
    }
    state_->changed.notify_one();
    return true;
}

std::size_t ThreadPool::thread_count() const noexcept {
    return state_->threads.size();
}

std::size_t ThreadPool::waiting_count() const {
    const std::lock_guard lock{state_->mutex};
    return state_->waiting.size();
}

}  // namespace millrace::io
