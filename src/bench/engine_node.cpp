// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <array>
#include <cstdio>
#include <sstream>

#include "bench/engine.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

/// Words for /bin/sh: single quotes, with those inside closed and escaped.
std::string quoted(const std::string& word) {
    std::string text = "'";
    for (const char c : word)
        text += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return text + "'";
}

/// What a command prints, at most 64 KiB; nothing when it fails.
std::string output_of(const std::string& command) {
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return {};
    std::string text;
    std::array<char, 4096> buffer{};
    while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
        if (text.size() < 65'536) text.append(buffer.data(), size);
    }
    return pclose(pipe) == 0 ? text : std::string{};
}

/// V8 on the very same module, in a fresh process each time, compiled by its optimising compiler
/// before the clock starts.
class NodeEngine : public Engine {
  public:
    NodeEngine(fs::path folder, std::string version)
        : folder_{std::move(folder)}, version_{std::move(version)} {}

    [[nodiscard]] std::string name() const override { return "node " + version_; }

    Outcome<Sample> run(const Kernel& kernel) override {
        const fs::path module = folder_ / (kernel.name + ".wasm");
        const std::string command = "node " + quoted((folder_ / "run.mjs").string()) + " " +
                                    quoted(module.string()) + " " + std::to_string(kernel.size);
        std::istringstream words{output_of(command)};
        Sample sample;
        if (!(words >> sample.checksum >> sample.seconds)) {
            return Err{Failure{"node did not run the kernel", module.string(),
                               "try it by hand: " + command}};
        }
        return sample;
    }

  private:
    fs::path folder_;
    std::string version_;
};

}  // namespace

std::unique_ptr<Engine> make_node_engine(const fs::path& folder, std::string& absence) {
    if (!fs::exists(folder / "gemm.wasm")) {
        absence = "clang-19 was absent when this program was built";
        return nullptr;
    }
    std::string version = output_of("node --version 2>/dev/null");
    while (!version.empty() && version.back() == '\n')
        version.pop_back();
    if (version.empty()) {
        absence = "node is not installed";
        return nullptr;
    }
    if (version.front() == 'v') version.erase(0, 1);
    return std::make_unique<NodeEngine>(folder, version);
}

}  // namespace millrace::bench
