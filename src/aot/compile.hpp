// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "aot/abi.hpp"
#include "base/bytes.hpp"
#include "base/failure.hpp"

/// Starts libexec/millrace-compile, the only program with LLVM in it, on one module.
namespace millrace::aot {

struct CompileJob {
    std::string program;        ///< empty: ../libexec/millrace-compile beside this program's folder
    std::uint32_t threads = 0;  ///< 0: one for each processor
    /// Of real time, and 100 microseconds more for each byte of the module; then it is killed. One
    /// core needs about 30 (docs/benchmarks.md).
    std::uint64_t seconds_max = 600;
    Metering metering = Metering::exact;
    bool in_background = false;  ///< gives way to everything else that runs
    std::stop_token stop{};      ///< kills it; from any thread
};

/// Whether this processor runs what the compiler makes (image.hpp, target_name).
[[nodiscard]] bool can_run_here() noexcept;

/// The image's bytes (image.hpp). The compiler reads the module from a pipe and writes to another,
/// and has no other descriptor; it limits its own memory and processor time, and before it reads
/// the module it renounces files, network and other processes (sandbox/lockdown.hpp). It dies with
/// the thread that calls this.
Outcome<Bytes> compile_elsewhere(ByteView module, const CompileJob& job = {});

/// One compiler process for many modules: for tests that compile thousands of small ones. It has no
/// time limit, and a module that ends it ends the service.
class CompilerService {
  public:
    static Outcome<CompilerService> start(std::string program = {});
    CompilerService(CompilerService&&) noexcept;
    CompilerService& operator=(CompilerService&&) noexcept;
    ~CompilerService();
    Outcome<Bytes> compile(ByteView module);

  private:
    struct State;
    explicit CompilerService(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace millrace::aot
