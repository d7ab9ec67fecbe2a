// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/evm_state_suite.hpp"

#include <utility>

#include "crypto/hash.hpp"
#include "ledger/fees.hpp"
#include "spec/evm_fixture.hpp"
#include "spec/unsupported.hpp"
#include "state/database.hpp"

namespace millrace::spec {
namespace {

using ledger::TransactionError;
using types::Transaction;
using types::TransactionKind;

std::vector<types::AccessListEntry> access_list_of(const json& list) {
    std::vector<types::AccessListEntry> entries;
    for (const json& item : list) {
        types::AccessListEntry entry{.address = read_fixed<Address>(item.at("address")),
                                     .storage_keys = {}};
        for (const json& key : item.at("storageKeys"))
            entry.storage_keys.push_back(to_word(read_number(key)));
        entries.push_back(std::move(entry));
    }
    return entries;
}

std::vector<types::Authorization> authorizations_of(const json& list) {
    std::vector<types::Authorization> authorizations;
    for (const json& item : list) {
        types::Authorization authorization;
        authorization.chain_id = read_number(item.at("chainId"));
        authorization.address = read_fixed<Address>(item.at("address"));
        authorization.nonce = read_u64(item.at("nonce"));
        authorization.y_parity = static_cast<std::uint8_t>(read_u64(item.at("yParity")));
        authorization.r = read_number(item.at("r"));
        authorization.s = read_number(item.at("s"));
        authorizations.push_back(authorization);
    }
    return authorizations;
}

/// The transaction that the fixture's lists describe, to be compared with its bytes.
Transaction transaction_of(const json& fields, const json& indexes) {
    const auto data_index = indexes.at("data").get<std::size_t>();
    Transaction transaction;
    transaction.kind = TransactionKind::legacy;
    if (fields.contains("accessLists")) {
        transaction.kind = TransactionKind::access_list;
        transaction.access_list = access_list_of(fields["accessLists"].at(data_index));
    }
    transaction.nonce = read_u64(fields.at("nonce"));
    if (fields.contains("gasPrice")) {
        transaction.max_fee_per_gas = read_number(fields["gasPrice"]);
    } else {
        transaction.kind = TransactionKind::dynamic_fee;
        transaction.max_fee_per_gas = read_number(fields.at("maxFeePerGas"));
        transaction.max_priority_fee_per_gas = read_number(fields.at("maxPriorityFeePerGas"));
    }
    transaction.gas_limit =
        read_u64(fields.at("gasLimit").at(indexes.at("gas").get<std::size_t>()));
    transaction.to = destination_of(fields.at("to"));
    transaction.value.wei =
        read_number(fields.at("value").at(indexes.at("value").get<std::size_t>()));
    transaction.data = read_bytes(fields.at("data").at(data_index));
    if (fields.contains("blobVersionedHashes")) {
        transaction.kind = TransactionKind::blob;
        transaction.max_fee_per_blob_gas = read_number(fields.at("maxFeePerBlobGas"));
        for (const json& hash : fields["blobVersionedHashes"])
            transaction.blob_hashes.push_back(read_fixed<Hash32>(hash));
    }
    if (fields.contains("authorizationList")) {
        transaction.kind = TransactionKind::set_code;
        transaction.authorizations = authorizations_of(fields["authorizationList"]);
    }
    return transaction;
}

types::Header header_of(const json& env) {
    types::Header header;
    header.coinbase = read_fixed<Address>(env.at("currentCoinbase"));
    header.number = read_u64(env.at("currentNumber"));
    header.gas_limit = read_u64(env.at("currentGasLimit"));
    header.timestamp = read_u64(env.at("currentTimestamp"));
    header.difficulty = read_number(env.at("currentDifficulty"));
    if (env.contains("currentRandom")) header.mix_hash = read_fixed<Hash32>(env["currentRandom"]);
    if (env.contains("currentBaseFee")) header.base_fee = read_number(env["currentBaseFee"]);
    if (env.contains("currentExcessBlobGas")) {
        header.excess_blob_gas = read_u64(env["currentExcessBlobGas"]);
    }
    return header;
}

/// What geth's state tests agreed on for BLOCKHASH.
Hash32 block_hash_of(std::uint64_t number) {
    return crypto::keccak256(as_bytes(std::to_string(number)));
}

struct Outcome {
    std::string failure;  ///< empty: as expected
    std::string skipped;  ///< the cause, where the build cannot tell
};

struct StateCase {
    const json& fixture;
    state::StateDiff pre;
};

/// Decoding and execution, with the diff merged into the world of the case.
Outcome run_post(const StateCase& test, const std::string& fork, const json& post,
                 evm::Arena& arena) {
    const auto expected_error = post.find("expectException");
    const std::string expected =
        expected_error == post.end() ? "" : expected_error->get<std::string>();
    // The oldest fixtures say nothing of their chain: it is the main network.
    const auto config =
        chain_config_of(fork, test.fixture.value("config", json{{"chainid", "0x01"}}));
    if (!config) return {"unknown fork", {}};
    const types::Header header = header_of(test.fixture.at("env"));
    const ledger::Rules rules = ledger::rules_at(*config, header.number, header.timestamp);
    const json& fields = test.fixture.at("transaction");
    Transaction transaction = transaction_of(fields, post.at("indexes"));

    const auto decoded = types::decode_transaction(read_bytes(post.at("txbytes")));
    if (!decoded) {
        return {expected.empty()
                    ? "txbytes do not decode: " + std::string{codec::to_text(decoded.error())}
                    : "",
                {}};
    }
    transaction.chain_id = decoded->transaction.chain_id;
    if (decoded->transaction != transaction) return {"txbytes hold another transaction", {}};
    const Address sender = read_fixed<Address>(fields.at("sender"));
    if (ledger::recover_senders({*decoded}, rules.revision, {})[0] != sender) {
        return {"txbytes have another sender", {}};
    }

    const EmptyView nothing;
    const state::OverlayView view{nothing, test.pre};
    const auto environment = ledger::environment_of(rules, header);
    auto result = ledger::apply_transaction(
        rules, environment, transaction, sender, header.gas_limit,
        rules.blobs.max * ledger::gas_per_blob, view, block_hash_of, arena, {});
    const Hash32 wanted = read_fixed<Hash32>(post.at("hash"));
    if (!result) {
        if (result.error() == TransactionError::not_supported) {
            MissingPrecompile missing;
            ledger::ExecutionOptions traced;
            traced.tracer = &missing;
            static_cast<void>(ledger::apply_transaction(
                rules, environment, transaction, sender, header.gas_limit,
                rules.blobs.max * ledger::gas_per_blob, view, block_hash_of, arena, traced));
            return {"", missing.cause()};
        }
        if (expected.empty()) return {std::string{ledger::to_text(result.error())}, {}};
        if (!is_expected(expected, result.error())) {
            return {"refused with '" + std::string{ledger::to_text(result.error())} + "', not " +
                        expected,
                    {}};
        }
        return {state::StateDatabase::root_of(test.pre) == wanted
                    ? ""
                    : "wrong root of the untouched state",
                {}};
    }
    if (!expected.empty()) return {"not refused: " + expected, {}};
    codec::RlpWriter logs;
    types::write_logs(logs, result->logs);
    state::StateDiff after = test.pre;
    after.merge(std::move(result->diff));
    if (state::StateDatabase::root_of(after) != wanted) {
        const auto state = post.find("state");
        return {"wrong state root: " +
                    (state == post.end() ? std::string{} : difference(*state, after)) +
                    " (gas used " + std::to_string(result->gas_used) + ", " +
                    std::string{evm::to_text(result->status)} + ")",
                {}};
    }
    if (crypto::keccak256(logs.view()) != read_fixed<Hash32>(post.at("logs")))
        return {"wrong logs", {}};
    return {};
}

void run_file(const std::filesystem::path& file, const SuiteOptions& options, SuiteTally& tally) {
    const json tests = read_json(file);
    const std::shared_ptr<evm::Arena> arena = evm::make_arena();
    for (const auto& [name, fixture] : tests.items()) {
        const StateCase test{.fixture = fixture, .pre = state_of(fixture.at("pre"))};
        for (const auto& [fork, posts] : fixture.at("post").items()) {
            if (!options.fork.empty() && options.fork != fork) continue;
            for (std::size_t index = 0; index < posts.size(); ++index) {
                const Outcome outcome = run_post(test, fork, posts[index], *arena);
                if (!outcome.skipped.empty()) {
                    tally.skip(outcome.skipped);
                } else if (outcome.failure.empty()) {
                    ++tally.passed;
                } else {
                    std::string which = name;
                    which += " " + fork + "/" + std::to_string(index);
                    tally.fail(which, outcome.failure);
                }
            }
        }
    }
}

}  // namespace

int run_evm_state_suite(const std::filesystem::path& folder, const SuiteOptions& options) {
    return run_files(folder, options,
                     [&options](const std::filesystem::path& file, SuiteTally& tally) {
                         run_file(file, options, tally);
                     });
}

}  // namespace millrace::spec
