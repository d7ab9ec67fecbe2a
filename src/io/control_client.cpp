// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "io/clock.hpp"
#include "io/control.hpp"
#include "io/control_path.hpp"
#include "io/files.hpp"

namespace millrace::io {
namespace {

Failure not_running(const std::string& role, const std::string& run_directory) {
    return {"no " + role + " runs there", run_directory,
            "start one (`millrace up` starts a whole local network), or name another --home"};
}

}  // namespace

Outcome<ControlClient> ControlClient::connect(const std::string& run_directory,
                                              const std::string& role) {
    const auto path = find_control_path(run_directory);
    if (!path) return Err{not_running(role, run_directory)};
    ControlClient client;
    client.role_ = role;
    client.fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client.fd_ < 0) return Err{system_failure("cannot make a socket", *path, errno)};
    if (path->size() >= sizeof(sockaddr_un::sun_path)) {
        return Err{Failure{"the path of the control socket is too long", *path, {}}};
    }
    const sockaddr_un address = control_address(*path);
    if (::connect(client.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
            return Err{not_running(role, run_directory)};
        }
        return Err{system_failure("cannot reach the " + role, *path, errno)};
    }
    return client;
}

ControlClient::ControlClient(ControlClient&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)},
      role_{std::move(other.role_)},
      buffer_{std::move(other.buffer_)},
      scanned_{std::exchange(other.scanned_, 0)} {}

ControlClient& ControlClient::operator=(ControlClient&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(role_, other.role_);
    std::swap(buffer_, other.buffer_);
    std::swap(scanned_, other.scanned_);
    return *this;
}

ControlClient::~ControlClient() {
    if (fd_ >= 0) ::close(fd_);
}

Outcome<std::string> ControlClient::read_line(Duration time_max) {
    const bool bounded = time_max.count() != 0;
    const Instant deadline = steady_now() + time_max;
    for (;;) {
        if (const std::size_t end = buffer_.find('\n', scanned_); end != std::string::npos) {
            std::string line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            scanned_ = 0;
            return line;
        }
        scanned_ = buffer_.size();
        if (buffer_.size() > control_line_max) {
            return Err{Failure{"a line of the answer is too long", role_, {}}};
        }
        const std::int64_t left = bounded ? (deadline - steady_now()).count() : 60'000;
        pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
        const int ready =
            left > 0 ? ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)))
                     : 0;
        if (ready == 0 && !bounded) continue;
        if (ready == 0) {
            return Err{Failure{"the " + role_ + " does not answer",
                               "waited " + std::to_string(time_max.count()) + " ms",
                               "look at its log, or restart it"}};
        }
        if (ready < 0 && errno == EINTR) continue;
        std::array<char, 65'536> chunk;
        const ssize_t count = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            return Err{Failure{"the " + role_ + " ended before it had answered",
                               {},
                               "look at its log; what it had acknowledged is not lost"}};
        }
        buffer_.append(chunk.data(), static_cast<std::size_t>(count));
    }
}

Outcome<void> ControlClient::stream(const std::string& request, Duration silence_max,
                                    const std::function<bool(std::string_view)>& on_line) {
    MILLRACE_ASSERT(request.find('\n') == std::string::npos);
    MILLRACE_ASSERT(!request.empty());
    if (fd_ < 0) return Err{Failure{"the connection to the " + role_ + " is closed", {}, {}}};
    if (request.size() > control_line_max) {
        return Err{Failure{"the request is longer than 16 MiB", role_, "split it"}};
    }
    const std::string line = request + "\n";
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t count = ::send(fd_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Err{system_failure("cannot reach the " + role_, {}, errno)};
        sent += static_cast<std::size_t>(count);
    }
    for (;;) {
        MILLRACE_TRY(const std::string answer, read_line(silence_max));
        if (answer.empty()) return {};
        if (!on_line(answer)) {
            ::close(std::exchange(fd_, -1));
            return {};
        }
    }
}

Outcome<std::vector<std::string>> ControlClient::call(const std::string& request,
                                                      Duration time_max) {
    std::vector<std::string> lines;
    MILLRACE_TRY_VOID(stream(request, time_max, [&](std::string_view line) {
        lines.emplace_back(line);
        return true;
    }));
    return lines;
}

}  // namespace millrace::io
