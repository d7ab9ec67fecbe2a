// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/settings.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "chain/wallet_store.hpp"
#include "io/files.hpp"

namespace millrace::cli {

io::Config declare_settings() {
    using io::ConfigType;
    return io::Config{{
        {"log.level", ConfigType::text, "info", "debug, info, warn or error"},
        {"blobs.cache", ConfigType::integer, "21474836480", "bytes of cached blobs"},
        {"agent.deposit", ConfigType::text, "0",
         "coins the deposit is brought to at start; 0 leaves it alone"},
        {"agent.listen", ConfigType::text, "127.0.0.1:0", "address the requestor listens on"},
        {"provider.listen", ConfigType::text, "127.0.0.1:0", "address the provider listens on"},
        {"provider.advertise", ConfigType::text, "",
         "address others reach the provider by, when it differs"},
        {"provider.price", ConfigType::text, "0.001", "coins per 10^9 fuel"},
        {"provider.stake", ConfigType::text, "1", "coins locked when registering"},
        {"provider.slots", ConfigType::integer, "1", "tasks run at one time"},
        {"provider.tier", ConfigType::text, "auto",
         "auto, interp or aot: when modules are compiled"},
        {"up.anvil", ConfigType::text, "", "the anvil program, when it is not found by itself"},
    }};
}

Outcome<void> load_settings(io::Config& config, const std::string& home_root,
                            const std::string& file) {
    const std::string path = file.empty() ? home_root + "/millrace.toml" : file;
    MILLRACE_TRY_VOID(config.load_file(path, !file.empty()));
    return config.load_environment({"password", "anvil", "long", "e2e.keep"});
}

Outcome<std::string> read_daemon_password(const std::string& password_file) {
    if (!password_file.empty()) return chain::read_password_file(password_file);
    if (const char* password = std::getenv("MILLRACE_PASSWORD")) return std::string{password};
    return Err{Failure{"no password for the agent's key is given", "--password-file",
                       "name a file that holds it, or set MILLRACE_PASSWORD"}};
}

Outcome<std::uint32_t> parse_fault(const std::string& text) {
    constexpr std::string_view kind = "wrong-result=";
    double rate = -1;
    if (text.starts_with(kind)) {
        const char* begin = text.data() + kind.size();
        const auto [end, error] = std::from_chars(begin, text.data() + text.size(), rate);
        if (error != std::errc{} || end != text.data() + text.size()) rate = -1;
    }
    if (!(rate >= 0 && rate <= 1)) {
        return Err{Failure{"'" + text + "' is not a fault", "--fault",
                           "write wrong-result=RATE with RATE from 0 to 1"}};
    }
    return static_cast<std::uint32_t>(std::lround(rate * 1e6));
}

}  // namespace millrace::cli
