// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/commands.hpp"

int main(int argc, char** argv) {
    // A closed terminal or pipe shows as a failed write, not as a signal.
    std::signal(SIGPIPE, SIG_IGN);

    CLI::App app{"Millrace: an open cloud made of other people's idle machines.", "millrace"};
    app.set_version_flag("--version", "millrace " MILLRACE_VERSION);
    app.require_subcommand(1);
    app.failure_message(CLI::FailureMessage::help);
    app.footer("Start with: millrace up   and in another terminal: millrace run --job FILE");

    int exit_status = 0;
    using namespace millrace::cli;
    add_up_command(app, exit_status);
    add_agent_command(app, exit_status);
    add_provide_command(app, exit_status);
    add_run_command(app, exit_status);
    add_job_command(app, exit_status);
    add_provider_command(app, exit_status);
    add_wallet_command(app, exit_status);
    add_node_command(app, exit_status);
    add_wasm_command(app, exit_status);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s (unexpected); please report this\n", error.what());
        return 1;
    }
    return exit_status;
}
