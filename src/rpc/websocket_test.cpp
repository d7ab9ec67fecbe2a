// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "rpc/server.hpp"
#include "rpc/test_client.hpp"

namespace millrace::rpc {
namespace {

constexpr int continuation = 0;
constexpr int text = 1;
constexpr int close_frame = 8;
constexpr int ping = 9;
constexpr int pong = 10;

std::unique_ptr<Server> start(Handler& handler, Server::Limits limits = {}) {
    auto server = Server::start({.listen = "127.0.0.1:0", .limits = limits}, handler);
    EXPECT_TRUE(server) << server.error().text();
    return std::move(server).value();
}

TEST(WebSocket, messages_are_answered_each_with_a_frame) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "hello");
    const Frame answer = client.read_frame();
    EXPECT_EQ(answer.opcode, text);
    EXPECT_TRUE(answer.final);
    EXPECT_EQ(answer.payload, "[hello]");
    client.send_frame(text, "nothing");
    client.send_frame(text, "throw");
    EXPECT_NE(client.read_frame().payload.find("-32603"), std::string::npos);
}

TEST(WebSocket, a_message_in_fragments_with_a_ping_between_is_one_message) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "one ", false);
    client.send_frame(continuation, "two ", false);
    client.send_frame(ping, "are you there");
    client.send_frame(continuation, "three", true);
    const Frame ponged = client.read_frame();
    EXPECT_EQ(ponged.opcode, pong);
    EXPECT_EQ(ponged.payload, "are you there");
    EXPECT_EQ(client.read_frame().payload, "[one two three]");
}

TEST(WebSocket, sixteen_mebibytes_pass_and_one_byte_more_is_too_big) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    const std::string body(16u << 20, 'x');
    std::thread sender{[&] { client.send_frame(text, body); }};
    EXPECT_TRUE(client.read_frame().payload == "[" + body + "]");
    sender.join();
    client.send_frame(text, body + "y");
    const Frame refused = client.read_frame();
    EXPECT_EQ(refused.opcode, close_frame);
    EXPECT_EQ(refused.payload.substr(0, 2), "\x03\xf1");  // 1009, message too big
}

TEST(WebSocket, answers_come_when_they_are_ready) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "later");
    handler.wait_for_kept(1);
    client.send_frame(text, "quick");
    EXPECT_EQ(client.read_frame().payload, "[quick]");
    handler.answer_all();
    EXPECT_EQ(client.read_frame().payload, "[late]");
}

TEST(WebSocket, pushed_messages_come_in_their_order) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "subscribe");
    EXPECT_EQ(client.read_frame().payload, "[subscribe]");
    const SessionPtr session = handler.sessions().at(0);
    ASSERT_TRUE(session->can_push());
    for (int i = 0; i < 1'000; ++i)
        ASSERT_TRUE(session->push(std::to_string(i)));
    for (int i = 0; i < 1'000; ++i)
        ASSERT_EQ(client.read_frame().payload, std::to_string(i));
}

TEST(WebSocket, a_close_is_answered_and_told) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "a");
    EXPECT_EQ(client.read_frame().payload, "[a]");
    client.send_frame(close_frame, "\x03\xe8");
    const Frame answer = client.read_frame();
    EXPECT_EQ(answer.opcode, close_frame);
    EXPECT_EQ(answer.payload, "\x03\xe8");
    EXPECT_TRUE(client.closed_by_server());
    handler.wait_for_closed(1);
    EXPECT_FALSE(handler.sessions().at(0)->can_push());
    EXPECT_FALSE(handler.sessions().at(0)->push("late"));
}

TEST(WebSocket, an_unmasked_frame_breaks_the_protocol) {
    EchoHandler handler;
    const auto server = start(handler);
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "plain", true, false);
    const Frame refused = client.read_frame();
    EXPECT_EQ(refused.opcode, close_frame);
    EXPECT_EQ(refused.payload.substr(0, 2), "\x03\xea");  // 1002, protocol error
}

TEST(WebSocket, a_silent_client_is_pinged_and_then_closed) {
    EchoHandler handler;
    const auto server = start(handler, {.idle_ms_max = 200});
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    EXPECT_EQ(client.read_frame().opcode, ping);
    EXPECT_EQ(client.read_to_end().find("never"), std::string::npos);
    TestClient lively{server->endpoint()};
    ASSERT_EQ(lively.upgrade(), 101);
    for (int round = 0; round < 5; ++round) {
        const Frame asked = lively.read_frame();
        ASSERT_EQ(asked.opcode, ping);
        lively.send_frame(pong, asked.payload);
    }
}

TEST(WebSocket, a_message_that_never_ends_is_cut) {
    EchoHandler handler;
    const auto server = start(handler, {.read_ms_max = 100});
    TestClient client{server->endpoint()};
    ASSERT_EQ(client.upgrade(), 101);
    client.send_frame(text, "begun", false);
    EXPECT_TRUE(client.closed_by_server());
}

}  // namespace
}  // namespace millrace::rpc
