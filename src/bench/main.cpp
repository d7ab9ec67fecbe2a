// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// millrace-bench: measurements that can be repeated. docs/benchmarks.md holds the last ones.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "bench/block_command.hpp"
#include "bench/checkpoint_command.hpp"
#include "bench/evm_command.hpp"
#include "bench/node_command.hpp"
#include "bench/render_command.hpp"
#include "bench/task_command.hpp"
#include "bench/wasm_command.hpp"

namespace {

using namespace millrace;
using namespace millrace::bench;
namespace fs = std::filesystem;

int complain(const Failure& failure) {
    std::fprintf(stderr, "error: %s\n", failure.text().c_str());
    return 1;
}

template <typename Report>
int print(const Outcome<Report>& report) {
    if (!report) return complain(report.error());
    std::fputs(to_markdown(report.value()).c_str(), stdout);
    return 0;
}

int run_wasm(const WasmOptions& options, bool json, bool markdown) {
    const auto report = compare_engines(options);
    if (!report) return complain(report.error());
    for (const auto& absence : report.value().absences) {
        std::fprintf(stderr, "left out: %s\n", absence.c_str());
    }
    const std::string text = json       ? to_json(report.value())
                             : markdown ? to_markdown(report.value())
                                        : to_table(report.value());
    std::fputs(text.c_str(), stdout);
    return 0;
}

int run_evm(const EvmOptions& options, bool json) {
    const auto report = measure_evm(options);
    if (!report) return complain(report.error());
    std::fputs((json ? to_json(report.value()) : to_markdown(report.value())).c_str(), stdout);
    return 0;
}

int run_node(const NodeOptions& options, bool json, bool markdown) {
    const auto report = measure_nodes(options);
    if (!report) return complain(report.error());
    const std::string text = json       ? to_json(report.value())
                             : markdown ? to_markdown(report.value())
                                        : to_table(report.value());
    std::fputs(text.c_str(), stdout);
    const bool absent = !report.value().ours.absent.empty() || !report.value().peer.absent.empty();
    if (absent) std::fputs("error: a node could not be measured\n", stderr);
    return absent ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Measurements of Millrace that anyone can repeat.", "millrace-bench"};
    app.require_subcommand(1);
    const fs::path build = fs::read_symlink("/proc/self/exe").parent_path().parent_path();

    WasmOptions wasm_options;
    wasm_options.folder = build / "libexec" / "bench";
    bool json = false;
    bool markdown = false;
    auto* wasm = app.add_subcommand(
        "wasm", "the same kernels natively, in node (V8) and in Millrace's metered interpreter");
    wasm->add_option("--runs", wasm_options.run_count,
                     "runs of each, interleaved; the median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    wasm->add_option("--kernel", wasm_options.kernels, "only these");
    wasm->add_flag("--json", json, "print JSON");
    wasm->add_flag("--markdown", markdown, "print the table of docs/benchmarks.md");

    RenderOptions render_options;
    render_options.module = build / "examples" / "render.wasm";
    render_options.program = build / "examples" / "render-native";
    auto* render = app.add_subcommand(
        "render", "the render example's tiles in the interpreter, each compared with a native one");
    render->add_option("--folder", render_options.scene_folder, "where the scene is")
        ->capture_default_str();
    render->add_option("--scene", render_options.scene, "its file")->capture_default_str();
    render->add_option("--module", render_options.module, "render.wasm")->capture_default_str();
    render->add_option("--program", render_options.program, "the native program")
        ->capture_default_str();
    render->add_option("--tiles", render_options.tile_count, "how many")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    render->add_option("--out", render_options.out, "keep the tiles in this folder")
        ->check(CLI::ExistingDirectory);

    TaskOptions task_options;
    auto* task = app.add_subcommand("task", "what a task costs beside its work");
    task->add_option("--runs", task_options.run_count, "runs")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    task->add_option("--module", task_options.module,
                     "also a large module (compiled first), with arguments after --")
        ->check(CLI::ExistingFile);
    task->add_option("arguments", task_options.arguments, "with which it soon ends");

    CheckpointOptions checkpoint_options;
    checkpoint_options.folder = build / "libexec" / "bench";
    auto* checkpoints = app.add_subcommand("checkpoints", "what checkpoints cost compiled code");
    checkpoints->add_option("--seconds", checkpoint_options.seconds, "of each run, about")
        ->check(CLI::Range(0.1, 600.0))
        ->capture_default_str();
    checkpoints
        ->add_option("--runs", checkpoint_options.run_count,
                     "runs of each, in turns; the median counts")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();

    EvmOptions evm_options;
    auto* evm = app.add_subcommand(
        "evm", "gas per second of ipsilon/evm-benchmarks' programs in our interpreter");
    evm->add_option("folder", evm_options.folder, "where main/*.json and micro/*.json are")
        ->required();
    evm->add_option("--runs", evm_options.run_count, "runs of each, in turns; the median counts")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    evm->add_option("--program", evm_options.programs, "only those whose name contains this");
    evm->add_flag("--json", json, "print JSON");

    BlockOptions block_options;
    auto* block = app.add_subcommand(
        "block", "a block of transfers inside our node, phase by phase, on a store on disk");
    block->add_option("--blocks", block_options.block_count, "how many; all but the first count")
        ->check(CLI::Range(2, 1000))
        ->capture_default_str();
    block
        ->add_option("--threads", block_options.thread_count,
                     "for what may run on several; 0: as a node has them")
        ->check(CLI::Range(0, 64))
        ->capture_default_str();
    block->add_option("--transfers", block_options.transfers, "in each")
        ->check(CLI::Range(10, 60'000))
        ->capture_default_str();

    NodeOptions node_options;
    node_options.ours_program = build / "bin" / "millrace";
    node_options.peer_program = find_anvil();
    auto* node = app.add_subcommand(
        "node", "JSON-RPC, transfers and blocks of our node and of anvil under the same load");
    node->add_option("--ours", node_options.ours_url, "URL of a running node (default: start one)");
    node->add_option("--peer", node_options.peer_url, "URL of a running anvil (default: start it)");
    node->add_option("--ours-program", node_options.ours_program, "millrace")
        ->capture_default_str();
    node->add_option("--peer-program", node_options.peer_program, "anvil")->capture_default_str();
    node->add_option("--runs", node_options.run_count, "runs of each, in turns; the median counts")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    node->add_option("--calls", node_options.size.calls, "eth_calls one by one")
        ->check(CLI::Range(10, 1'000'000))
        ->capture_default_str();
    node->add_option("--loops", node_options.size.loops, "the same of 1,000 keccak256 each")
        ->check(CLI::Range(10, 1'000'000))
        ->capture_default_str();
    node->add_option("--singles", node_options.size.singles, "transfers one by one")
        ->check(CLI::Range(10, 1'000'000))
        ->capture_default_str();
    node->add_option("--transfers", node_options.size.transfers, "transfers in batches")
        ->check(CLI::Range(10, 90'000))
        ->capture_default_str();
    node->add_option("--batch", node_options.size.batch, "transfers in a batch")
        ->check(CLI::Range(1, 1'000))
        ->capture_default_str();
    node->add_flag("--json", json, "print JSON");
    node->add_flag("--markdown", markdown, "print the table of docs/benchmarks.md");

    try {
        app.parse(argc, argv);
        if (*render) return print(measure_render(render_options));
        if (*block) return print(measure_blocks(block_options));
        if (*checkpoints) return print(measure_checkpoints(checkpoint_options));
        if (*task) return print(measure_task(task_options));
        if (*evm) return run_evm(evm_options, json);
        if (*node) return run_node(node_options, json, markdown);
        return run_wasm(wasm_options, json, markdown);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
