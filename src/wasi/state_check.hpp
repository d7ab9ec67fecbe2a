// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "wasi/context.hpp"

/// Whether a state that a stranger gave could be one of a run, as far as the code of this area
/// relies on it: names lead somewhere, counts are true, directories make a tree.
namespace millrace::wasi {

struct StateView {
    const std::unordered_map<Inode, Node>& nodes;
    const std::vector<std::optional<Descriptor>>& descriptors;
    const Transfer& transfer;
    const TreeLimits& limits;
    Inode last_inode;
    std::uint64_t output_bytes;
    std::uint64_t stream_bytes;
    std::uint64_t names;
    std::uint64_t stream_sizes;  ///< of standard output and error
};
bool is_possible(const StateView& state);

}  // namespace millrace::wasi
