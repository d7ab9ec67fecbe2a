// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/wasm_task.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "aot/image.hpp"
#include "crypto/hash.hpp"
#include "crypto/merkle.hpp"
#include "io/files.hpp"
#include "io/home.hpp"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;

/// "1000", "64K", "16MiB", "2G": units of 1,024 for bytes, of 1,000 for fuel.
std::optional<std::uint64_t> parse_amount(const std::string& text, std::uint64_t unit) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{}) return std::nullopt;
    std::string suffix{rest, end};
    if (suffix.ends_with("iB")) suffix.resize(suffix.size() - 2);
    if (suffix.ends_with("B") && suffix.size() == 2) suffix.pop_back();
    constexpr std::string_view suffixes = "KMGT";
    if (suffix.empty()) return value;
    const std::size_t power = suffixes.find(suffix.front());
    if (suffix.size() != 1 || power == std::string_view::npos) return std::nullopt;
    for (std::size_t step = 0; step <= power; ++step) {
        if (__builtin_mul_overflow(value, unit, &value)) return std::nullopt;
    }
    return value;
}

Outcome<std::uint64_t> amount_option(std::string_view name, const std::string& text,
                                     std::uint64_t unit, std::uint64_t fallback,
                                     std::uint64_t value_max) {
    if (text.empty()) return fallback;
    const auto value = parse_amount(text, unit);
    if (!value) {
        return Err{Failure{"not an amount: '" + text + "'", std::string{name},
                           "write a number, with K, M, G or T if you like"}};
    }
    if (*value > value_max) {
        return Err{Failure{"more than a task may have: " + text, std::string{name},
                           "at most " + std::to_string(value_max)}};
    }
    return *value;
}

/// All regular files below `folder`, sorted by path. Empty directories are left out, as in a job.
Outcome<void> read_tree(const fs::path& folder, wasi::TaskInput& input) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
        return Err{Failure{"the input folder does not exist or is no folder", folder.string(),
                           "give an existing folder to --in"}};
    }
    const auto end = fs::recursive_directory_iterator{};
    for (auto entry = fs::recursive_directory_iterator{folder, error}; !error && entry != end;
         entry.increment(error)) {
        const std::string path = entry->path().lexically_relative(folder).generic_string();
        if (entry->is_symlink(error) && entry->is_directory(error)) continue;
        if (entry->is_regular_file(error)) {
            if (!types::is_valid_path(path)) {
                return Err{Failure{"an input has a name that tasks cannot have", path,
                                   "use UTF-8 names of at most 1,024 bytes"}};
            }
            if (input.files.size() == types::files_per_task_max) {
                return Err{Failure{"the input folder has more files than a task may have",
                                   folder.string(),
                                   "at most " + std::to_string(types::files_per_task_max)}};
            }
            MILLRACE_TRY(auto content, read_file(entry->path().string(), "input file"));
            input.files.push_back({path, std::move(content)});
        }
    }
    if (error) {
        return Err{Failure{"cannot read the input folder: " + error.message(), folder.string(),
                           "check its permissions"}};
    }
    std::ranges::sort(input.files, {}, &wasi::InputFile::path);
    return {};
}

/// Null when modules are not to be kept, or cannot.
std::optional<aot::ImageCache> open_cache(const std::string& choice) {
    if (choice == "none") return std::nullopt;
    std::string folder = choice;
    if (folder.empty()) {
        const auto root = io::home_root();
        const auto made = root ? io::make_folder(*root) : Outcome<void>{Err{root.error()}};
        if (!made) {
            std::cerr << "note: compiled modules are not kept: " << made.error().text() << '\n';
            return std::nullopt;
        }
        folder = *root + "/compiled";
    }
    auto cache = aot::ImageCache::open(folder);
    if (cache) return std::move(cache).value();
    std::cerr << "note: " << cache.error().text() << '\n';
    return std::nullopt;
}

}  // namespace

Outcome<wasi::SharedBytes> read_file(const std::string& path, std::string_view what) {
    const auto failure = [&](const std::string& cause) {
        return Failure{"cannot read the " + std::string{what} + ": " + cause, path,
                       "check the path and its permissions"};
    };
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (error) return Err{failure(error.message())};
    if (fs::is_directory(status)) return Err{failure("it is a directory")};
    std::ifstream stream{path, std::ios::binary};
    if (!stream) return Err{failure(std::strerror(errno))};
    Bytes content;
    if (fs::is_regular_file(status)) {
        const std::uintmax_t size = fs::file_size(path, error);
        if (error) return Err{failure(error.message())};
        if (size > types::blob_size_max) return Err{failure("it is larger than 4 GiB")};
        content.resize(static_cast<std::size_t>(size));
        stream.read(reinterpret_cast<char*>(content.data()),
                    static_cast<std::streamsize>(content.size()));
        content.resize(static_cast<std::size_t>(stream.gcount()));
    } else {
        content.assign(std::istreambuf_iterator<char>{stream}, {});
    }
    if (stream.bad()) return Err{failure("reading failed")};
    return std::make_shared<const Bytes>(std::move(content));
}

