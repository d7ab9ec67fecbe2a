// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/failure.hpp"
#include "node/chain.hpp"

namespace millrace::node {

/// A chain outside of its store: the RLP of blocks, one after another, nothing between them (geth's
/// export and import; execution-apis' chain.rlp). The first may be block 0 or any later one. Bytes
/// come and go by callbacks: files are the caller's.

/// Reads such a stream block by block. Bounds: one block of types::block_size_max bytes is in
/// memory at a time.
class ChainFileReader {
  public:
    /// Fills `into` and says how many bytes it wrote; fewer than asked for only at the end.
    using Read = std::function<std::size_t(std::span<std::uint8_t> into)>;
    explicit ChainFileReader(Read read) : read_{std::move(read)} {}

    /// Null at the end. A Failure names the byte at which the block begins.
    Outcome<std::optional<types::Block>> next();
    /// Bytes of the blocks given so far.
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

  private:
    Failure broken(std::string what) const;
    [[nodiscard]] bool fill(std::size_t size);

    Read read_;
    Bytes item_;
    std::uint64_t position_ = 0;
};

/// Blocks `first` to `last` as bytes to `sink`, which says whether it took them. False: it did not,
/// or `last` is above the head.
[[nodiscard]] bool export_blocks(const ChainView& view, Height first, Height last,
                                 const std::function<bool(ByteView)>& sink);

struct ImportSummary {
    std::uint64_t imported = 0;
    std::uint64_t known = 0;  ///< stood in the chain already
};
/// Imports all blocks of the stream. A Failure names the block; those before it are imported.
/// `progress` is told each height and may be empty.
Outcome<ImportSummary> import_blocks(Chain& chain, ChainFileReader& reader,
                                     const ledger::ParallelFor& parallel_for,
                                     const std::function<void(Height)>& progress);

}  // namespace millrace::node
