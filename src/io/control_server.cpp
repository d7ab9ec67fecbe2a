// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <map>

#include "io/control.hpp"
#include "io/control_path.hpp"
#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/log.hpp"

namespace millrace::io {
namespace {

/// Requests that wait behind the one being answered.
constexpr std::size_t requests_waiting_max = 64;

struct Client {
    int fd = -1;
    std::string received;
    std::size_t scanned = 0;
    std::deque<std::string> requests;
    std::string unsent;
    std::size_t sent = 0;
    bool busy = false;  ///< a request is being answered
};

}  // namespace

struct ControlServer::State : std::enable_shared_from_this<ControlServer::State> {
    EventLoop& loop;
    Handler handler;
    std::string path;
    int listener = -1;
    std::map<int, std::shared_ptr<Client>> clients;

    State(EventLoop& owner, Handler call) : loop{owner}, handler{std::move(call)} {}

    void drop(const std::shared_ptr<Client>& client) {
        if (client->fd < 0) return;
        loop.unwatch_fd(client->fd);
        ::close(client->fd);
        clients.erase(client->fd);
        client->fd = -1;
    }

    void on_listener() {
        for (;;) {
            const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            if (clients.size() >= control_connections_max) {
                ::close(fd);
                log_limited("control-full", LogLevel::warn, "too many control connections");
                continue;
            }
            const auto client = std::make_shared<Client>();
            client->fd = fd;
            clients[fd] = client;
            const auto watched = loop.watch_fd(fd, {.readable = true},
                                               [weak = weak_from_this(), client](Readiness ready) {
                                                   const auto self = weak.lock();
                                                   if (!self) return;
                                                   if (ready.writable) self->flush(client);
                                                   if (ready.readable) self->read(client);
                                               });
            if (!watched) drop(client);
        }
    }

    void update_interest(const Client& client) {
        if (client.fd < 0) return;
        loop.set_interest(client.fd, {.readable = client.requests.size() < requests_waiting_max,
                                      .writable = client.sent < client.unsent.size()});
    }

    void read(const std::shared_ptr<Client>& client) {
        std::array<char, 65'536> buffer;
        while (client->fd >= 0 && client->requests.size() < requests_waiting_max) {
            const ssize_t count = ::recv(client->fd, buffer.data(), buffer.size(), 0);
            if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
            // Who has hung up wants no more answers, even if one is being worked on.
            if (count <= 0) return drop(client);
            client->received.append(buffer.data(), static_cast<std::size_t>(count));
            if (!split(*client)) {
                log_limited("control-line", LogLevel::warn, "a control request is too long");
                return drop(client);
            }
        }
        begin_next(client);
        update_interest(*client);
    }

    /// False when a line is over the bound.
    static bool split(Client& client) {
        std::size_t begin = 0;
        for (;;) {
            const std::size_t end = client.received.find('\n', std::max(begin, client.scanned));
            if (end == std::string::npos) break;
            if (end > begin) client.requests.push_back(client.received.substr(begin, end - begin));
            begin = end + 1;
        }
        client.received.erase(0, begin);
        client.scanned = client.received.size();
        return client.received.size() <= control_line_max;
    }

    void begin_next(const std::shared_ptr<Client>& client);

    void flush(const std::shared_ptr<Client>& client) {
        while (client->fd >= 0 && client->sent < client->unsent.size()) {
            const ssize_t count = ::send(client->fd, client->unsent.data() + client->sent,
                                         client->unsent.size() - client->sent, MSG_NOSIGNAL);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0 && errno == EAGAIN) break;
            if (count < 0) return drop(client);
            client->sent += static_cast<std::size_t>(count);
        }
        if (client->sent == client->unsent.size()) {
            client->unsent.clear();
            client->sent = 0;
        } else if (client->sent > (1u << 20)) {
            client->unsent.erase(0, client->sent);
            client->sent = 0;
        }
        update_interest(*client);
    }
};

/// One request being answered.
struct ControlReply::Exchange {
    std::weak_ptr<ControlServer::State> server;
    std::shared_ptr<Client> client;
    bool ended = false;

    bool append(std::string_view text) {
        const auto alive = server.lock();
        if (!alive || client->fd < 0 || ended) return false;
        if (client->unsent.size() - client->sent + text.size() + 1 > control_queued_max) {
            alive->drop(client);
            return false;
        }
        client->unsent += text;
        client->unsent += '\n';
        alive->flush(client);
        return client->fd >= 0;
    }

    void end() {
        if (ended) return;
        append({});
        ended = true;
        client->busy = false;
        const auto alive = server.lock();
        if (!alive || client->fd < 0 || client->requests.empty()) return;
        alive->loop.call_after(Duration{0}, [weak = server, waiting = client] {
            if (const auto self = weak.lock()) self->begin_next(waiting);
        });
    }

    ~Exchange() { end(); }
};

void ControlServer::State::begin_next(const std::shared_ptr<Client>& client) {
    if (client->fd < 0 || client->busy || client->requests.empty()) return;
    client->busy = true;
    std::string request = std::move(client->requests.front());
    client->requests.pop_front();
    auto exchange = std::make_shared<ControlReply::Exchange>();
    exchange->server = weak_from_this();
    exchange->client = client;
    update_interest(*client);
    handler(std::move(request), ControlReply{std::move(exchange)});
}

bool ControlReply::line(std::string_view json) const {
    MILLRACE_ASSERT(json.find('\n') == std::string_view::npos);
    return !json.empty() && exchange_->append(json);
}

void ControlReply::end() const {
    exchange_->end();
}

void ControlReply::finish(std::string_view json) const {
    line(json);
    end();
}

bool ControlReply::is_open() const noexcept {
    return !exchange_->ended && exchange_->client->fd >= 0 && !exchange_->server.expired();
}

Outcome<std::unique_ptr<ControlServer>> ControlServer::listen(EventLoop& loop,
                                                              const std::string& run_directory,
                                                              Handler handler) {
    MILLRACE_TRY(const std::string path, choose_control_path(run_directory));
    MILLRACE_TRY_VOID(remove_file(path));
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return Err{system_failure("cannot make the control socket", path, errno)};
    const sockaddr_un address = control_address(path);
    const ::mode_t mask = ::umask(0177);
    const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int bind_error = errno;
    ::umask(mask);
    if (bound != 0 || ::listen(fd, 64) != 0) {
        const int error = bound != 0 ? bind_error : errno;
        ::close(fd);
        return Err{system_failure("cannot open the control socket", path, error)};
    }
    std::unique_ptr<ControlServer> server{new ControlServer};
    server->state_ = std::make_shared<State>(loop, std::move(handler));
    server->state_->path = path;
    server->state_->listener = fd;
    MILLRACE_TRY_VOID(
        loop.watch_fd(fd, {.readable = true}, [weak = std::weak_ptr{server->state_}](Readiness) {
            if (const auto self = weak.lock()) self->on_listener();
        }));
    return server;
}

ControlServer::~ControlServer() {
    if (!state_) return;
    if (state_->listener >= 0) {
        state_->loop.unwatch_fd(state_->listener);
        ::close(state_->listener);
        ::unlink(state_->path.c_str());
    }
    while (!state_->clients.empty()) {
        const auto client = state_->clients.begin()->second;
        state_->flush(client);
        if (client->fd >= 0) state_->drop(client);
    }
}

}  // namespace millrace::io