Outcome<sandbox::WorkerTask> read_task(const TaskOptions& options) {
    sandbox::WorkerTask task;
    wasi::TaskInput& input = task.input;
    types::TaskLimits& limits = input.limits;
    MILLRACE_TRY(
        const std::uint64_t fuel,
        amount_option("--fuel", options.fuel, 1000, limits.fuel.value, types::fuel_per_task_max));
    limits.fuel = Fuel{fuel};
    MILLRACE_TRY(limits.memory_bytes,
                 amount_option("--memory", options.memory, 1024, limits.memory_bytes,
                               types::memory_per_task_max));
    MILLRACE_TRY(limits.output_bytes, amount_option("--output-limit", options.output_limit, 1024,
                                                    limits.output_bytes, types::blob_size_max));
    MILLRACE_TRY(input.checkpoint_fuel, amount_option("--every", options.checkpoint_fuel, 1000,
                                                      input.checkpoint_fuel, fuel));
    for (const std::string& pair : options.environment) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Err{Failure{"not of the form NAME=value: '" + pair + "'", "--env", ""}};
        }
        input.environment.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    std::ranges::sort(input.environment);
    if (!options.seed.empty()) {
        const auto seed = fixed_from_hex<Hash32>(options.seed);
        if (!seed) return Err{Failure{"not 32 bytes in hex", "--seed", "give 64 hex digits"}};
        input.seed = *seed;
    }
    input.arguments.emplace_back(wasi::program_name);
    input.arguments.insert(input.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
    if (!options.in.empty()) MILLRACE_TRY_VOID(read_tree(options.in, input));
    if (!options.standard_input.empty()) {
        const fs::path path = options.standard_input == "-" ? "/dev/stdin" : options.standard_input;
        MILLRACE_TRY(input.standard_input, read_file(path, "standard input"));
    }
    MILLRACE_TRY(task.module, read_file(options.module, "module"));
    if (options.seed.empty()) {
        types::TaskSpec spec;
        spec.module.plain = crypto::blob_id(*task.module);
        spec.arguments = options.arguments;
        spec.environment = input.environment;
        for (const auto& file : input.files) {
            spec.files.push_back(
                {file.path, {.plain = crypto::blob_id(*file.content), .sealed_root = {}}});
        }
        input.seed = spec.content_seed();
    }
    return task;
}

Outcome<wasi::SharedBytes> image_of(const TaskOptions& options, ByteView module) {
    const auto cache = open_cache(options.cache);
    const auto note = [](const std::string& text) { std::cerr << "note: " << text << '\n'; };
    if (cache) {
        auto found = cache->find(crypto::sha256(module));
        if (!found.discarded.empty()) note(found.discarded);
        if (found.image) return found.image;
    }
    MILLRACE_TRY_VOID(sandbox::load_here(module));
    if (cache) return aot::compile_cached(*cache, module, {}, note);
    MILLRACE_TRY(Bytes image, aot::compile_elsewhere(module));
    MILLRACE_TRY_VOID(aot::check_image(image, crypto::sha256(module)));
    return std::make_shared<const Bytes>(std::move(image));
}

std::string_view kind_name(types::ExitKind kind) {
    switch (kind) {
        case types::ExitKind::exited:
            return "exited";
        case types::ExitKind::trapped:
            return "trapped";
        case types::ExitKind::out_of_fuel:
            return "out_of_fuel";
        case types::ExitKind::limit_exceeded:
            return "limit_exceeded";
    }
    return "unknown";
}

void print_error(const Failure& failure) {
    std::cerr << "error: " << failure.text() << '\n';
}

void add_task_flags(CLI::App* command, TaskOptions& options) {
    command->add_option("MODULE", options.module, "the .wasm file")->required();
    command->add_option("ARGS", options.arguments,
                        "the program's arguments; write -- in front of them");
    command->add_option("--fuel", options.fuel, "most fuel (default 2^36)");
    command->add_option("--memory", options.memory, "most linear memory (default 1G)");
    command->add_option("--output-limit", options.output_limit,
                        "most bytes written, streams included (default 256M)");
    command->add_option("--in", options.in, "folder that the program sees as /");
    command->add_option("--stdin", options.standard_input,
                        "file for its standard input (- for this command's)");
    command->add_option("--env", options.environment, "NAME=value, repeatable")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command->add_option(
        "--seed", options.seed,
        "32 bytes hex: its randomness (default: from module, arguments and inputs)");
    command->add_option("--wall", options.wall_seconds, "most seconds of real time")
        ->check(CLI::Range(0.001, 1e6));
    command->add_option("--cache", options.cache,
                        "folder of compiled modules, or none (default: compiled in the home)");
}

}  // namespace millrace::cli
