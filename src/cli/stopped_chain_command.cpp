// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/node_options.hpp"
#include "io/home.hpp"
#include "node/chain.hpp"
#include "node/chain_file.hpp"
#include "store/chain_store.hpp"

namespace millrace::cli {

using Json = nlohmann::json;

namespace {

struct OpenChain {
    std::unique_ptr<io::RoleHome> home;
    std::unique_ptr<store::ChainStore> store;
    std::unique_ptr<node::Chain> chain;
};

Outcome<OpenChain> open_chain(const NodeOptions& options) {
    OpenChain open;
    MILLRACE_TRY(const std::string root, io::home_root(options.home));
    MILLRACE_TRY(node::GenesisFile genesis, load_genesis(root, options));
    MILLRACE_TRY(auto home, io::RoleHome::open(root, options.network, options.role));
    open.home = std::make_unique<io::RoleHome>(std::move(home));
    MILLRACE_TRY(open.store, store::ChainStore::open(open.home->db() + "/chain", {}));
    MILLRACE_TRY(open.chain, node::Chain::open(*open.store, genesis, {}));
    return open;
}

void show_progress(std::string_view what, std::uint64_t done) {
    if (::isatty(2) == 0) return;
    std::fprintf(stderr, "\r%.*s: %llu   ", static_cast<int>(what.size()), what.data(),
                 static_cast<unsigned long long>(done));
}

void end_progress() {
    if (::isatty(2) != 0) std::fprintf(stderr, "\n");
}

Outcome<int> verify_chain(const NodeOptions& options) {
    MILLRACE_TRY(const OpenChain open, open_chain(options));
    const std::string problem = open.chain->verify(show_progress);
    end_progress();
    const auto& head = open.chain->head();
    if (options.json) {
        std::printf("%s\n", Json{{"ok", problem.empty()},
                                 {"problem", problem},
                                 {"height", head.header.number},
                                 {"head", to_hex0x(head.hash.view())}}
                                .dump()
                                .c_str());
        return problem.empty() ? 0 : 1;
    }
    if (!problem.empty()) {
        return Err{Failure{"the chain does not agree with itself: " + problem,
                           open.home->db() + "/chain",
                           "restore a backup, or import the blocks anew (docs/operations.md)"}};
    }
    std::printf("verified: %llu blocks, head %s, state root %s\n",
                static_cast<unsigned long long>(head.header.number),
                to_hex0x(head.hash.view()).c_str(),
                to_hex0x(head.header.state_root.view()).c_str());
    return 0;
}

Outcome<int> export_chain(const NodeOptions& options) {
    MILLRACE_TRY(const OpenChain open, open_chain(options));
    const auto view = open.chain->view();
    const std::string part = options.file + ".part";
    std::ofstream out{part, std::ios::binary | std::ios::trunc};
    const std::uint64_t last = view->head().header.number;
    std::uint64_t written = 0;
    const bool whole =
        last == 0 || node::export_blocks(*view, Height{1}, Height{last}, [&](ByteView bytes) {
            out.write(reinterpret_cast<const char*>(bytes.data()),
                      static_cast<std::streamsize>(bytes.size()));
            show_progress("blocks", ++written);
            return out.good();
        });
    out.close();
    end_progress();
    std::error_code error;
    const bool kept = whole && out.good();
    if (kept) std::filesystem::rename(part, options.file, error);
    if (!kept || error) {
        return Err{Failure{"cannot write the export", options.file, "is the disk full?"}};
    }
    std::printf("exported blocks 1 to %llu\n", static_cast<unsigned long long>(last));
    return 0;
}

Outcome<int> import_chain(const NodeOptions& options) {
    MILLRACE_TRY(const OpenChain open, open_chain(options));
    std::ifstream in{options.file, std::ios::binary};
    if (!in) return Err{Failure{"cannot read the file", options.file, "check its name"}};
    node::ChainFileReader reader{[&in](std::span<std::uint8_t> into) {
        in.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
        return static_cast<std::size_t>(in.gcount());
    }};
    const auto imported = node::import_blocks(
        *open.chain, reader, {}, [](Height height) { show_progress("blocks", height.value); });
    end_progress();
    if (!imported) {
        Failure failure = imported.error();
        failure.where = failure.where.empty() ? options.file : options.file + ", " + failure.where;
        return Err{failure};
    }
    std::printf("imported %llu blocks (%llu known before), head %llu\n",
                static_cast<unsigned long long>(imported->imported),
                static_cast<unsigned long long>(imported->known),
                static_cast<unsigned long long>(open.chain->head().header.number));
    return 0;
}

}  // namespace

void add_stopped_chain_commands(CLI::App& node, const std::shared_ptr<NodeOptions>& options,
                                int& exit_status) {
    CLI::App* verify = node.add_subcommand("verify", "checks blocks, receipts and state of a node");
    add_place(verify, options);
    verify->add_flag("--json", options->json, "one JSON object");
    on_call(verify, options, exit_status, verify_chain);

    CLI::App* export_command = node.add_subcommand("export", "writes all blocks into a file (RLP)");
    add_place(export_command, options);
    export_command->add_option("FILE", options->file, "file to write")->required();
    on_call(export_command, options, exit_status, export_chain);

    CLI::App* import_command = node.add_subcommand("import", "takes blocks from a file (RLP)");
    add_place(import_command, options);
    import_command->add_option("--genesis", options->genesis_file, "genesis file of a new network");
    import_command->add_option("FILE", options->file, "file to read")
        ->required()
        ->check(CLI::ExistingFile);
    on_call(import_command, options, exit_status, import_chain);
}

}  // namespace millrace::cli
