// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

#include "base/assert.hpp"

namespace millrace::store {

/// What a victim (chain_store_victim_main.cpp) printed, and how it ended.
struct Ended {
    std::string output;
    int status = 0;
};

/// `settings` are assignments of environment variables, or empty.
inline Ended run_victim(const std::string& arguments, const std::string& settings = {}) {
    Ended ended;
    const std::string command = settings + (settings.empty() ? "" : " ") +
                                "exec " MILLRACE_VICTIM " " + arguments + " 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    MILLRACE_ASSERT(pipe != nullptr);
    std::array<char, 512> buffer{};
    while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
        ended.output.append(buffer.data(), size);
    ended.status = ::pclose(pipe);
    return ended;
}

}  // namespace millrace::store
