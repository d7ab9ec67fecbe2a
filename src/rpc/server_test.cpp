// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "rpc/test_client.hpp"

namespace millrace::rpc {
namespace {

Server::Options any_port() {
    return {.listen = "127.0.0.1:0", .cors_origins = {}, .hosts = {}};
}

std::unique_ptr<Server> start(Handler& handler, Server::Options options = any_port()) {
    auto server = Server::start(std::move(options), handler);
    EXPECT_TRUE(server) << server.error().text();
    return std::move(server).value();
}

TEST(Server, a_request_is_answered_and_the_connection_lives) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    for (int round = 0; round < 3; ++round) {
        const HttpAnswer answer = client.post("hello");
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "[hello]");
        EXPECT_NE(answer.head.find("Content-Type: application/json\r\n"), std::string::npos);
        EXPECT_EQ(answer.head.find("Connection:"), std::string::npos);
    }
    EXPECT_EQ(server->metrics().requests, 3u);
    EXPECT_EQ(server->metrics().connections, 1u);
}

TEST(Server, pipelined_requests_are_answered_in_their_order) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    std::string requests = post_text("later") + post_text("later");
    for (int i = 0; i < 200; ++i)
        requests += post_text(std::to_string(i));
    ASSERT_TRUE(client.send(requests));
    handler.wait_for_kept(2);
    handler.answer_all();
    EXPECT_EQ(client.read_http().body, "[late]");
    EXPECT_EQ(client.read_http().body, "[late]");
    for (int i = 0; i < 200; ++i)
        ASSERT_EQ(client.read_http().body, "[" + std::to_string(i) + "]");
}

TEST(Server, a_request_may_come_byte_by_byte_and_in_chunks) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    const std::string chunked =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";
    for (const char byte : chunked)
        ASSERT_TRUE(client.send({&byte, 1}));
    EXPECT_EQ(client.read_http().body, "[hello, world]");
    ASSERT_TRUE(client.send(chunked + post_text("after")));
    EXPECT_EQ(client.read_http().body, "[hello, world]");
    EXPECT_EQ(client.read_http().body, "[after]");
}

TEST(Server, large_bodies_and_answers_pass) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    const std::string body(16u << 20, 'x');
    std::thread sender{[&] { client.send(post_text(body)); }};
    const HttpAnswer answer = client.read_http();
    sender.join();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body == "[" + body + "]");
    EXPECT_EQ(client.post("big 33554432").body.size(), 33554432u);
    EXPECT_EQ(server->metrics().bytes_in_flight, 0u);
}

TEST(Server, a_client_that_waits_for_100_continue_gets_it) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    client.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        "Expect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_http().status, 100);
    client.send("hi");
    EXPECT_EQ(client.read_http().body, "[hi]");
}

TEST(Server, nothing_to_say_is_204_and_a_dropped_or_failed_request_is_500) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    EXPECT_EQ(client.post("nothing").status, 204);
    EXPECT_EQ(client.post("drop").status, 500);
    EXPECT_EQ(client.post("throw").status, 500);
    EXPECT_EQ(client.post("still here").body, "[still here]");
    EXPECT_EQ(server->metrics().requests_waiting, 0u);
}

TEST(Server, pages_other_paths_and_other_methods) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const HttpAnswer health = client.read_http();
    EXPECT_EQ(health.status, 200);
    EXPECT_EQ(health.body, "well\n");
    EXPECT_NE(health.head.find("Content-Type: text/plain\r\n"), std::string::npos);
    client.send("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(client.read_http().status, 404);
    client.send("POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    EXPECT_EQ(client.read_http().status, 404);
    client.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    const HttpAnswer put = client.read_http();
    EXPECT_EQ(put.status, 405);
    EXPECT_NE(put.head.find("Allow: GET, POST, OPTIONS\r\n"), std::string::npos);
    EXPECT_EQ(client.post("after all").body, "[after all]");
}

TEST(Server, connection_close_and_http_1_0_end_after_the_answer) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient closing{server->endpoint()};
    EXPECT_EQ(closing.post("a", "Connection: close\r\n").body, "[a]");
    EXPECT_TRUE(closing.closed_by_server());
    TestClient old{server->endpoint()};
    old.send("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nb");
    const HttpAnswer answer = old.read_http();
    EXPECT_EQ(answer.body, "[b]");
    EXPECT_NE(answer.head.find("Connection: close\r\n"), std::string::npos);
    EXPECT_TRUE(old.closed_by_server());
    TestClient half{server->endpoint()};
    half.send(post_text("c") + post_text("d"));
    half.shut_write();
    EXPECT_EQ(half.read_http().body, "[c]");
    EXPECT_EQ(half.read_http().body, "[d]");
    EXPECT_TRUE(half.closed_by_server());
}

