// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include <map>
#include <memory>

#include "ledger/fees.hpp"
#include "spec/evm_fixture.hpp"
#include "spec/evm_state_suite.hpp"
#include "spec/unsupported.hpp"
#include "state/database.hpp"

namespace millrace::spec {
namespace {

using ledger::BlockError;
using ledger::BlockFailure;

types::Header header_of(const json& fields) {
    types::Header header;
    header.parent_hash = read_fixed<Hash32>(fields.at("parentHash"));
    header.ommers_hash = read_fixed<Hash32>(fields.at("uncleHash"));
    header.coinbase = read_fixed<Address>(fields.at("coinbase"));
    header.state_root = read_fixed<Hash32>(fields.at("stateRoot"));
    header.transactions_root = read_fixed<Hash32>(fields.at("transactionsTrie"));
    header.receipts_root = read_fixed<Hash32>(fields.at("receiptTrie"));
    const auto bloom = types::Bloom::from(read_bytes(fields.at("bloom")));
    if (bloom) header.logs_bloom = *bloom;
    header.difficulty = read_number(fields.at("difficulty"));
    header.number = read_u64(fields.at("number"));
    header.gas_limit = read_u64(fields.at("gasLimit"));
    header.gas_used = read_u64(fields.at("gasUsed"));
    header.timestamp = read_u64(fields.at("timestamp"));
    header.extra_data = read_bytes(fields.at("extraData"));
    header.mix_hash = read_fixed<Hash32>(fields.at("mixHash"));
    const Bytes nonce = read_bytes(fields.at("nonce"));
    if (nonce.size() == header.nonce.size()) std::ranges::copy(nonce, header.nonce.begin());
    if (fields.contains("baseFeePerGas")) header.base_fee = read_number(fields["baseFeePerGas"]);
    if (fields.contains("withdrawalsRoot")) {
        header.withdrawals_root = read_fixed<Hash32>(fields["withdrawalsRoot"]);
    }
    if (fields.contains("blobGasUsed")) header.blob_gas_used = read_u64(fields["blobGasUsed"]);
    if (fields.contains("excessBlobGas"))
        header.excess_blob_gas = read_u64(fields["excessBlobGas"]);
    if (fields.contains("parentBeaconBlockRoot")) {
        header.parent_beacon_block_root = read_fixed<Hash32>(fields["parentBeaconBlockRoot"]);
    }
    if (fields.contains("requestsHash"))
        header.requests_hash = read_fixed<Hash32>(fields["requestsHash"]);
    return header;
}

/// A chain in memory: its headers, and the whole state after the newest.
class MemoryChain {
  public:
    MemoryChain(ledger::ChainConfig config, types::Header genesis, state::StateDiff state,
                evm::Arena& arena)
        : config_{std::move(config)}, state_{std::move(state)}, arena_{arena} {
        append(std::move(genesis));
    }

    /// The block joins the chain, or nothing changes.
    Result<void, BlockFailure> import(const types::Block& block, evm::Tracer* tracer = nullptr) {
        const types::Header& parent = headers_.back();
        MILLRACE_TRY_VOID(ledger::check_header(config_, block.header, parent, true));
        const ledger::Rules rules =
            ledger::rules_at(config_, block.header.number, block.header.timestamp);
        const auto senders = ledger::recover_senders(block.transactions, rules.revision, {});
        const EmptyView nothing;
        const state::OverlayView view{nothing, state_};
        const auto root_after = [this](const state::StateDiff& diff) {
            state::StateDiff after = state_;
            after.merge(diff);
            return state::StateDatabase::root_of(after);
        };
        const state::TransactionState::BlockHashes block_hashes = [this](std::uint64_t number) {
            return number < hashes_.size() ? hashes_[number] : Hash32{};
        };
        MILLRACE_TRY(ledger::BlockResult result,
                     ledger::execute_block(config_, block, senders, view, block_hashes, arena_,
                                           root_after, tracer));
        MILLRACE_TRY_VOID(ledger::check_result(block, result));
        state::StateDiff after = state_;
        after.merge(std::move(result.diff));
        if (state::StateDatabase::root_of(after) != block.header.state_root) {
            return Err{
                BlockFailure{.error = BlockError::bad_state_root, .transaction = {}, .index = 0}};
        }
        state_ = std::move(after);
        append(block.header);
        return {};
    }

    [[nodiscard]] const Hash32& head() const { return hashes_.back(); }
    [[nodiscard]] const state::StateDiff& state() const { return state_; }

