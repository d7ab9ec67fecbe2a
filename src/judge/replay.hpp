// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "judge/witness.hpp"

/// The judge: repeats a segment from its witness alone, with the interpreter.
///
///     const auto witness = decode_witness(bytes);
///     const auto end = replay(witness.value(), start);      // start: what both parties agree on
///     end->root is the truth about the state after witness.steps steps
///
/// A pure function. Nothing of the witness is believed but what hashes to `start`; and `start` may
/// itself be made up by two parties who play together, so that the program may be anything. Costs
/// at most witness_steps_max steps of at most 16 KiB each, and the address space (not the memory)
/// of the machine that the witness describes.
namespace millrace::judge {

enum class Refusal : std::uint8_t {
    malformed_proof,    ///< a region's pages and siblings do not make a tree
    other_start,        ///< the witness belongs to another state
    impossible_state,   ///< registers or frames that no run comes to
    missing_page,       ///< a step touches what is not shown, or is no instruction
    ended_early,        ///< the run ends before the segment's last step
    machine_exhausted,  ///< this judge cannot hold the machine; no verdict
};
std::string_view to_text(Refusal refusal) noexcept;

struct ReplayLimits {
    /// Of the machine: memory, tables, and the program's lists, in bytes.
    std::uint64_t address_space = std::uint64_t{8} << 30;
    /// Of the host's files and streams together, in bytes: a judge holds them in memory, as zeros
    /// where they are not shown.
    std::uint64_t contents = std::uint64_t{1} << 30;
    /// Of all tables, held likewise.
    std::uint64_t table_bytes = std::uint64_t{256} << 20;
};

struct Replayed {
    Hash32 root;  ///< of the state after the last step
    Registers registers;
};
Result<Replayed, Refusal> replay(const Witness& witness, const Hash32& start,
                                 ReplayLimits limits = {});

/// The root of the state that a witness starts from; null when its proofs are malformed.
std::optional<Hash32> start_of(const Witness& witness);

}  // namespace millrace::judge
