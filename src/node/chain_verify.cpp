// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/hash.hpp"
#include "node/chain_rows.hpp"
#include "node/chain_state.hpp"
#include "state/rows.hpp"

namespace millrace::node {
namespace {

using state::KeyValueView;
using state::Table;
using Progress = std::function<void(std::string_view what, std::uint64_t done)>;

constexpr std::uint64_t progress_every = 1'000;

/// Blocks from the first to the head, each against its rows and its parent.
class BlockWalk {
  public:
    explicit BlockWalk(const KeyValueView& rows) : rows_{rows} {}

    /// Empty: the next block is well.
    std::string step(Height height) {
        const std::string problem = problem_of(height);
        if (problem.empty()) return {};
        return "block " + std::to_string(height.value) + ": " + problem;
    }
    [[nodiscard]] const Hash32& newest() const noexcept { return parent_hash_; }
    [[nodiscard]] std::uint64_t transaction_count() const noexcept { return transaction_count_; }

  private:
    std::string problem_of(Height height) {
        const Bytes key = state::height_key(height);
        const auto header_row = rows_.get(Table::headers, key);
        const auto body_row = rows_.get(Table::bodies, key);
        const auto receipts_row = rows_.get(Table::receipts, key);
        if (!header_row || !body_row || !receipts_row) return "a row is missing";
        const auto block = decode_block_rows(*header_row, *body_row);
        const auto receipts = decode_receipts_row(*receipts_row);
        if (!block) return "header or body cannot be read";
        if (!receipts) return "the receipts cannot be read";
        if (block->header.number != height.value) return "the header is of another height";
        if (height.value > 0 && block->header.parent_hash != parent_hash_)
            return "the header does not follow the one before it";
        parent_hash_ = crypto::keccak256(*header_row);
        std::string problem = check_roots(*block, *receipts);
        return problem.empty() ? check_index(*block, key) : problem;
    }

    static std::string check_roots(const types::Block& block,
                                   const std::vector<types::TransactionReceipt>& receipts) {
        const types::Header& header = block.header;
        if (ledger::transactions_root(block.transactions) != header.transactions_root)
            return "the transactions are not those of the header";
        if (types::ommers_hash(block.ommers) != header.ommers_hash)
            return "the ommers are not those of the header";
        if (block.withdrawals.has_value() != header.withdrawals_root.has_value() ||
            (block.withdrawals &&
             ledger::withdrawals_root(*block.withdrawals) != header.withdrawals_root))
            return "the withdrawals are not those of the header";
        if (ledger::receipts_root(receipts) != header.receipts_root)
            return "the receipts are not those of the header";
        return {};
    }

    std::string check_index(const types::Block& block, const Bytes& key) {
        if (rows_.get(Table::block_numbers, parent_hash_.view()) != key)
            return "its hash does not lead to it";
        std::uint32_t index = 0;
        for (const types::SignedTransaction& transaction : block.transactions) {
            const Hash32 hash = transaction.hash();
            if (rows_.get(Table::transactions, hash.view()) !=
                encode_place_row(Height{block.header.number}, index))
                return "the hash of transaction " + std::to_string(index) + " does not lead to it";
            ++index;
        }
        transaction_count_ += block.transactions.size();
        return {};
    }

    const KeyValueView& rows_;
    Hash32 parent_hash_;  ///< of the newest block seen
    std::uint64_t transaction_count_ = 0;
};

/// What every row of a table stands for has been seen: their number tells of any other.
std::string check_count(const KeyValueView& rows, Table table, std::string_view name,
                        std::uint64_t expected, const Progress& progress) {
    std::uint64_t count = 0;
    const auto cursor = rows.cursor(table);
    for (cursor->seek({}); cursor->valid(); cursor->next()) {
        if (++count % progress_every == 0 && progress) progress("rows", count);
    }
    if (count == expected) return {};
    return "table " + std::string{name} + " has " + std::to_string(count) +
           " rows where the blocks have " + std::to_string(expected);
}

}  // namespace

std::string Chain::verify(const Progress& progress) const {
    const State& chain = *state_;
    const KeyValueView& rows = chain.view->rows();
    BlockWalk walk{rows};
    const std::uint64_t last = chain.head.header.number;
    for (std::uint64_t height = 0; height <= last; ++height) {
        if (std::string problem = walk.step(Height{height}); !problem.empty()) return problem;
        if (height == 0 && walk.newest() != chain.genesis_hash)
            return "block 0 is not the genesis block";
        if (progress && (height % progress_every == 0 || height == last))
            progress("blocks", height);
    }
    if (walk.newest() != chain.head.hash) return "the head is not the last block";

    struct Expected {
        Table table;
        std::string_view name;
        std::uint64_t count;
    };
    for (const Expected& expected :
         {Expected{Table::headers, "headers", last + 1},
          Expected{Table::bodies, "bodies", last + 1},
          Expected{Table::receipts, "receipts", last + 1},
          Expected{Table::block_numbers, "block_numbers", last + 1},
          Expected{Table::transactions, "transactions", walk.transaction_count()}}) {
        std::string problem =
            check_count(rows, expected.table, expected.name, expected.count, progress);
        if (!problem.empty()) return problem;
    }

    const auto state =
        chain.database.verify(progress ? [&](std::uint64_t done) { progress("accounts", done); }
                                       : std::function<void(std::uint64_t)>{});
    if (!state.problem.empty()) return "the state: " + state.problem;
    if (state.root != chain.head.header.state_root)
        return "the state's root is " + to_hex0x(state.root.view()) + ", the head has " +
               to_hex0x(chain.head.header.state_root.view());
    return {};
}

}  // namespace millrace::node
