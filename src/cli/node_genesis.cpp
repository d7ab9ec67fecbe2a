// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <cstdint>
#include <utility>

#include "cli/node_options.hpp"
#include "daemon/genesis_setup.hpp"
#include "io/clock.hpp"
#include "io/files.hpp"

namespace millrace::cli {

std::string genesis_path(const std::string& root, const NodeOptions& options) {
    return root + "/" + options.network + "/genesis.json";
}

Outcome<node::GenesisFile> load_genesis(const std::string& root, const NodeOptions& options) {
    const std::string kept = genesis_path(root, options);
    if (io::file_exists(kept)) {
        MILLRACE_TRY(std::string text, io::read_text_file(kept, node::genesis_size_max));
        if (!options.genesis_file.empty()) {
            MILLRACE_TRY(const std::string given,
                         io::read_text_file(options.genesis_file, node::genesis_size_max));
            if (given != text) {
                return Err{Failure{"network " + options.network + " has another genesis already",
                                   kept, "use another --network, or remove the old one"}};
            }
        }
        return node::GenesisFile::open(std::move(text));
    }
    std::string text;
    if (!options.genesis_file.empty()) {
        MILLRACE_TRY(text, io::read_text_file(options.genesis_file, node::genesis_size_max));
    } else if (options.development) {
        MILLRACE_TRY(text, daemon::development_genesis_text(
                               {.network = options.network,
                                .chain_id = options.chain_id,
                                .timestamp = static_cast<std::uint64_t>(io::wall_now().ms / 1000),
                                .gas_limit = options.gas_limit}));
    } else {
        return Err{
            Failure{"there is no network " + options.network, kept,
                    "name a genesis with --genesis FILE, or start a development network with "
                    "--dev"}};
    }
    MILLRACE_TRY(node::GenesisFile genesis, node::GenesisFile::open(std::move(text)));
    MILLRACE_TRY_VOID(genesis.check_accounts());
    MILLRACE_TRY_VOID(io::make_folder(root + "/" + options.network, 0700));
    MILLRACE_TRY_VOID(io::atomic_write_file(kept, as_bytes(genesis.text())));
    return genesis;
}

}  // namespace millrace::cli
