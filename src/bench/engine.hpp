// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"

/// What `millrace-bench wasm` compares: one kernel run by several engines.
///
/// Every kernel (src/bench/kernels) is built twice from one C file with the same clang and -O2: as
/// a shared object for this machine and as a WebAssembly module. Two of them bring in a program of
/// others (SQLite, Lua), whose Debian source was fetched before the build (tools/sources.sh). An
/// engine that cannot run here (no clang when Millrace was built, no node) says why, and its column
/// stays empty; so does a kernel that was not built.
namespace millrace::bench {

struct Kernel {
    std::string name;
    std::int32_t size = 0;  ///< amount of work: about 50 ms natively
    bool is_in_mean = true;
};

std::vector<Kernel> all_kernels();

struct Sample {
    std::int64_t checksum = 0;
    double seconds = 0;  ///< processor time of the run alone; loading and compiling are left out
    std::optional<std::uint64_t> fuel;
};

class Engine {
  public:
    virtual ~Engine() = default;
    [[nodiscard]] virtual std::string name() const = 0;
    virtual Outcome<Sample> run(const Kernel& kernel) = 0;
};

/// Null and a sentence in `absence` when the engine cannot be used here. `folder` holds the
/// kernels.
using EngineMaker = std::unique_ptr<Engine> (*)(const std::filesystem::path& folder,
                                                std::string& absence);
std::unique_ptr<Engine> make_native_engine(const std::filesystem::path& folder,
                                           std::string& absence);
std::unique_ptr<Engine> make_node_engine(const std::filesystem::path& folder, std::string& absence);
std::unique_ptr<Engine> make_interpreter_engine(const std::filesystem::path& folder,
                                                std::string& absence);
std::unique_ptr<Engine> make_compiled_engine(const std::filesystem::path& folder,
                                             std::string& absence);

/// The same code without fuel: what counting costs.
std::unique_ptr<Engine> make_unmetered_engine(const std::filesystem::path& folder,
                                              std::string& absence);

/// Processor time of this process in seconds.
double processor_seconds();

}  // namespace millrace::bench
