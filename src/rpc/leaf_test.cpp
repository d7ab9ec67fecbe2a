// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// What the I/O thread and the workers share. Labelled "tsan": run under the thread sanitizer
// (docs/operations.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "rpc/exchange.hpp"
#include "rpc/test_client.hpp"

namespace millrace::rpc {
namespace {

/// The I/O thread's part: takes mail when woken, until `enough` says so.
class Reader {
  public:
    std::shared_ptr<Outbox> outbox = std::make_shared<Outbox>([this] {
        const std::lock_guard lock{mutex_};
        woken_ = true;
        wakeup_.notify_one();
    });

    std::vector<Mail> read(std::size_t count) {
        std::vector<Mail> all;
        std::vector<Mail> some;
        while (all.size() < count) {
            {
                std::unique_lock lock{mutex_};
                wakeup_.wait(lock, [&] { return woken_; });
                woken_ = false;
            }
            outbox->take(some);
            for (Mail& mail : some) {
                outbox->memory -= mail.text.size();
                all.push_back(std::move(mail));
            }
        }
        return all;
    }

  private:
    std::mutex mutex_;
    std::condition_variable wakeup_;
    bool woken_ = false;
};

TEST(Leaf, mail_of_one_writer_comes_in_its_order_and_none_is_lost) {
    Reader reader;
    constexpr std::uint64_t writers = 4;
    constexpr std::uint64_t mails = 2'000;
    std::vector<std::thread> threads;
    for (std::uint64_t writer = 0; writer < writers; ++writer) {
        threads.emplace_back([&, writer] {
            for (std::uint64_t slot = 0; slot < mails; ++slot)
                ASSERT_TRUE(reader.outbox->put({.session = writer, .slot = slot, .text = "text"}));
        });
    }
    std::vector<std::uint64_t> next(writers, 0);
    for (const Mail& mail : reader.read(writers * mails))
        EXPECT_EQ(mail.slot, next[mail.session]++);
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(reader.outbox->memory, 0u);
}

TEST(Leaf, a_closed_box_takes_nothing) {
    Reader reader;
    const auto caller = std::make_shared<Caller>(reader.outbox, 1, 1'000);
    caller->open_for_push();
    reader.outbox->close();
    EXPECT_FALSE(caller->push("late"));
}

TEST(Leaf, pushes_of_several_threads_stop_at_the_bound_and_cut_once) {
    Reader reader;
    constexpr std::size_t fitting = 100;
    const auto caller =
        std::make_shared<Caller>(reader.outbox, 1, fitting * (10 + Caller::message_overhead));
    caller->open_for_push();
    std::atomic<std::size_t> taken{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (std::size_t push = 0; push < fitting; ++push)
                taken += caller->push("0123456789") ? 1 : 0;
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    const auto mails = reader.read(taken + 1);
    EXPECT_LE(taken, fitting);
    EXPECT_EQ(std::ranges::count(mails, Mail::Kind::cut, &Mail::kind), 1);
    EXPECT_FALSE(caller->can_push());
}

TEST(Leaf, every_job_is_answered_once_and_the_end_comes_last) {
    Reader reader;
    EchoHandler handler;
    constexpr std::uint64_t callers = 50;
    constexpr std::uint64_t jobs = 20;
    std::thread giver;
    {
        Workers workers{handler, 4};
        giver = std::thread{[&] {
            for (std::uint64_t id = 1; id <= callers; ++id) {
                const auto caller = std::make_shared<Caller>(reader.outbox, id, 1'000);
                for (std::uint64_t slot = 0; slot < jobs; ++slot) {
                    caller->hold();
                    workers.submit({.kind = Job::Kind::call,
                                    .caller = caller,
                                    .ticket = std::make_shared<Ticket>(reader.outbox, id, slot, 0),
                                    .text = slot % 2 == 0 ? "drop" : "answer"});
                }
                caller->set_closed();
                if (caller->let_go()) {
                    workers.submit({.kind = Job::Kind::closed, .caller = caller});
                }
            }
        }};
        const auto mails = reader.read(callers * jobs);
        EXPECT_EQ(mails.size(), callers * jobs);
        giver.join();
    }
    EXPECT_EQ(reader.outbox->requests_waiting, 0u);
    auto closed = handler.closed();
    EXPECT_EQ(closed.size(), callers);
    std::ranges::sort(closed);
    EXPECT_EQ(std::ranges::unique(closed).begin(), closed.end());
}

TEST(Leaf, a_server_and_its_clients_share_no_more_than_they_should) {
    EchoHandler handler;
    auto server = Server::start({.listen = "127.0.0.1:0"}, handler);
    ASSERT_TRUE(server);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, endpoint = (*server)->endpoint()] {
            for (int round = 0; round < 5; ++round) {
                TestClient client{endpoint};
                for (int call = 0; call < 20; ++call)
                    ASSERT_EQ(client.post("hello").body, "[hello]");
                TestClient socket{endpoint};
                ASSERT_EQ(socket.upgrade(), 101);
                socket.send_frame(1, "hello");
                ASSERT_EQ(socket.read_frame().payload, "[hello]");
                for (const SessionPtr& session : handler.sessions())
                    session->push("to whom it may concern");
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_GE((*server)->metrics().requests, 4u * 5u * 21u);
}

}  // namespace
}  // namespace millrace::rpc
