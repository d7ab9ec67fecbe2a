// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
// What a client can do to the server, and to the others: nothing without a bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "rpc/server.hpp"
#include "rpc/test_client.hpp"

namespace millrace::rpc {
namespace {

constexpr int text = 1;
/// What one connection may have read at the moment its bound is noticed.
constexpr std::uint64_t read_once_max = 256 * 1024;

std::unique_ptr<Server> start(Handler& handler, Server::Limits limits) {
    auto server = Server::start({.listen = "127.0.0.1:0", .limits = limits}, handler);
    EXPECT_TRUE(server) << server.error().text();
    return std::move(server).value();
}

const std::string head_without_body =
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";

TEST(Bounds, a_body_over_the_bound_is_413_before_it_is_sent) {
    EchoHandler handler;
    const auto server = start(handler, {.body_max = 1'000});
    TestClient exact{server->endpoint()};
    EXPECT_EQ(exact.post(std::string(1'000, 'a')).status, 200);
    TestClient announced{server->endpoint()};
    announced.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n");
    EXPECT_EQ(announced.read_http().status, 413);
    EXPECT_TRUE(announced.closed_by_server());
    TestClient chunked{server->endpoint()};
    chunked.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                 std::string(1'001, 'a'));
    EXPECT_EQ(chunked.read_http().status, 413);
    TestClient sent{server->endpoint()};
    EXPECT_EQ(sent.post(std::string(100'000, 'a')).status, 413);
}

TEST(Bounds, a_header_over_the_bound_is_431) {
    EchoHandler handler;
    const auto server = start(handler, {.header_max = 1'000});
    TestClient client{server->endpoint()};
    EXPECT_EQ(client.post("a", "X: " + std::string(500, 'x') + "\r\n").status, 200);
    EXPECT_EQ(client.post("a", "X: " + std::string(1'000, 'x') + "\r\n").status, 431);
    EXPECT_TRUE(client.closed_by_server());
    TestClient endless{server->endpoint()};
    endless.send("POST / HTTP/1.1\r\nX: " + std::string(1'000, 'x'));
    EXPECT_EQ(endless.read_http().status, 431);
}

TEST(Bounds, a_request_that_takes_too_long_to_come_is_cut) {
    EchoHandler handler;
    const auto server = start(handler, {.read_ms_max = 100});
    TestClient header{server->endpoint()};
    header.send("POST / HTTP/1.1\r\nHost:");
    TestClient body{server->endpoint()};
    body.send(head_without_body);
    EXPECT_EQ(header.read_http().status, 408);
    EXPECT_TRUE(header.closed_by_server());
    EXPECT_EQ(body.read_http().status, 408);
    EXPECT_TRUE(body.closed_by_server());
    // It may take its time between requests.
    TestClient honest{server->endpoint()};
    EXPECT_EQ(honest.post("a").status, 200);
    EXPECT_EQ(honest.post("b").status, 200);
}

TEST(Bounds, an_idle_connection_ends) {
    EchoHandler handler;
    const auto server = start(handler, {.idle_ms_max = 100});
    TestClient silent{server->endpoint()};
    TestClient used{server->endpoint()};
    EXPECT_EQ(used.post("a").status, 200);
    EXPECT_TRUE(silent.closed_by_server());
    EXPECT_TRUE(used.closed_by_server());
    EXPECT_EQ(server->metrics().connections_open, 0u);
}

TEST(Bounds, who_does_not_take_its_answer_is_cut) {
    EchoHandler handler;
    const auto server = start(handler, {.write_ms_max = 100});
    TestClient slow{server->endpoint(), 4'096};
    slow.send(post_text("big 30000000"));
    handler.wait_for_closed(1);
    TestClient slow_socket{server->endpoint(), 4'096};
    ASSERT_EQ(slow_socket.upgrade(), 101);
    slow_socket.send_frame(text, "big 30000000");
    handler.wait_for_closed(2);
    EXPECT_EQ(server->metrics().bytes_in_flight, 0u);
    TestClient honest{server->endpoint()};
    EXPECT_EQ(honest.post("a").body, "[a]");
}

TEST(Bounds, two_thousand_connections_leave_honest_callers_served) {
    EchoHandler handler;
    const auto server = start(handler, {.connections_max = 2'048});
    std::vector<TestClient> crowd;
    for (int i = 0; i < 2'000; ++i) {
        crowd.emplace_back(server->endpoint());
        // A third is silent, a third has sent half a header, a third half a body.
        if (i % 3 == 1) crowd.back().send("POST / HTTP/1.1\r\nHo");
        if (i % 3 == 2) crowd.back().send(head_without_body + std::string(1'000, 'x'));
    }
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back([&] {
            TestClient client{server->endpoint()};
            for (int call = 0; call < 500; ++call)
                ASSERT_EQ(client.post("hello").body, "[hello]");
        });
    }
    for (std::thread& caller : callers)
        caller.join();
    EXPECT_GE(server->metrics().connections_open, 2'000u);
    EXPECT_LE(server->metrics().bytes_in_flight, 2'000u * 1'100u);
    EXPECT_EQ(server->metrics().refused, 0u);
}

TEST(Bounds, over_the_bound_of_connections_the_longest_idle_one_goes) {
    EchoHandler handler;
    const auto server = start(handler, {.connections_max = 3});
    TestClient first{server->endpoint()};
    EXPECT_EQ(first.post("a").status, 200);
    TestClient second{server->endpoint()};
    EXPECT_EQ(second.post("a").status, 200);
    TestClient third{server->endpoint()};
    EXPECT_EQ(third.post("a").status, 200);
    EXPECT_EQ(first.post("a").status, 200);
    TestClient fourth{server->endpoint()};
    EXPECT_EQ(fourth.post("a").status, 200);
    EXPECT_TRUE(second.closed_by_server());
    EXPECT_EQ(first.post("a").status, 200);
    EXPECT_EQ(third.post("a").status, 200);
}

TEST(Bounds, when_all_connections_wait_for_answers_a_new_one_gets_503) {
    EchoHandler handler;
    const auto server = start(handler, {.connections_max = 2});
    TestClient first{server->endpoint()};
    TestClient second{server->endpoint()};
    first.send(post_text("later"));
    second.send(post_text("later"));
    handler.wait_for_kept(2);
    TestClient third{server->endpoint()};
    EXPECT_EQ(third.read_http().status, 503);
    EXPECT_TRUE(third.closed_by_server());
    handler.answer_all();
    EXPECT_EQ(first.read_http().status, 200);
    EXPECT_EQ(second.read_http().status, 200);
}

TEST(Bounds, over_the_bound_of_waiting_requests_the_next_is_told) {
    EchoHandler handler;
    const auto server = start(handler, {.requests_waiting_max = 3});
    TestClient first{server->endpoint()};
    first.send(post_text("later") + post_text("later") + post_text("later"));
    handler.wait_for_kept(3);
    EXPECT_EQ(server->metrics().requests_waiting, 3u);
    TestClient second{server->endpoint()};
    EXPECT_EQ(second.post("a").status, 503);
    TestClient socket{server->endpoint()};
    ASSERT_EQ(socket.upgrade(), 101);
    socket.send_frame(text, "a");
    EXPECT_NE(socket.read_frame().payload.find("-32005"), std::string::npos);
    handler.answer_all();
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(first.read_http().status, 200);
    EXPECT_EQ(second.post("a").status, 200);
    socket.send_frame(text, "a");
    EXPECT_EQ(socket.read_frame().payload, "[a]");
}

TEST(Bounds, a_connection_with_enough_waiting_is_not_read) {
    EchoHandler handler;
    const auto server = start(handler, {.per_connection_waiting_max = 4});
    TestClient client{server->endpoint()};
    std::string requests;
    for (int i = 0; i < 20; ++i)
        requests += post_text("later");
    ASSERT_TRUE(client.send(requests));
    handler.wait_for_kept(4);
    const std::string more = std::string(32u << 20, 'x');
    client.send_what_fits(post_text(more.substr(0, 8u << 20)));
    EXPECT_EQ(server->metrics().requests_waiting, 4u);
    EXPECT_LE(server->metrics().bytes_in, 2 * read_once_max);
    for (int round = 0; round < 5; ++round) {
        handler.wait_for_kept(4);
        handler.answer_all();
        for (int i = 0; i < 4; ++i)
            ASSERT_EQ(client.read_http().body, "[late]");
    }
}

TEST(Bounds, a_socket_with_enough_waiting_is_not_read) {
    EchoHandler handler;
    const auto server = start(handler, {.per_connection_waiting_max = 4});
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    for (int i = 0; i < 20; ++i)
        client.send_frame(text, "later");
    for (int round = 0; round < 5; ++round) {
        handler.wait_for_kept(4);
        EXPECT_EQ(server->metrics().requests_waiting, 4u);
        handler.answer_all();
        for (int i = 0; i < 4; ++i)
            ASSERT_EQ(client.read_frame().payload, "[late]");
    }
}

TEST(Bounds, a_push_to_a_client_that_never_reads_closes_only_that_client) {
    EchoHandler handler;
    const auto server = start(handler, {.push_bytes_max = 100'000});
    TestClient deaf{server->endpoint(), 4'096};
    ASSERT_EQ(deaf.upgrade(), 101);
    deaf.send_frame(text, "deaf");
    EXPECT_EQ(deaf.read_frame().payload, "[deaf]");
    TestClient good{server->endpoint()};
    ASSERT_EQ(good.upgrade(), 101);
    good.send_frame(text, "good");
    EXPECT_EQ(good.read_frame().payload, "[good]");
    const auto sessions = handler.sessions();
    ASSERT_EQ(sessions.size(), 2u);
    const std::string message(10'000, 'm');
    // What the kernel buffers for the deaf one differs; at some point its own queue is full.
    int told = 0;
    while (sessions[0]->push(message)) {
        ASSERT_TRUE(sessions[1]->push(message));
        ASSERT_EQ(good.read_frame().payload, message);
        ASSERT_LT(++told, 10'000);
    }
    handler.wait_for_closed(1);
    EXPECT_EQ(handler.closed().front(), sessions[0]->id());
    EXPECT_FALSE(sessions[0]->can_push());
    EXPECT_FALSE(sessions[0]->push("late"));
    EXPECT_TRUE(sessions[1]->push("still"));
    EXPECT_EQ(good.read_frame().payload, "still");
}

TEST(Bounds, memory_in_flight_is_bounded_and_small_callers_are_served) {
    EchoHandler handler;
    constexpr std::size_t memory_max = 4u << 20;
    const auto server = start(handler, {.memory_max = memory_max});
    const std::string most_of_a_body(1u << 20, 'x');
    std::vector<TestClient> hogs;
    TestClient honest{server->endpoint()};
    for (int i = 0; i < 40; ++i) {
        hogs.emplace_back(server->endpoint());
        hogs.back().send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000000\r\n\r\n");
        hogs.back().send(most_of_a_body);
        ASSERT_EQ(honest.post("hello").body, "[hello]");
        ASSERT_LE(server->metrics().bytes_in_flight, memory_max + 2 * read_once_max);
    }
    EXPECT_GT(server->metrics().refused, 0u);
}

TEST(Bounds, answers_that_nobody_takes_do_not_pile_up) {
    EchoHandler handler;
    constexpr std::size_t memory_max = 16u << 20;
    const auto server = start(handler, {.push_bytes_max = 1u << 20, .memory_max = memory_max});
    std::string requests;
    for (int i = 0; i < 60; ++i)
        requests += post_text("big 1000000");
    std::vector<TestClient> greedy;
    TestClient honest{server->endpoint()};
    for (int i = 0; i < 10; ++i) {
        greedy.emplace_back(server->endpoint(), 4'096);
        greedy.back().send(requests);
        ASSERT_EQ(honest.post("hello").body, "[hello]");
        ASSERT_LE(server->metrics().bytes_in_flight, memory_max + 4u * 1'000'000u);
    }
}

}  // namespace
}  // namespace millrace::rpc
