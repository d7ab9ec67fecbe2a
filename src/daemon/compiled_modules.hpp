// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "aot/cache.hpp"
#include "daemon/tier_policy.hpp"
#include "io/thread_pool.hpp"
#include "wasi/run.hpp"

namespace millrace::daemon {

/// Machine code for the modules whose tasks a provider runs: when it is made (TierPolicy), and by
/// whom: libexec/millrace-compile, in a process of its own with limits of time and memory, which
/// has locked itself before it reads the module. A module on which it crashes, runs out of either,
/// or answers nonsense is interpreted, and one line in the log says so. One module is compiled at a
/// time, and on a machine with several providers in one home by one of them.
class CompiledModules {
  public:
    struct Options {
        Tier tier = Tier::automatic;
        std::string folder;               ///< of aot::ImageCache
        std::string compiler;             ///< empty: the installed one
        std::uint64_t seconds_max = 600;  ///< for one module
    };

    CompiledModules(io::EventLoop& loop, Options options);
    CompiledModules(const CompiledModules&) = delete;
    CompiledModules& operator=(const CompiledModules&) = delete;
    /// Kills a compiler that still runs.
    ~CompiledModules();

    /// The image of a module that is compiled already; null: ask find().
    wasi::SharedBytes find_ready(const Hash32& hash);

    /// `hash` is the module's SHA-256. `ready` gets its image, or null: interpret. It is called at
    /// once, except with Tier::aot, where it may be called on a later turn.
    using ImageReady = std::function<void(wasi::SharedBytes image)>;
    void find(const Hash32& hash, const wasi::SharedBytes& module, const ImageReady& ready);

    /// A task of this module was interpreted for so much more: perhaps it is compiled now.
    void interpreted(const Hash32& hash, const wasi::SharedBytes& module, Fuel more);

    /// `told` is called on a later turn with each module whose image has been made, here or by
    /// another process, so that find_ready() has it. At most one listener.
    void on_ready(std::function<void(const Hash32& hash)> told) { on_ready_ = std::move(told); }

    /// Its code did not bring a task to an end: from now on it is interpreted.
    void distrust(const Hash32& hash, const std::string& why);

    struct Counts {
        std::uint64_t compiled = 0;  ///< modules, since the start
        std::uint64_t failed = 0;    ///< likewise
        std::uint64_t tasks = 0;     ///< started with machine code
    };
    [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
    [[nodiscard]] Tier tier() const noexcept { return policy_.tier(); }

  private:
    using State = TierPolicy::State;
    struct Made;
    [[nodiscard]] wasi::SharedBytes look(const Hash32& hash);
    bool compile(const Hash32& hash, const wasi::SharedBytes& module, ImageReady ready);
    void made(const Hash32& hash, Made result);

    TierPolicy policy_;
    Options options_;
    std::shared_ptr<const aot::ImageCache> cache_;
    Counts counts_;
    std::function<void(const Hash32&)> on_ready_;
    /// The last one used, unless it is large.
    Hash32 recent_hash_;
    wasi::SharedBytes recent_;
    std::stop_source stop_;
    io::ThreadPool pool_;  ///< last: ends before what its callbacks use
};

}  // namespace millrace::daemon