  private:
    void append(types::Header header) {
        hashes_.push_back(header.hash());
        headers_.push_back(std::move(header));
    }

    ledger::ChainConfig config_;
    state::StateDiff state_;
    std::vector<types::Header> headers_;
    std::vector<Hash32> hashes_;
    evm::Arena& arena_;
};

std::string words(const BlockFailure& failure) {
    std::string text{ledger::to_text(failure.error)};
    if (failure.transaction) {
        text += " " + std::to_string(failure.index) + ": ";
        text += ledger::to_text(*failure.transaction);
    }
    return text;
}

/// What is known to be another form of the same refusal: bytes that are no block.
bool expects_bad_bytes(const std::string& expected) {
    return expected.find("RLP_STRUCTURES_ENCODING") != std::string::npos ||
           expected.find("INCORRECT_BLOCK_FORMAT") != std::string::npos ||
           expected.find("TYPE_4_") != std::string::npos;
}

enum class Verdict { good, bad, unsupported };

/// `cause` is set where the verdict is not good.
Verdict import_block(MemoryChain& chain, const json& entry, std::string& cause) {
    const auto exception = entry.find("expectException");
    const std::string expected = exception == entry.end() ? "" : exception->get<std::string>();
    const auto block = types::decode_block(read_bytes(entry.at("rlp")));
    if (!block) {
        if (!expected.empty() && expects_bad_bytes(expected)) return Verdict::good;
        cause = "does not decode: " + std::string{codec::to_text(block.error())} +
                (expected.empty() ? "" : ", not " + expected);
        return Verdict::bad;
    }
    const auto imported = chain.import(*block);
    if (imported) {
        if (expected.empty()) return Verdict::good;
        cause = "not refused: " + expected;
        return Verdict::bad;
    }
    const BlockFailure& failure = imported.error();
    if (failure.error == BlockError::not_supported) {
        MissingPrecompile missing;
        static_cast<void>(chain.import(*block, &missing));
        cause = missing.cause();
        return Verdict::unsupported;
    }
    if (!expected.empty() && is_expected(expected, failure)) return Verdict::good;
    cause = "refused with '" + words(failure) + "'";
    if (!expected.empty()) cause += ", not " + expected;
    return Verdict::bad;
}

Verdict run_case(const json& test, evm::Arena& arena, std::string& cause) {
    const auto config = chain_config_of(test.at("network"), test.at("config"));
    if (!config) {
        cause = "unknown network";
        return Verdict::bad;
    }
    ledger::Genesis genesis;
    genesis.config = *config;
    genesis.header = header_of(test.at("genesisBlockHeader"));
    genesis.state = state_of(test.at("pre"));
    const types::Block block = ledger::make_genesis_block(genesis);
    if (block.encode() != read_bytes(test.at("genesisRLP"))) {
        cause = "another genesis block";
        return Verdict::bad;
    }
    MemoryChain chain{*config, block.header, std::move(genesis.state), arena};
    const json& blocks = test.at("blocks");
    for (std::size_t index = 0; index < blocks.size(); ++index) {
        const Verdict verdict = import_block(chain, blocks[index], cause);
        if (verdict == Verdict::bad) cause.insert(0, "block " + std::to_string(index + 1) + ": ");
        if (verdict != Verdict::good) return verdict;
    }
    cause = difference(test.at("postState"), chain.state());
    if (cause.empty() && chain.head() != read_fixed<Hash32>(test.at("lastblockhash"))) {
        cause = "another last block";
    }
    return cause.empty() ? Verdict::good : Verdict::bad;
}

void run_file(const std::filesystem::path& file, const SuiteOptions& options, SuiteTally& tally) {
    const json tests = read_json(file);
    const std::shared_ptr<evm::Arena> arena = evm::make_arena();
    for (const auto& [name, test] : tests.items()) {
        const std::string network = test.at("network");
        if (!options.fork.empty() && options.fork != network) continue;
        std::string cause;
        switch (run_case(test, *arena, cause)) {
            case Verdict::good:
                ++tally.passed;
                break;
            case Verdict::bad:
                tally.fail(name, cause);
                break;
            case Verdict::unsupported:
                tally.skip(cause);
                break;
        }
    }
}

}  // namespace

int run_evm_block_suite(const std::filesystem::path& folder, const SuiteOptions& options) {
    return run_files(folder, options,
                     [&options](const std::filesystem::path& file, SuiteTally& tally) {
                         run_file(file, options, tally);
                     });
}

}  // namespace millrace::spec
