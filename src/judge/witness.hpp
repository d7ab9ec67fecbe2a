// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "codec/rlp.hpp"
#include "judge/state.hpp"

/// What a judge is given to repeat one segment of a run: the registers, and every page that the
/// segment's steps touch with the hashes that tie it to the state's root
/// (docs/formats/checkpoint.md). Comes from a party to a dispute, and is believed in nothing: each
/// bound is checked when it is read, each page against the root.
namespace millrace::judge {

constexpr std::size_t witness_bytes_max = std::size_t{320} * 1024;
constexpr std::uint64_t witness_steps_max = std::uint64_t{1} << 22;

/// Some pages of one region, ascending, and the siblings that wasm::root_of() asks for.
struct RegionProof {
    std::vector<std::pair<std::uint32_t, Page>> pages;
    std::vector<Hash32> siblings;
    bool operator==(const RegionProof&) const = default;

    /// The region's root with these pages; null when the proof has another shape.
    [[nodiscard]] std::optional<Hash32> root(unsigned depth) const;
};

/// Some pages of a file or a stream of the host's (wasi::Content).
struct ContentProof {
    std::uint64_t key = 0;
    RegionProof proof;
    bool operator==(const ContentProof&) const = default;
};

struct Witness {
    std::uint64_t steps = 0;
    Registers registers;
    wasm::ProgramCounts counts;
    std::vector<RegionProof> regions;  ///< in the order of Region; then one for each table
    /// The host's state, when a step asks the host; else empty, and only its root is given.
    Bytes host;
    std::vector<ContentProof> contents;  ///< by key, ascending
    Hash32 host_root;
    bool operator==(const Witness&) const = default;

    [[nodiscard]] RegionProof& of(Region region) {
        return regions[static_cast<std::size_t>(region)];
    }
    [[nodiscard]] const RegionProof& of(Region region) const {
        return regions[static_cast<std::size_t>(region)];
    }
};

/// Larger than witness_bytes_max when the segment was too long: no judge takes it then.
Bytes encode(const Witness& witness);
Result<Witness, codec::RlpError> decode_witness(ByteView bytes);

}  // namespace millrace::judge
