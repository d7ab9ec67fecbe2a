// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/failure.hpp"

namespace millrace::io {

/// Number in the FORMAT file of every role's folder. A folder with a newer one is refused.
inline constexpr std::uint32_t home_format = 1;

/// `given` when not empty, else $MILLRACE_HOME, else ~/.millrace.
Outcome<std::string> home_root(std::string_view given = {});

/// One role's folder <root>/<network>/<role>/{FORMAT,keys,db,blobs,run,log}; nothing is written
/// elsewhere. open() makes it, takes its lock (flock on run/lock, kept until destruction, freed by
/// the kernel when the process dies) and checks FORMAT. `network` and `role` ("agent-0") are
/// [a-z0-9._-]+, at most 64 characters.
class RoleHome {
  public:
    /// Failure "another millrace process (pid 4711) uses …" when it is locked.
    static Outcome<RoleHome> open(const std::string& root, const std::string& network,
                                  const std::string& role);
    /// The path only, for clients of a running daemon.
    static Outcome<std::string> path_of(const std::string& root, const std::string& network,
                                        const std::string& role);
    RoleHome(RoleHome&&) noexcept;
    RoleHome& operator=(RoleHome&&) noexcept;
    ~RoleHome();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string keys() const { return path_ + "/keys"; }
    [[nodiscard]] std::string db() const { return path_ + "/db"; }
    [[nodiscard]] std::string blobs() const { return path_ + "/blobs"; }
    [[nodiscard]] std::string run() const { return path_ + "/run"; }
    [[nodiscard]] std::string log() const { return path_ + "/log"; }

    /// Atomically writes run/endpoint ("127.0.0.1:4711\n"): who reads it finds a listening port.
    Outcome<void> publish_endpoint(const std::string& endpoint) const;

  private:
    RoleHome() = default;
    std::string path_;
    int lock_fd_ = -1;
};

/// Reads <role_path>/run/endpoint.
Outcome<std::string> read_endpoint(const std::string& role_path);

}  // namespace millrace::io
