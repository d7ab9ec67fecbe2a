// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/render_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "bench/engine.hpp"
#include "sandbox/task_codec.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

Outcome<wasi::SharedBytes> read_file(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        return Err{Failure{"the file cannot be read", path.string(),
                           "build the examples (examples/render/build.sh) and run this in the "
                           "project's folder, or name the file by flag"}};
    }
    return wasi::SharedBytes{std::make_shared<const Bytes>(std::istreambuf_iterator<char>{file},
                                                           std::istreambuf_iterator<char>{})};
}

/// The tile's bytes and the processor time it took, by the native program.
Outcome<double> render_natively(const RenderOptions& options, unsigned index, unsigned count,
                                const fs::path& out) {
    const std::vector<std::string> words{options.program.string(),
                                         "--scene",
                                         (options.scene_folder / options.scene).string(),
                                         "--tile",
                                         std::to_string(index),
                                         "--tiles",
                                         std::to_string(count),
                                         "--out",
                                         out.string()};
    std::vector<char*> argv;
    for (const auto& word : words)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    char* const no_environment[] = {nullptr};
    const int error = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), no_environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return Err{Failure{fmt::format("cannot start the program: {}", std::strerror(error)),
                           options.program.string(), "build the target render-native"}};
    }
    int status = 0;
    rusage usage{};
    while (wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        return Err{Failure{"the native program failed", options.program.string(), ""}};
    }
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Outcome<std::vector<wasi::InputFile>> read_inputs(const RenderOptions& options) {
    std::vector<wasi::InputFile> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{options.scene_folder, error}) {
        if (entry.path().extension() != ".txt" || entry.path().filename() == "CMakeLists.txt") {
            continue;
        }
        MILLRACE_TRY(auto content, read_file(entry.path()));
        files.push_back({entry.path().filename().string(), std::move(content)});
    }
    if (error || files.empty()) {
        return Err{Failure{"there is no scene in this folder", options.scene_folder.string(),
                           "run this in the project's folder, or give --folder"}};
    }
    std::ranges::sort(files, {}, &wasi::InputFile::path);
    return files;
}

}  // namespace

Outcome<RenderReport> measure_render(const RenderOptions& options) {
    MILLRACE_TRY(const auto module, read_file(options.module));
    MILLRACE_TRY(const auto files, read_inputs(options));
    const fs::path native_tile =
        fs::temp_directory_path() / fmt::format("millrace-bench-{}.tile", getpid());
    RenderReport report{.tile_count = options.tile_count};
    MILLRACE_TRY(report.native_seconds, render_natively(options, 0, 1, native_tile));
    for (unsigned index = 0; index < options.tile_count; ++index) {
        sandbox::WorkerTask task{.module = module, .input = {}};
        task.input.arguments = {std::string{wasi::program_name},
                                "--scene",
                                options.scene,
                                "--tile",
                                std::to_string(index),
                                "--tiles",
                                std::to_string(options.tile_count),
                                "--out",
                                "tile"};
        task.input.files = files;
        task.input.limits.fuel = Fuel{std::uint64_t{1} << 40};
        const double start = processor_seconds();
        MILLRACE_TRY(const auto result, sandbox::run_here(task));
        const double seconds = processor_seconds() - start;
        if (result.outcome.files.size() != 1) {
            return Err{Failure{"the tile was not rendered: " + result.outcome.text,
                               fmt::format("tile {}", index), ""}};
        }
        MILLRACE_TRY_VOID(render_natively(options, index, options.tile_count, native_tile));
        MILLRACE_TRY(const auto expected, read_file(native_tile));
        if (*expected != *result.outcome.files[0].content) {
            return Err{Failure{"the native tile and the interpreter's differ",
                               fmt::format("tile {}", index), ""}};
        }
        if (!options.out.empty()) {
            fs::copy_file(native_tile, options.out / fmt::format("tile-{}.tile", index),
                          fs::copy_options::overwrite_existing);
        }
        report.interpreter_seconds += seconds;
        report.tile_seconds_max = std::max(report.tile_seconds_max, seconds);
        report.fuel += result.outcome.summary.fuel.value;
        std::fprintf(stderr, "tile %u of %u: %.2f s\n", index + 1, options.tile_count, seconds);
    }
    fs::remove(native_tile);
    return report;
}

std::string to_markdown(const RenderReport& report) {
    return fmt::format(
        "| | processor seconds |\n|---|---:|\n"
        "| the whole picture natively | {:.2f} |\n"
        "| its {} tiles in the interpreter, {:.1f} G fuel | {:.1f} ({:.1f}x) |\n"
        "| the longest tile | {:.2f} |\n",
        report.native_seconds, report.tile_count, static_cast<double>(report.fuel) * 1e-9,
        report.interpreter_seconds, report.interpreter_seconds / report.native_seconds,
        report.tile_seconds_max);
}

}  // namespace millrace::bench
