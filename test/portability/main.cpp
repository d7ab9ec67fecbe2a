// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// portable-run [LIST]: what the engine computes of a fixed sample of programs, one line for each:
// instructions with troublesome operands, generated programs, small WASI tasks. LIST names more
// modules, one in each line: MODULE FOLDER ARGUMENTS…, where FOLDER's files are what the task sees
// ("-": none); a module without _start is asked for run(ARGUMENT).
//
// It needs the floors F0 to F3 and nothing else, so that it builds for any machine. Two builds,
// of whatever compiler, optimisation or processor, must print the same (tools/portability.sh).

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "aot/float_program.hpp"
#include "aot/loop_program.hpp"
#include "base/prng.hpp"
#include "crypto/hash.hpp"
#include "crypto/merkle.hpp"
#include "sweep.hpp"
#include "wasi/run.hpp"
#include "wasi/samples.hpp"
#include "wasm/instance.hpp"
#include "wasm/naive_program.hpp"

namespace millrace::portability {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t programs_each = 120;
constexpr std::uint64_t programs_per_line = 10;
constexpr std::uint64_t checkpoint_fuel = std::uint64_t{1} << 22;

Bytes read(const fs::path& path) {
    std::ifstream stream{path, std::ios::binary};
    if (!stream) {
        std::fprintf(stderr, "portable-run: cannot read %s\n", path.string().c_str());
        std::exit(2);
    }
    return {std::istreambuf_iterator<char>{stream}, {}};
}

std::string short_hash(const std::string& text) {
    return to_hex(crypto::keccak256(as_bytes(text)).view()).substr(0, 24);
}

/// How a call of `name` ends, with its fuel and the memory it leaves.
std::string call(const Bytes& bytes, const char* name, Prng& prng, std::uint64_t fuel) {
    const auto module = wasm::Module::load(bytes);
    if (!module) return module.error().text();
    wasm::Store store;
    store.set_fuel_limit(fuel);
    wasm::Linker linker{store};
    const auto instance = linker.instantiate(*module);
    if (!instance) return instance.error().message;
    std::vector<wasm::Value> arguments;
    for (const wasm::ValueType type : (*module)->exported_function(name)->params)
        arguments.push_back({type, type == wasm::ValueType::i32 ? prng.below(1000) : prng.next()});
    const std::string outcome = wasm::to_text(instance.value()->invoke(name, arguments));
    const wasm::Memory* memory = instance.value()->memory();
    return outcome + " " + std::to_string(store.fuel_used()) + " " +
           (memory == nullptr ? "" : to_hex(crypto::blob_id(memory->bytes()).root.view()));
}

/// One line for so many programs: where lines differ, a smaller programs_per_line finds the one.
template <typename Make>
void run_programs(const char* name, Make make) {
    std::string seen;
    for (std::uint64_t seed = 1; seed <= programs_each; ++seed) {
        Prng prng{seed};
        const Bytes bytes = make(seed);
        for (int round = 0; round < 3; ++round)
            seen += call(bytes, "f", prng, 50'000) + "\n";
        if (seed % programs_per_line != 0) continue;
        std::printf("%s %llu: %s\n", name, static_cast<unsigned long long>(seed),
                    short_hash(seen).c_str());
        seen.clear();
    }
}

void run_task(const std::string& name, const Bytes& bytes, wasi::TaskInput input) {
    const auto module = wasm::Module::load(bytes);
    if (!module) {
        std::printf("task %s: %s\n", name.c_str(), module.error().text().c_str());
        return;
    }
    input.checkpoint_fuel = checkpoint_fuel;
    const auto outcome = wasi::run_task(*module, input);
    if (!outcome) {
        std::printf("task %s: %s\n", name.c_str(), outcome.error().text().c_str());
        return;
    }
    std::printf("task %s: %s fuel %llu, result %s, %zu checkpoints %s\n", name.c_str(),
                outcome->text.empty() ? "exited" : outcome->text.c_str(),
                static_cast<unsigned long long>(outcome->summary.fuel.value),
                to_hex(outcome->summary.result_id().view()).c_str(), outcome->checkpoints.size(),
                to_hex(wasm::checkpoints_root(outcome->checkpoints).view()).c_str());
}

void run_samples() {
    wasi::TaskInput input;
    input.arguments = {std::string{wasi::program_name}, "an argument"};
    input.files = {{"in.txt", std::make_shared<const Bytes>(Bytes{1, 2, 3})}};
    input.limits = {.fuel = Fuel{10'000'000}, .memory_bytes = 16 << 20, .output_bytes = 1 << 20};
    int number = 0;
    for (const std::string_view sample :
         {wasi::samples::endless_loop, wasi::samples::memory_bomb, wasi::samples::output_bomb,
          wasi::samples::randomness_and_time, wasi::samples::prints_and_traps,
          wasi::samples::writes_and_deletes, wasi::samples::imports_unknown})
        run_task("sample " + std::to_string(++number), *from_hex(sample), input);
}

/// Of a line of LIST: the files of a folder, sorted, none in folders below.
wasi::TaskInput input_of(const std::string& folder, const std::vector<std::string>& arguments) {
    types::TaskSpec spec;
    spec.arguments = arguments;
    std::vector<wasi::SharedBytes> contents;
    std::vector<fs::path> paths;
    if (folder != "-") {
        for (const auto& entry : fs::directory_iterator{folder})
            if (entry.is_regular_file()) paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    for (const fs::path& path : paths) {
        contents.push_back(std::make_shared<const Bytes>(read(path)));
        spec.files.push_back({path.filename().string(),
                              {.plain = crypto::blob_id(*contents.back()), .sealed_root = {}}});
    }
    return wasi::task_input(spec, std::move(contents));
}

void run_listed(const std::string& line) {
    std::istringstream words{line};
    std::string path;
    std::string folder;
    words >> path >> folder;
    const std::vector<std::string> arguments{std::istream_iterator<std::string>{words}, {}};
    const std::string name = fs::path{path}.filename().string();
    const Bytes bytes = read(path);
    const auto module = wasm::Module::load(bytes);
    if (module && (*module)->exported_function("_start") == nullptr) {
        wasm::Store store;
        wasm::Linker linker{store};
        const auto instance = linker.instantiate(*module);
        if (!instance || arguments.size() != 1) {
            std::printf("call %s: cannot be called\n", name.c_str());
            return;
        }
        const auto size =
            static_cast<std::uint32_t>(std::strtoul(arguments[0].c_str(), nullptr, 10));
        const auto outcome = instance.value()->invoke("run", {{wasm::Value::i32(size)}});
        std::printf(
            "call %s: %s fuel %llu, memory %s\n", name.c_str(), wasm::to_text(outcome).c_str(),
            static_cast<unsigned long long>(store.fuel_used()),
            to_hex(crypto::blob_id(instance.value()->memory()->bytes()).root.view()).c_str());
        return;
    }
    run_task(name, bytes, input_of(folder, arguments));
}

int main_checked(int argc, char** argv) {
    const std::uint32_t count =
        sweep_instructions([](const std::string& name, const std::string& digest) {
            std::printf("%s: %s\n", name.c_str(), digest.c_str());
        });
    std::printf("%u numeric instructions\n", count);
    run_programs("integer programs to", [](std::uint64_t seed) {
        return wasm::twin::Generator{ByteView{}, seed}.program().module();
    });
    run_programs("float programs to",
                 [](std::uint64_t seed) { return aot::twin::FloatProgram{seed}.module(); });
    run_programs("loop programs to",
                 [](std::uint64_t seed) { return aot::twin::LoopProgram{seed}.module(); });
    run_samples();
    if (argc == 2) {
        std::ifstream list{argv[1]};
        for (std::string line; std::getline(list, line);)
            if (!line.empty()) run_listed(line);
    }
    return 0;
}

}  // namespace
}  // namespace millrace::portability

int main(int argc, char** argv) {
    return millrace::portability::main_checked(argc, argv);
}
