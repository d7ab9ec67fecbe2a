// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/load_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "io/socket_address.hpp"

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// The value of Content-Length; npos when there is none. `head` ends with an empty line.
std::size_t content_length(std::string_view head) {
    constexpr std::string_view name = "\r\ncontent-length:";
    const auto same = [](char left, char right) { return (left | 0x20) == (right | 0x20); };
    const auto found = std::search(head.begin(), head.end(), name.begin(), name.end(), same);
    if (found == head.end()) return std::string_view::npos;
    const char* at = &*found + name.size();
    while (*at == ' ')
        ++at;
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(at, head.data() + head.size(), size);
    return error == std::errc{} ? size : std::string_view::npos;
}

double seconds_between(Clock::time_point begin, Clock::time_point end) {
    return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

struct LoadClient::Connection {
    int fd = -1;
    std::size_t index = 0;
    std::string out;
    std::size_t out_at = 0;
    std::string in;
    std::size_t body_at = 0;  ///< 0: the head is not complete
    std::size_t answer_end = 0;
    Clock::time_point sent;
    bool writing = false;
};

LoadClient::LoadClient(std::string url, std::string head)
    : url_{std::move(url)}, head_{std::move(head)}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {}

LoadClient::~LoadClient() {
    for (const auto& connection : connections_)
        ::close(connection->fd);
    ::close(epoll_);
}

Failure LoadClient::broken(const std::string& what) const {
    return {what, url_, "see the node's log"};
}

Outcome<std::unique_ptr<LoadClient>> LoadClient::connect(const std::string& url,
                                                         std::size_t connections) {
    constexpr std::string_view scheme = "http://";
    std::string endpoint = url;
    while (endpoint.ends_with('/'))
        endpoint.pop_back();
    if (!endpoint.starts_with(scheme)) {
        return Err{Failure{"this is no URL of a node", url, "write http://127.0.0.1:PORT"}};
    }
    endpoint.erase(0, scheme.size());
    std::unique_ptr<LoadClient> client{
        new LoadClient{url, "POST / HTTP/1.1\r\nHost: " + endpoint +
                                "\r\nContent-Type: application/json\r\nContent-Length: "}};
    for (std::size_t i = 0; i < connections; ++i)
        MILLRACE_TRY_VOID(client->add(endpoint));
    return client;
}

Outcome<void> LoadClient::add(const std::string& endpoint) {
    MILLRACE_TRY(const auto target, io::parse_endpoint(endpoint));
    const auto addresses = io::resolve(target, true);
    if (addresses.empty()) return Err{broken("the node's host is no IP address")};
    auto connection = std::make_unique<Connection>();
    connection->index = connections_.size();
    connection->fd =
        ::socket(addresses[0].storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    const int fd = connection->fd;
    connections_.push_back(std::move(connection));
    if (fd < 0 || ::connect(fd, addresses[0].get(), addresses[0].size) != 0) {
        return Err{Failure{std::string{"not reachable: "} + std::strerror(errno), url_,
                           "start the node, or correct its URL"}};
    }
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connections_.back().get()}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return Err{broken("epoll failed")};
    return {};
}

Outcome<void> LoadClient::send(Connection& connection) {
    while (connection.out_at < connection.out.size()) {
        const ssize_t size =
            ::send(connection.fd, connection.out.data() + connection.out_at,
                   connection.out.size() - connection.out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN) return Err{broken("the node closed a connection")};
        if (size < 0) break;
        connection.out_at += static_cast<std::size_t>(size);
    }
    const bool writing = connection.out_at < connection.out.size();
    if (writing == connection.writing) return {};
    connection.writing = writing;
    epoll_event event{.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      .data = {.ptr = &connection}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
    return {};
}

/// True when the answer is complete.
Outcome<bool> LoadClient::receive(Connection& connection) {
    std::array<char, 256 * 1024> buffer;
    const ssize_t size = ::recv(connection.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) return Err{broken("the node closed a connection")};
    connection.in.append(buffer.data(), static_cast<std::size_t>(size));
    if (connection.body_at == 0) {
        const std::size_t end = connection.in.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        const std::string_view head = std::string_view{connection.in}.substr(0, end + 4);
        if (!head.starts_with("HTTP/1.1 200")) {
            return Err{broken("the node answered: " + connection.in.substr(0, 200))};
        }
        const std::size_t length = content_length(head);
        if (length > answer_size_max) return Err{broken("an answer without a usable length")};
        connection.body_at = head.size();
        connection.answer_end = head.size() + length;
    }
    return connection.in.size() >= connection.answer_end;
}

Outcome<LoadClient::Times> LoadClient::run(const Next& next, const Check& check) {
    Times times;
    std::size_t active = 0;
    const auto begin = [&](Connection& connection) -> Outcome<bool> {
        const std::string_view body = next(connection.index);
        if (body.empty()) return false;
        connection.out.assign(head_);
        connection.out += std::to_string(body.size());
        connection.out += "\r\n\r\n";
        connection.out += body;
        connection.out_at = 0;
        connection.in.clear();
        connection.body_at = 0;
        connection.sent = Clock::now();
        MILLRACE_TRY_VOID(send(connection));
        return true;
    };
    const Clock::time_point start = Clock::now();
    for (const auto& connection : connections_) {
        MILLRACE_TRY(const bool begun, begin(*connection));
        active += begun ? 1 : 0;
    }
    std::array<epoll_event, 64> events;
    while (active > 0) {
        const int count =
            ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), answer_ms_max);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return Err{broken("the node has not answered for two minutes")};
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            auto& connection = *static_cast<Connection*>(event.data.ptr);
            if ((event.events & EPOLLOUT) != 0) MILLRACE_TRY_VOID(send(connection));
            if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) continue;
            MILLRACE_TRY(const bool complete, receive(connection));
            if (!complete) continue;
            times.latencies_us.push_back(1e6 * seconds_between(connection.sent, Clock::now()));
            const auto answer = std::string_view{connection.in}.substr(connection.body_at);
            if (!check(connection.index, answer)) {
                return Err{broken("an unexpected answer: " + std::string{answer.substr(0, 300)})};
            }
            MILLRACE_TRY(const bool begun, begin(connection));
            active -= begun ? 0 : 1;
        }
    }
    times.seconds = seconds_between(start, Clock::now());
    return times;
}

}  // namespace millrace::bench
