// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

namespace CLI {
class App;
}

namespace millrace::cli {

/// The subcommands of `millrace wasm`; each stores its exit status as in commands.hpp.
void add_wasm_run(CLI::App* wasm, int& exit_status);
void add_wasm_compile(CLI::App* wasm, int& exit_status);
void add_wasm_inspect(CLI::App* wasm, int& exit_status);
void add_wasm_diff(CLI::App* wasm, int& exit_status);
void add_wasm_bench(CLI::App* wasm, int& exit_status);

}  // namespace millrace::cli
