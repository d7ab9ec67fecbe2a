// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rpc/server.hpp"

/// Private to rpc/: what the I/O thread and the workers share, and nothing else is shared. Two
/// queues, each behind one mutex that is never held across a call out: jobs go down to the workers,
/// mail comes up to the I/O thread. Sockets are touched by the I/O thread alone.
namespace millrace::rpc {

/// Something for the I/O thread to do with one connection.
struct Mail {
    enum class Kind : std::uint8_t {
        answer,  ///< of the request `slot`
        push,
        cut,  ///< its queue was full
    };
    Kind kind = Kind::answer;
    std::uint16_t status = 200;  ///< answer over HTTP
    std::uint64_t session = 0;
    std::uint64_t slot = 0;
    std::string type{};  ///< content type; empty: JSON
    std::string text{};
};

/// The way up. Lives as long as anyone holds a session or an unanswered request, so that a late
/// answer or push finds a closed box, not a freed one. Bounded by its writers: one mail for each
/// request waiting, and Limits::push_bytes_max for each session.
class Outbox {
  public:
    /// `wake` is called without the lock when the first mail comes into the empty box; any thread.
    explicit Outbox(std::function<void()> wake, std::size_t memory_max = SIZE_MAX)
        : wake_{std::move(wake)}, memory_max_{memory_max} {}
    /// The thread that reads it is the calling one: its own mail needs neither lock nor waker.
    void own() noexcept { owner_ = std::this_thread::get_id(); }
    /// False when nobody reads it any more. The text counts in `memory` from here on; a long
    /// answer for which there is no memory becomes a cut.
    bool put(Mail mail);
    /// Everything in it, in the order it came, swapped with `out`.
    void take(std::vector<Mail>& out);
    /// What the owner has put in itself; its own to take.
    [[nodiscard]] std::vector<Mail> take_own() { return std::exchange(own_mails_, {}); }
    void close();

    std::atomic<std::size_t> memory{0};  ///< bytes in flight
    std::atomic<std::size_t> requests_waiting{0};

  private:
    static constexpr std::size_t long_answer = 64 * 1024;

    const std::function<void()> wake_;
    const std::size_t memory_max_;
    std::atomic<std::thread::id> owner_{};
    std::vector<Mail> own_mails_;
    std::mutex mutex_;
    std::vector<Mail> mails_;
    bool closed_ = false;
};

/// A connection as the handler knows it.
class Caller final : public Session {
  public:
    /// What a queued message costs beside its bytes.
    static constexpr std::size_t message_overhead = 64;

    Caller(std::shared_ptr<Outbox> outbox, std::uint64_t id, std::size_t push_bytes_max)
        : outbox_{std::move(outbox)}, id_{id}, push_bytes_max_{push_bytes_max} {}
    bool push(std::string message) override;
    [[nodiscard]] bool can_push() const noexcept override { return open_.load(); }
    [[nodiscard]] std::uint64_t id() const noexcept override { return id_; }

    void open_for_push() noexcept { open_ = true; }
    void pushed(std::size_t size) noexcept { queued_ -= size + message_overhead; }
    /// No push after this one.
    void shut() noexcept { open_ = false; }

    /// The connection and each of its jobs hold one; whoever lets go of the last one owes the
    /// handler on_closed. So the handler never learns of a request after its session's end.
    void hold() noexcept { ++holds_; }
    [[nodiscard]] bool let_go() noexcept { return --holds_ == 0; }
    /// What its last call took, for choosing where the next one runs.
    void set_cost(std::chrono::microseconds cost) noexcept { cost_us_ = cost.count(); }
    [[nodiscard]] std::chrono::microseconds cost() const noexcept {
        return std::chrono::microseconds{cost_us_.load(std::memory_order_relaxed)};
    }
    [[nodiscard]] bool closed() const noexcept { return closed_.load(); }
    void set_closed() noexcept { closed_ = true; }

  private:
    const std::shared_ptr<Outbox> outbox_;
    const std::uint64_t id_;
    const std::size_t push_bytes_max_;
    std::atomic<bool> open_{false};
    std::atomic<bool> closed_{false};
    std::atomic<std::size_t> queued_{0};
    std::atomic<std::uint32_t> holds_{1};
    std::atomic<std::int64_t> cost_us_{1'000'000};  ///< unknown: long
};
using CallerPtr = std::shared_ptr<Caller>;

/// The right and the duty to answer one request: answers once, and says so with status 500 when it
/// was dropped unanswered.
class Ticket {
  public:
    Ticket(std::shared_ptr<Outbox> outbox, std::uint64_t session, std::uint64_t slot,
           std::size_t body_size);
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();
    void answer(std::uint16_t status, std::string type, std::string text);

  private:
    const std::shared_ptr<Outbox> outbox_;
    const std::uint64_t session_;
    const std::uint64_t slot_;
    const std::size_t body_size_;
    std::atomic<bool> answered_{false};
};

struct Job {
    enum class Kind : std::uint8_t { call, page, closed };
    Kind kind = Kind::call;
    CallerPtr caller;
    std::shared_ptr<Ticket> ticket{};  ///< null for closed
    std::string text{};                ///< a body or a path
};

/// Calls the handler; what it throws is logged, and answered with 500 when the ticket goes.
void perform(Handler& handler, Job& job);

/// The way down, and the threads that go it. Bounded by Limits::requests_waiting_max plus one
/// `closed` for each connection.
class Workers {
  public:
    Workers(Handler& handler, std::size_t count);
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    /// Does what is queued (calls of closed sessions are skipped), then joins.
    ~Workers();
    void submit(Job job);

  private:
    void work();

    Handler& handler_;
    std::mutex mutex_;
    std::condition_variable wakeup_;
    std::deque<Job> jobs_;
    std::size_t sleeping_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace millrace::rpc
