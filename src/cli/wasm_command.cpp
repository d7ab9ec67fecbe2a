// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// `millrace wasm`: one module on this machine, without a network.

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/wasm_commands.hpp"

namespace millrace::cli {

void add_wasm_command(CLI::App& app, int& exit_status) {
    CLI::App* wasm =
        app.add_subcommand("wasm", "run, compile, compare or inspect one WebAssembly module here");
    wasm->require_subcommand(1);
    add_wasm_run(wasm, exit_status);
    add_wasm_compile(wasm, exit_status);
    add_wasm_inspect(wasm, exit_status);
    add_wasm_diff(wasm, exit_status);
    add_wasm_bench(wasm, exit_status);
    add_wasm_replay_command(*wasm, exit_status);
}

}  // namespace millrace::cli
