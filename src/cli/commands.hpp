// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

namespace CLI {
class App;
}

namespace millrace::cli {

/// Each function adds one command with its subcommands to `app`. A command's callback stores its
/// exit status in `exit_status`: 0 success, 1 failure (one line `error: what (where); remedy` on
/// stderr), 2 wrong usage.
void add_up_command(CLI::App& app, int& exit_status);
void add_agent_command(CLI::App& app, int& exit_status);
void add_provide_command(CLI::App& app, int& exit_status);
void add_run_command(CLI::App& app, int& exit_status);
void add_job_command(CLI::App& app, int& exit_status);
void add_provider_command(CLI::App& app, int& exit_status);
void add_wallet_command(CLI::App& app, int& exit_status);
void add_wasm_command(CLI::App& app, int& exit_status);
/// Below `wasm`.
void add_wasm_replay_command(CLI::App& wasm, int& exit_status);
void add_node_command(CLI::App& app, int& exit_status);

}  // namespace millrace::cli
