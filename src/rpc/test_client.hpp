// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/server.hpp"

/// For the tests of rpc/: a handler whose answers the test chooses, and a client that writes the
/// bytes itself, for what a well-behaved library would never send. Every wait is for an event; the
/// client gives up after a minute, with an empty answer.
namespace millrace::rpc {

/// Answers with the request's text in brackets. "later" keeps the reply for answer_all, "nothing"
/// answers nothing, "drop" forgets the reply, "big N" answers N bytes, "throw" throws.
class EchoHandler final : public Handler {
  public:
    void handle(const SessionPtr& session, std::string body, Reply reply) override;
    Page page(std::string_view path) override;
    void on_closed(std::uint64_t session_id) override;

    void wait_for_kept(std::size_t count);
    /// Answers what is kept, the newest first.
    void answer_all();
    void wait_for_closed(std::size_t count);
    [[nodiscard]] std::vector<SessionPtr> sessions() const;
    [[nodiscard]] std::vector<std::uint64_t> closed() const;

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::function<void()>> kept_;
    std::vector<SessionPtr> sessions_;
    std::vector<std::uint64_t> closed_;
};

struct HttpAnswer {
    int status = 0;  ///< 0: the connection ended first
    std::string head;
    std::string body;
};

struct Frame {
    int opcode = -1;  ///< -1: the connection ended first
    bool final = true;
    std::string payload;
};

class TestClient {
  public:
    explicit TestClient(const std::string& endpoint, int receive_buffer = 0);
    TestClient(TestClient&& other) noexcept;
    TestClient& operator=(TestClient&&) = delete;
    ~TestClient();

    /// False when the server has closed.
    bool send(std::string_view bytes);
    /// Sends until the socket takes no more; the bytes taken.
    std::size_t send_what_fits(std::string_view bytes);
    void shut_write();
    /// Everything until the server closes.
    std::string read_to_end();
    /// True when the server closes or resets without a further byte.
    bool closed_by_server();
    HttpAnswer read_http();
    HttpAnswer post(std::string_view body, std::string_view extra_head = {});

    /// The status of the answer.
    int upgrade(std::string_view extra_head = {});
    bool send_frame(int opcode, std::string_view payload, bool final = true, bool masked = true);
    Frame read_frame();

  private:
    bool fill();
    int fd_ = -1;
    std::string in_;
};

std::string post_text(std::string_view body, std::string_view extra_head = {});

}  // namespace millrace::rpc
