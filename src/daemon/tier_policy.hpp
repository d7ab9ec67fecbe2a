// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/quantity.hpp"

namespace millrace::daemon {

/// How a provider runs tasks. The result is the same; the time is not.
enum class Tier : std::uint8_t {
    interp,     ///< always the interpreter; nothing is compiled
    aot,        ///< a task waits until its module is compiled
    automatic,  ///< interpreted at first; compiled when that has begun to cost more than compiling
};
/// "interp", "aot", "auto".
std::optional<Tier> parse_tier(std::string_view text);
std::string_view to_text(Tier tier);

/// When a module is worth compiling (docs/provider.md): once its tasks have taken as long in the
/// interpreter as the compiler will take. Then the work done in vain is never more than what was
/// useful, whether or not another task ever comes. Pure: told what happened, asked what to do.
class TierPolicy {
  public:
    /// Interpreting takes about 1 s for 10^9 fuel, compiling about 20 us for a byte of module.
    static constexpr std::uint64_t fuel_per_module_byte = 20'000;
    /// Starting the compiler and a worker with its code is not worth less.
    static constexpr std::uint64_t fuel_min = 300'000'000;
    /// Modules remembered; beyond, the one that has used least is forgotten.
    static constexpr std::size_t modules_max = 1'024;

    explicit TierPolicy(Tier tier) noexcept : tier_{tier} {}

    [[nodiscard]] Tier tier() const noexcept { return tier_; }

    /// Tasks of this module were interpreted for so much more. True: compile it now; compiling()
    /// is understood.
    [[nodiscard]] bool interpreted(const Hash32& module, std::uint64_t module_bytes, Fuel more);

    enum class State : std::uint8_t {
        cold,       ///< not worth it, as far as known
        compiling,  ///< being compiled
        ready,      ///< its machine code lies in the folder
        refused,    ///< cannot be compiled here, or its code failed: interpreted for good
    };
    [[nodiscard]] State state(const Hash32& module) const;
    void set(const Hash32& module, State state);
    /// Somebody else compiles it: look again after as much fuel as was used so far.
    void postpone(const Hash32& module);

  private:
    struct Entry {
        State state = State::cold;
        std::uint64_t fuel = 0;
        std::uint64_t threshold_factor = 1;
    };
    Entry& entry_of(const Hash32& module);

    Tier tier_;
    std::map<Hash32, Entry> entries_;
};

}  // namespace millrace::daemon
