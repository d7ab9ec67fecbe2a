// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>
#include <vector>

#include "base/failure.hpp"
#include "io/config.hpp"

namespace millrace::cli {

/// Every setting that a flag, MILLRACE_* or millrace.toml may give (docs/operations.md).
io::Config declare_settings();

/// Loads <home>/millrace.toml, or `file` when given, and the environment. Flags come on top.
Outcome<void> load_settings(io::Config& config, const std::string& home_root,
                            const std::string& file);

/// `--password-file`, MILLRACE_PASSWORD, in this order.
Outcome<std::string> read_daemon_password(const std::string& password_file);

/// "wrong-result=0.5" → parts per million.
Outcome<std::uint32_t> parse_fault(const std::string& text);

}  // namespace millrace::cli
