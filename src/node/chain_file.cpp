// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/chain_file.hpp"

namespace millrace::node {

Failure ChainFileReader::broken(std::string what) const {
    return {std::move(what), "byte " + std::to_string(position_),
            "the file is damaged, or no chain file: the RLP of blocks, one after another"};
}

bool ChainFileReader::fill(std::size_t size) {
    const std::size_t held = item_.size();
    if (size <= held) return true;
    item_.resize(size);
    const std::size_t count = read_(std::span{item_}.subspan(held));
    item_.resize(held + count);
    return item_.size() == size;
}

Outcome<std::optional<types::Block>> ChainFileReader::next() {
    item_.clear();
    if (!fill(1)) return std::optional<types::Block>{};
    const std::uint8_t first = item_[0];
    if (first < 0xc0) return Err{broken("what should be a block is no list")};
    // Yellow Paper, appendix B: a list's length, or how many bytes its length has.
    std::size_t header_size = 1;
    std::size_t size = first - 0xc0u;
    if (first > 0xf7) {
        header_size += first - 0xf7u;
        if (header_size > 5) return Err{broken("a block is too large")};
        if (!fill(header_size)) return Err{broken("the last block is cut off")};
        size = 0;
        for (std::size_t index = 1; index < header_size; ++index)
            size = size << 8 | item_[index];
    }
    if (size > types::block_size_max) return Err{broken("a block is too large")};
    if (!fill(header_size + size)) return Err{broken("the last block is cut off")};
    auto block = types::decode_block(item_);
    if (!block)
        return Err{broken("a block cannot be read: " + std::string{to_text(block.error())})};
    position_ += item_.size();
    return std::optional{std::move(block).value()};
}

bool export_blocks(const ChainView& view, Height first, Height last,
                   const std::function<bool(ByteView)>& sink) {
    for (std::uint64_t height = first.value; height <= last.value; ++height) {
        const auto block = view.block(Height{height});
        if (!block || !sink(block->encode())) return false;
    }
    return true;
}

Outcome<ImportSummary> import_blocks(Chain& chain, ChainFileReader& reader,
                                     const ledger::ParallelFor& parallel_for,
                                     const std::function<void(Height)>& progress) {
    ImportSummary summary;
    for (;;) {
        const std::uint64_t begin = reader.position();
        MILLRACE_TRY(const auto block, reader.next());
        if (!block) return summary;
        const Height height{block->header.number};
        const auto refuse = [&](const std::string& why) {
            return Err{Failure{"block " + std::to_string(height.value) + " is refused: " + why,
                               "byte " + std::to_string(begin),
                               "blocks before it are imported; has the file this genesis?"}};
        };
        if (chain.view()->hash_at(height) == block->header.hash()) {
            ++summary.known;
        } else if (height.value <= chain.head().header.number) {
            return refuse("the chain has another block at this height");
        } else if (const auto imported = chain.import(*block, parallel_for); !imported) {
            return refuse(imported.error().text());
        } else {
            ++summary.imported;
        }
        if (progress) progress(height);
    }
}

}  // namespace millrace::node
