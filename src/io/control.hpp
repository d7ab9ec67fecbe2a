// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"
#include "base/time.hpp"

namespace millrace::io {

class EventLoop;

/// The local control channel between the command line and a daemon: a Unix socket only its user
/// may open (run/control.sock, 0600). A request is one line of JSON; the reply is any number of
/// lines, then an empty line. Requests of one connection are answered one after the other. This
/// layer moves lines; it does not read JSON.
///
/// A socket path is limited by the kernel to 107 bytes. For a longer one the socket lies in
/// $XDG_RUNTIME_DIR/millrace or /tmp/millrace-<uid> (0700, owner checked), and run/control.path
/// holds its path.
inline constexpr std::size_t control_line_max = 16u << 20;
inline constexpr std::size_t control_connections_max = 64;
inline constexpr std::size_t control_queued_max = 64u << 20;  ///< unread replies of one connection

/// Handle to answer one request; copies mean the same request. Loop's thread only.
class ControlReply {
  public:
    /// One line of the reply; `json` must not hold a newline (asserted). False once the client is
    /// gone, does not read (control_queued_max), or end() was called.
    bool line(std::string_view json) const;
    /// Ends the reply. Dropping the last copy without end() ends it too.
    void end() const;
    /// line() and end().
    void finish(std::string_view json) const;
    [[nodiscard]] bool is_open() const noexcept;

    struct Exchange;
    explicit ControlReply(std::shared_ptr<Exchange> exchange) : exchange_{std::move(exchange)} {}

  private:
    std::shared_ptr<Exchange> exchange_;
};

class ControlServer {
  public:
    using Handler = std::function<void(std::string request, ControlReply reply)>;

    /// `run_directory` is the role home's run/ folder. A stale socket is replaced: the caller holds
    /// the home's lock.
    static Outcome<std::unique_ptr<ControlServer>> listen(EventLoop& loop,
                                                          const std::string& run_directory,
                                                          Handler handler);
    ~ControlServer();

  private:
    friend struct ControlReply::Exchange;
    ControlServer() = default;
    struct State;
    std::shared_ptr<State> state_;
};

/// Blocking client for commands.
class ControlClient {
  public:
    /// `role` names the daemon for the message when it does not run ("agent").
    static Outcome<ControlClient> connect(const std::string& run_directory,
                                          const std::string& role);
    ControlClient(ControlClient&& other) noexcept;
    ControlClient& operator=(ControlClient&& other) noexcept;
    ~ControlClient();

    /// All lines of the reply.
    Outcome<std::vector<std::string>> call(const std::string& request, Duration time_max);
    /// Calls `on_line` for each line as it comes, until the reply ends or `on_line` returns false
    /// (then the connection is closed). `silence_max` bounds the wait for each line; 0: no bound.
    Outcome<void> stream(const std::string& request, Duration silence_max,
                         const std::function<bool(std::string_view line)>& on_line);

  private:
    ControlClient() = default;
    Outcome<std::string> read_line(Duration time_max);
    int fd_ = -1;
    std::string role_;
    std::string buffer_;
    std::size_t scanned_ = 0;
};

}  // namespace millrace::io
