// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/failure.hpp"
#include "base/time.hpp"

namespace millrace::io {

class EventLoop;

/// Path of the running executable (/proc/self/exe).
Outcome<std::string> own_executable();

/// For a child started with ReadyBy::descriptor: writes "READY <json>\n" to `ready_fd` (the value
/// of its --ready-fd) and closes it. Negative: does nothing.
Outcome<void> announce_ready(int ready_fd, const std::string& json);

/// How the supervisor learns that a child serves. Never by sleeping.
enum class ReadyBy : std::uint8_t {
    descriptor,   ///< own programs: "--ready-fd N" is appended to the command; see announce_ready
    output_line,  ///< foreign programs: the first line of stdout that contains ready_text
    start,        ///< ready as soon as it is exec'd
};

struct RestartPolicy {
    std::uint32_t restarts_max = 5;  ///< within `window`; then the child has failed for good
    Duration window{60'000};
    Duration backoff_min{100};  ///< doubled at each restart in the window
    Duration backoff_max{5'000};
};

struct ChildSpec {
    std::string name;                  ///< "provider-2"; distinct
    std::vector<std::string> command;  ///< [0] is the executable, searched in PATH without '/'
    std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
    std::vector<std::string> environment_removed;                  ///< names taken out of ours
    std::string folder;                                            ///< working folder; empty: ours
    std::string log_file;  ///< stdout and stderr are appended here
    ReadyBy ready_by = ReadyBy::descriptor;
    std::string ready_text;
    Duration ready_time_max{30'000};  ///< then it is killed and counts as failed
    Duration stop_time_max{5'000};    ///< from SIGTERM to SIGKILL
    RestartPolicy restart;
    std::uint32_t stage = 0;  ///< stop_all ends higher stages before it begins with lower ones
};

enum class ChildState : std::uint8_t { starting, ready, waiting, stopping, stopped, failed };

struct ChildStatus {
    std::string name;
    ChildState state = ChildState::starting;
    pid_t pid = -1;  ///< -1 unless running
    std::uint32_t restarts = 0;
    std::string ready;      ///< json after READY, or the matched line
    std::string last_exit;  ///< "exit code 1", "killed by SIGKILL"; empty before the first
    Instant since;          ///< of this state
};

/// Starts and keeps child processes, and leaves none behind: each child is its own process group
/// with a parent-death signal, and this process is a subreaper, so that what a child leaves running
/// comes to us and is killed at the end. A process with a Supervisor starts children only through
/// it. start() must be called on the thread that lives as long as the process (the death signal
/// follows the thread): the loop's.
class Supervisor {
  public:
    struct Handlers {
        /// At each start that becomes ready, also after restarts.
        std::function<void(const std::string& name, const std::string& ready)> on_ready{};
        /// Ended without being asked to; a restart follows.
        std::function<void(const std::string& name, const std::string& how)> on_exit{};
        /// Given up: never became ready the first time, or restarts_max reached.
        std::function<void(const std::string& name, const Failure& why)> on_failed{};
    };
    static constexpr std::size_t children_max = 256;

    Supervisor(EventLoop& loop, Handlers handlers);
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    /// Kills whatever still runs (SIGKILL) and reaps it.
    ~Supervisor();

    Outcome<void> start(ChildSpec spec);
    /// What the next start of a child runs, when it learned something by its first (the port it
    /// got). Nothing when there is no such child.
    void set_command(const std::string& name, std::vector<std::string> command);
    /// SIGTERM, after stop_time_max SIGKILL of its group; no restart.
    void stop(const std::string& name, std::function<void()> done = {});
    /// All, stage by stage from the highest, those of one stage together; then kills adopted
    /// leftovers; then `done`.
    void stop_all(std::function<void()> done);

    [[nodiscard]] std::vector<ChildStatus> status() const;
    [[nodiscard]] std::optional<ChildStatus> status(const std::string& name) const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

std::string_view to_text(ChildState state) noexcept;
/// "exit code 1", "killed by signal 9 (Killed)" from waitpid's status.
std::string describe_exit(int status);

}  // namespace millrace::io