TEST(Server, what_is_no_http_is_refused_and_closed) {
    EchoHandler handler;
    const auto server = start(handler);
    for (const std::string bad :
         {"hello\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/9.9\r\nHost: localhost\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
          "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"}) {
        TestClient client{server->endpoint()};
        client.send(bad);
        EXPECT_EQ(client.read_http().status, 400) << bad;
        EXPECT_TRUE(client.closed_by_server()) << bad;
    }
    TestClient client{server->endpoint()};
    EXPECT_EQ(client.post("good").status, 200);
}

TEST(Server, a_page_of_a_stranger_is_refused) {
    EchoHandler handler;
    auto options = any_port();
    options.cors_origins = {"http://app.example"};
    options.hosts = {"node.example"};
    const auto server = start(handler, options);
    TestClient client{server->endpoint()};
    const HttpAnswer friendly = client.post("a", "Origin: http://app.example\r\n");
    EXPECT_EQ(friendly.body, "[a]");
    EXPECT_NE(friendly.head.find("Access-Control-Allow-Origin: http://app.example\r\n"),
              std::string::npos);
    client.send(
        "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://app.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n");
    const HttpAnswer preflight = client.read_http();
    EXPECT_EQ(preflight.status, 204);
    EXPECT_NE(preflight.head.find("Access-Control-Allow-Headers: Content-Type\r\n"),
              std::string::npos);
    EXPECT_EQ(client.post("b", "Origin: http://evil.example\r\n").status, 403);
    EXPECT_TRUE(client.closed_by_server());
    TestClient rebound{server->endpoint()};
    rebound.send("POST / HTTP/1.1\r\nHost: evil.example:8545\r\nContent-Length: 1\r\n\r\na");
    EXPECT_EQ(rebound.read_http().status, 403);
    TestClient named{server->endpoint()};
    named.send("POST / HTTP/1.1\r\nHost: node.example\r\nContent-Length: 1\r\n\r\na");
    EXPECT_EQ(named.read_http().body, "[a]");
    TestClient socket{server->endpoint()};
    EXPECT_EQ(socket.upgrade("Origin: http://evil.example\r\n"), 403);
}

TEST(Server, the_handler_learns_of_every_session_s_end_once) {
    EchoHandler handler;
    {
        const auto server = start(handler);
        for (int i = 0; i < 5; ++i) {
            TestClient client{server->endpoint()};
            EXPECT_EQ(client.post("a").status, 200);
        }
        handler.wait_for_closed(5);
        TestClient last{server->endpoint()};
        EXPECT_EQ(last.post("a").status, 200);
    }
    auto closed = handler.closed();
    std::ranges::sort(closed);
    EXPECT_EQ(closed, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
    EXPECT_FALSE(handler.sessions().front()->push("to nobody"));
}

TEST(Server, a_stopping_server_answers_what_is_in_flight) {
    EchoHandler handler;
    auto server = start(handler);
    TestClient client{server->endpoint()};
    TestClient idle{server->endpoint()};
    TestClient socket{server->endpoint()};
    EXPECT_EQ(socket.upgrade(), 101);
    socket.send_frame(1, "later");
    client.send(post_text("later"));
    handler.wait_for_kept(2);
    std::thread stopper{[&] { server.reset(); }};
    EXPECT_TRUE(idle.closed_by_server());
    handler.answer_all();
    const HttpAnswer answer = client.read_http();
    EXPECT_EQ(answer.body, "[late]");
    EXPECT_TRUE(client.closed_by_server());
    EXPECT_EQ(socket.read_frame().payload, "[late]");
    const Frame goodbye = socket.read_frame();
    EXPECT_EQ(goodbye.opcode, 8);
    EXPECT_EQ(goodbye.payload.substr(0, 2), "\x03\xe9");  // 1001, going away
    stopper.join();
}

TEST(Server, a_server_stops_though_an_answer_never_comes) {
    EchoHandler handler;
    {
        auto server = start(handler);
        TestClient client{server->endpoint()};
        client.send(post_text("later"));
        handler.wait_for_kept(1);
        server.reset();
        EXPECT_TRUE(client.closed_by_server());
    }
    handler.answer_all();  // too late, and harmless
}

TEST(Server, a_wrong_or_taken_address_is_told) {
    EchoHandler handler;
    const auto server = start(handler);
    for (const std::string& listen : {std::string{"nowhere"}, std::string{"some.name:1"},
                                      std::string{"127.0.0.1:99999"}, server->endpoint()}) {
        auto options = any_port();
        options.listen = listen;
        const auto second = Server::start(options, handler);
        ASSERT_FALSE(second) << listen;
        EXPECT_NE(second.error().text().find(listen), std::string::npos) << second.error().text();
    }
}

}  // namespace
}  // namespace millrace::rpc
