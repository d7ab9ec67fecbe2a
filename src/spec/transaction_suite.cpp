// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/validity.hpp"
#include "spec/evm_fixture.hpp"
#include "spec/evm_state_suite.hpp"

namespace millrace::spec {
namespace {

/// Every account owns all there is: these cases have no world, so no sender lacks anything.
class RichView final : public state::StateView {
  public:
    std::optional<state::Account> account(const Address&) const override {
        state::Account account;
        account.balance = ~U256{};
        return account;
    }
    U256 storage(const Address&, const U256&) const override { return {}; }
    bool has_storage(const Address&) const override { return false; }
    evm::CodePtr code(const Hash32&) const override { return evm::Code::empty(); }
};

struct Judged {
    std::string refusal;  ///< empty: valid
    Address sender;
    std::uint64_t intrinsic_gas = 0;
};

Judged judge(const types::SignedTransaction& transaction, evm::Revision revision) {
    ledger::Rules rules;
    rules.revision = revision;
    rules.blobs = {.target = 6, .max = 9, .base_fee_update_fraction = 5'007'716};
    const auto sender = ledger::recover_senders({transaction}, revision, {})[0];
    if (!sender) return {.refusal = "invalid signature", .sender = {}, .intrinsic_gas = 0};
    const RichView view;
    const state::TransactionState::BlockHashes no_hashes = [](std::uint64_t) { return Hash32{}; };
    state::TransactionState state{view, revision, no_hashes};
    ledger::ExecutionOptions options;
    options.check_nonce = false;
    // Nor does a value: what must fit into 256 bits is the price of the gas alone.
    types::Transaction without_value = transaction.transaction;
    without_value.value = {};
    const auto charge = ledger::check_transaction(
        rules, {}, without_value, *sender,
        {.gas = ~std::uint64_t{0}, .blob_gas = ~std::uint64_t{0}}, state, options);
    if (!charge) {
        return {.refusal = std::string{ledger::to_text(charge.error())},
                .sender = {},
                .intrinsic_gas = 0};
    }
    return {.refusal = {}, .sender = *sender, .intrinsic_gas = charge->cost.intrinsic};
}

/// "" or what is wrong.
std::string run_fork(const Result<types::SignedTransaction, codec::RlpError>& decoded,
                     evm::Revision revision, const json& expected) {
    const Judged judged =
        decoded
            ? judge(*decoded, revision)
            : Judged{.refusal = "does not decode: " + std::string{codec::to_text(decoded.error())},
                     .sender = {},
                     .intrinsic_gas = 0};
    if (expected.contains("exception")) {
        return judged.refusal.empty() ? "not refused: " + expected["exception"].dump() : "";
    }
    if (!judged.refusal.empty()) return "refused: " + judged.refusal;
    if (decoded->hash() != read_fixed<Hash32>(expected.at("hash"))) return "another hash";
    if (judged.sender != read_fixed<Address>(expected.at("sender"))) return "another sender";
    if (judged.intrinsic_gas != read_u64(expected.at("intrinsicGas"))) {
        return "intrinsic gas is " + std::to_string(judged.intrinsic_gas) + ", not " +
               expected.at("intrinsicGas").dump();
    }
    return {};
}

void run_file(const std::filesystem::path& file, const SuiteOptions& options, SuiteTally& tally) {
    const json tests = read_json(file);
    for (const auto& [name, test] : tests.items()) {
        const auto decoded = types::decode_transaction(read_bytes(test.at("txbytes")));
        for (const auto& [fork, expected] : test.at("result").items()) {
            if (!options.fork.empty() && options.fork != fork) continue;
            const auto revision = revision_of(fork);
            const std::string cause =
                revision ? run_fork(decoded, *revision, expected) : "unknown fork";
            if (cause.empty()) {
                ++tally.passed;
            } else {
                tally.fail(name + " " + fork, cause);
            }
        }
    }
}

}  // namespace

int run_transaction_suite(const std::filesystem::path& folder, const SuiteOptions& options) {
    return run_files(folder, options,
                     [&options](const std::filesystem::path& file, SuiteTally& tally) {
                         run_file(file, options, tally);
                     });
}

}  // namespace millrace::spec
