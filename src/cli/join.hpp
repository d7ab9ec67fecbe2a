// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>

#include "base/failure.hpp"

namespace millrace::cli {

struct JoinRequest {
    std::string endpoint;  ///< HOST:PORT of `millrace up`
    std::string home_root;
    std::string network;
    std::string role;
    std::string password;
};

/// Asks how to join, writes <home>/<network>/network.toml, makes the role's key, and on a
/// development network asks for the coins to register with. Blocking. Repeating it is harmless.
Outcome<void> join_network(const JoinRequest& request);

}  // namespace millrace::cli
