// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aot/compile.hpp"
#include "aot/tier.hpp"
#include "wasm/checkpoint.hpp"
#include "wasm/instance.hpp"

/// One module in both tiers, and whether all that can be seen of its runs is the same.
namespace millrace::spec {

/// A module made from a seed, and how to run its function "f".
struct AgreeSample {
    const char* family = "";
    Bytes module;
    std::vector<std::vector<wasm::Value>> arguments;  ///< "f" is run with each
    std::uint64_t fuel = 20'000;                      ///< ample for most
    bool is_portable = false;  ///< other engines must agree as well (AgreeProgram::is_portable)
};
/// Families: small (most), wide, integers, floats, loops. The same on every machine.
AgreeSample agree_sample(std::uint64_t seed);

/// All that a run shows.
struct AgreeShown {
    std::string outcome;  ///< as wasm::to_text: values by their bits, the kind of a trap, an exit
    std::uint64_t fuel = 0;
    // Of no meaning when the run is out of fuel.
    Bytes memory;
    std::vector<std::uint64_t> rest;  ///< globals, tables, dropped segments
    std::vector<wasm::Checkpoint> checkpoints;

    [[nodiscard]] bool is_out_of_fuel() const { return outcome == "out of fuel"; }
};
/// Empty when both are the same; otherwise the first thing that is not.
std::string difference(const AgreeShown& interpreted, const AgreeShown& compiled);

/// How runs ended, by the words before any number; for the reader of a report.
struct AgreeCounts {
    std::uint64_t runs = 0;  ///< in each tier
    std::uint64_t returned = 0;
    std::uint64_t trapped = 0;
    std::uint64_t exited = 0;
    std::uint64_t out_of_fuel = 0;
    std::uint64_t checkpoints = 0;  ///< compared between the tiers
    std::uint64_t node = 0;         ///< modules that node ran as well
    void add(const AgreeCounts& more);
};

/// One way to run: which arguments, how much fuel, and how often checkpoints are taken (0: never).
struct AgreeTrial {
    std::size_t arguments = 0;
    std::uint64_t limit = 0;
    std::uint64_t interval = 0;
};

class AgreePair {
  public:
    /// What is wrong with the module or its image; null when nothing is.
    static Outcome<AgreePair> load(const AgreeSample& sample, ByteView image);
    AgreeShown run(bool is_compiled, const AgreeTrial& trial) const;

  private:
    const AgreeSample* sample_ = nullptr;
    std::shared_ptr<const wasm::Module> module_;
    std::shared_ptr<const aot::LoadedImage> image_;
};

/// Runs a sample in both tiers with ample fuel, with exactly enough, with one unit less, with too
/// little at random places, and with checkpoints at random intervals. Empty when they agree.
/// `trials_seed` chooses the random ones.
std::string compare_tiers(const AgreeSample& sample, const AgreePair& pair,
                          std::uint64_t trials_seed, AgreeCounts& counts);

}  // namespace millrace::spec
