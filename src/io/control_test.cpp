// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/control.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::io {
namespace {

constexpr Duration patience{30'000};

/// A server whose loop runs in this thread while `client` runs in another.
template <typename Client>
void with_server(const std::string& folder, ControlServer::Handler handler, Client client) {
    EventLoop loop;
    auto server = ControlServer::listen(loop, folder, std::move(handler));
    ASSERT_TRUE(server) << server.error().text();
    std::thread thread{[&] {
        client();
        loop.stop();
    }};
    loop.run();
    thread.join();
}

TEST(Control, a_request_gets_all_its_lines_and_then_the_end) {
    const TemporaryFolder folder;
    const auto handler = [](const std::string& request, const ControlReply& reply) {
        EXPECT_TRUE(reply.line("{\"echo\":" + request + "}"));
        EXPECT_TRUE(reply.line("{\"n\":2}"));
        reply.end();
        EXPECT_FALSE(reply.line("{}"));
    };
    with_server(folder.path(), handler, [&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        for (const char* request : {"{\"a\":1}", "{\"a\":2}"}) {
            const auto lines = client->call(request, patience);
            ASSERT_TRUE(lines) << lines.error().text();
            EXPECT_EQ(*lines, (std::vector<std::string>{"{\"echo\":" + std::string{request} + "}",
                                                        "{\"n\":2}"}));
        }
    });
}

TEST(Control, the_socket_is_for_its_user_alone_and_goes_with_the_server) {
    const TemporaryFolder folder;
    const auto handler = [](const std::string&, const ControlReply& reply) { reply.end(); };
    with_server(folder.path(), handler, [&] {
        struct stat status {};
        ASSERT_EQ(::stat((folder / "control.sock").c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u);
    });
    EXPECT_FALSE(file_exists(folder / "control.sock"));
}

TEST(Control, without_a_daemon_the_client_says_what_to_do) {
    const TemporaryFolder folder;
    const auto client = ControlClient::connect(folder.path(), "agent");
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().what, "no agent runs there");
    EXPECT_FALSE(client.error().remedy.empty());
}

TEST(Control, a_socket_left_by_a_killed_daemon_is_replaced) {
    const TemporaryFolder folder;
    ASSERT_TRUE(atomic_write_file(folder / "control.sock", {}));
    EXPECT_FALSE(ControlClient::connect(folder.path(), "agent"));
    const auto handler = [](const std::string&, const ControlReply& reply) { reply.finish("{}"); };
    with_server(folder.path(), handler, [&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        EXPECT_TRUE(client->call("{}", patience));
    });
}

TEST(Control, a_path_too_long_for_a_socket_works_through_a_short_one) {
    const TemporaryFolder folder;
    const std::string deep = folder / std::string(120, 'd');
    ASSERT_TRUE(make_folder(deep));
    const auto handler = [](const std::string&, const ControlReply& reply) { reply.finish("{}"); };
    with_server(deep, handler, [&] {
        EXPECT_TRUE(file_exists(deep + "/control.path"));
        auto client = ControlClient::connect(deep, "agent");
        ASSERT_TRUE(client) << client.error().text();
        EXPECT_TRUE(client->call("{}", patience));
    });
}

TEST(Control, large_lines_pass_both_ways) {
    const TemporaryFolder folder;
    const std::string large(5u << 20, 'x');
    const auto handler = [](const std::string& request, const ControlReply& reply) {
        reply.finish(request);
    };
    with_server(folder.path(), handler, [&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        const auto lines = client->call(large, patience);
        ASSERT_TRUE(lines);
        EXPECT_EQ(lines->front(), large);
        EXPECT_FALSE(client->call(std::string(control_line_max + 1, 'x'), patience));
    });
}

TEST(Control, an_answer_that_does_not_come_ends_at_the_deadline) {
    const TemporaryFolder folder;
    std::vector<ControlReply> kept;
    const auto handler = [&](const std::string&, const ControlReply& reply) {
        kept.push_back(reply);
    };
    with_server(folder.path(), handler, [&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        const auto late = client->call("{}", Duration{20});
        ASSERT_FALSE(late);
        EXPECT_EQ(late.error().what, "the agent does not answer");
    });
}

TEST(Control, a_stream_ends_when_the_client_leaves_and_the_server_learns_it) {
    const TemporaryFolder folder;
    EventLoop loop;
    std::optional<ControlReply> stream;
    std::function<void()> tick = [&] {
        if (stream && !stream->line("{\"tick\":1}")) {
            EXPECT_FALSE(stream->is_open());
            loop.stop();
            return;
        }
        loop.call_after(Duration{1}, tick);
    };
    auto server =
        ControlServer::listen(loop, folder.path(), [&](const std::string&, ControlReply reply) {
            stream.emplace(std::move(reply));
            tick();
        });
    ASSERT_TRUE(server);
    int seen = 0;
    std::thread thread{[&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        EXPECT_TRUE(client->stream("{}", patience, [&](std::string_view) { return ++seen < 3; }));
    }};
    loop.run();
    thread.join();
    EXPECT_EQ(seen, 3);
}

TEST(Control, a_dropped_reply_ends_the_request) {
    const TemporaryFolder folder;
    const auto handler = [](const std::string&, const ControlReply&) {};
    with_server(folder.path(), handler, [&] {
        auto client = ControlClient::connect(folder.path(), "agent");
        ASSERT_TRUE(client);
        const auto lines = client->call("{}", patience);
        ASSERT_TRUE(lines);
        EXPECT_TRUE(lines->empty());
    });
}

}  // namespace
}  // namespace millrace::io
