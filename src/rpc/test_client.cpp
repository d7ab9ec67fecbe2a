// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/test_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/assert.hpp"
#include "io/socket_address.hpp"

namespace millrace::rpc {
namespace {

constexpr int wait_ms_max = 60'000;

std::size_t number_after(std::string_view text, std::string_view name, std::size_t otherwise) {
    const std::size_t at = text.find(name);
    if (at == std::string_view::npos) return otherwise;
    std::size_t value = otherwise;
    const char* first = text.data() + at + name.size();
    std::from_chars(first, text.data() + text.size(), value);
    return value;
}

}  // namespace

void EchoHandler::handle(const SessionPtr& session, std::string body, Reply reply) {
    {
        const std::lock_guard lock{mutex_};
        if (std::ranges::find(sessions_, session) == sessions_.end()) sessions_.push_back(session);
        if (body == "later") {
            kept_.push_back([reply = std::move(reply)] { reply("[late]"); });
            changed_.notify_all();
            return;
        }
    }
    if (body == "nothing") return reply({});
    if (body == "drop") return;
    if (body == "throw") throw std::runtime_error{"the test said so"};
    if (body.starts_with("big ")) return reply(std::string(number_after(body, "big ", 0), 'b'));
    reply("[" + body + "]");
}

Handler::Page EchoHandler::page(std::string_view path) {
    if (path != "/health") return {.status = 404, .type = "text/plain", .body = "no such page\n"};
    return {.status = 200, .type = "text/plain", .body = "well\n"};
}

void EchoHandler::on_closed(std::uint64_t session_id) {
    const std::lock_guard lock{mutex_};
    closed_.push_back(session_id);
    changed_.notify_all();
}

void EchoHandler::wait_for_kept(std::size_t count) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return kept_.size() >= count; });
}

void EchoHandler::answer_all() {
    std::vector<std::function<void()>> kept;
    {
        const std::lock_guard lock{mutex_};
        kept.swap(kept_);
    }
    for (auto at = kept.rbegin(); at != kept.rend(); ++at)
        (*at)();
}

void EchoHandler::wait_for_closed(std::size_t count) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return closed_.size() >= count; });
}

std::vector<SessionPtr> EchoHandler::sessions() const {
    const std::lock_guard lock{mutex_};
    return sessions_;
}

std::vector<std::uint64_t> EchoHandler::closed() const {
    const std::lock_guard lock{mutex_};
    return closed_;
}

TestClient::TestClient(const std::string& endpoint, int receive_buffer) {
    const auto parsed = io::parse_endpoint(endpoint);
    MILLRACE_ASSERT(parsed.has_value());
    const auto addresses = io::resolve(*parsed, true);
    MILLRACE_ASSERT(!addresses.empty());
    fd_ = ::socket(addresses[0].storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MILLRACE_ASSERT(fd_ >= 0);
    if (receive_buffer > 0) {
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const int yes = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const int connected = ::connect(fd_, addresses[0].get(), addresses[0].size);
    MILLRACE_ASSERT(connected == 0);
}

TestClient::TestClient(TestClient&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, in_{std::move(other.in_)} {}

TestClient::~TestClient() {
    if (fd_ >= 0) ::close(fd_);
}

bool TestClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

std::size_t TestClient::send_what_fits(std::string_view bytes) {
    std::size_t total = 0;
    for (;;) {
        const ssize_t size =
            ::send(fd_, bytes.data() + total, bytes.size() - total, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size <= 0) return total;
        total += static_cast<std::size_t>(size);
    }
}

void TestClient::shut_write() {
    ::shutdown(fd_, SHUT_WR);
}

bool TestClient::fill() {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, wait_ms_max) != 1) return false;
    char buffer[65536];
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, 0);
    if (size <= 0) return false;
    in_.append(buffer, static_cast<std::size_t>(size));
    return true;
}

std::string TestClient::read_to_end() {
    while (fill()) {
    }
    return std::exchange(in_, {});
}

bool TestClient::closed_by_server() {
    if (!in_.empty()) return false;
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, wait_ms_max) != 1) return false;
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_PEEK) <= 0;
}

HttpAnswer TestClient::read_http() {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
        if (!fill()) return {};
    }
    HttpAnswer answer;
    answer.head = in_.substr(0, end + 4);
    in_.erase(0, end + 4);
    answer.status = static_cast<int>(number_after(answer.head, "HTTP/1.1 ", 0));
    const std::size_t size = number_after(answer.head, "Content-Length: ", 0);
    while (in_.size() < size) {
        if (!fill()) return {};
    }
    answer.body = in_.substr(0, size);
    in_.erase(0, size);
    return answer;
}

HttpAnswer TestClient::post(std::string_view body, std::string_view extra_head) {
    if (!send(post_text(body, extra_head))) return {};
    return read_http();
}

int TestClient::upgrade(std::string_view extra_head) {
    send(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
        std::string{extra_head} + "\r\n");
    const HttpAnswer answer = read_http();
    // RFC 6455, section 1.3: the answer to this key.
    if (answer.status == 101 &&
        answer.head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == std::string::npos) {
        return 0;
    }
    return answer.status;
}

bool TestClient::send_frame(int opcode, std::string_view payload, bool final, bool masked) {
    std::string frame;
    frame += static_cast<char>((final ? 0x80 : 0) | opcode);
    const int mask_bit = masked ? 0x80 : 0;
    const std::size_t size = payload.size();
    int extra = 0;
    if (size < 126) {
        frame += static_cast<char>(mask_bit | static_cast<int>(size));
    } else if (size < 65536) {
        frame += static_cast<char>(mask_bit | 126);
        extra = 2;
    } else {
        frame += static_cast<char>(mask_bit | 127);
        extra = 8;
    }
    for (int byte = extra - 1; byte >= 0; --byte)
        frame += static_cast<char>((size >> (8 * byte)) & 0xff);
    const std::string_view mask = masked ? "m4sk" : "";
    frame += mask;
    for (std::size_t i = 0; i < size; ++i)
        frame += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
    return send(frame);
}

Frame TestClient::read_frame() {
    const auto have = [&](std::size_t size) {
        while (in_.size() < size) {
            if (!fill()) return false;
        }
        return true;
    };
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(in_[at]); };
    if (!have(2)) return {};
    std::size_t size = byte(1) & 0x7f;
    std::size_t head = 2;
    const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (!have(2 + extra)) return {};
    if (extra > 0) {
        size = 0;
        for (std::size_t i = 0; i < extra; ++i)
            size = size << 8 | byte(2 + i);
        head += extra;
    }
    if (!have(head + size)) return {};
    Frame frame{
        .opcode = byte(0) & 0xf, .final = (byte(0) & 0x80) != 0, .payload = in_.substr(head, size)};
    in_.erase(0, head + size);
    return frame;
}

std::string post_text(std::string_view body, std::string_view extra_head) {
    return "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
           std::string{extra_head} + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string{body};
}

}  // namespace millrace::rpc
