// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Running code without a transaction: eth_call, eth_estimateGas, eth_createAccessList. On the state
// after a block, in that block's own context, as geth does it.

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

#include "codec/abi.hpp"
#include "evm/precompiles.hpp"
#include "ledger/transition.hpp"
#include "node/api/call_request.hpp"
#include "node/api/encode.hpp"
#include "node/api/refusal.hpp"
#include "node/api/revert.hpp"

namespace millrace::node {
namespace {

using evm::Status;
using ledger::TransactionError;
using ledger::TransactionResult;

constexpr std::uint64_t transfer_gas = 21'000;
constexpr std::uint64_t call_stipend = 2'300;
constexpr std::uint64_t gas_cap_osaka = 1 << 24;  // EIP-7825

/// What a request asks to run, and where.
struct Execution {
    std::shared_ptr<const ChainView> view;
    std::shared_ptr<const state::StateView> base;
    state::StateDiff overrides;
    evm::PrecompileMoves precompiles;
    ledger::Rules rules;
    ledger::BlockEnvironment environment;
    CallRequest request;
};

Read<Execution> prepare(const Call& call) {
    const ledger::ChainConfig& config = call.view->config();
    Execution run;
    run.view = call.view;
    MILLRACE_TRY(run.request, read_call_request(call.at(0), 0, config.chain_id));
    MILLRACE_TRY(const BlockId id, call.block(1));
    MILLRACE_TRY(const Height height, call.require(id));
    MILLRACE_TRY(run.base, call.state(id));
    const auto header = call.view->header(height);
    if (!header) return server_error("header not found");
    run.rules = ledger::rules_at(config, header->number, header->timestamp);
    MILLRACE_TRY(run.overrides, read_state_overrides(call.at(2), 2, *run.base, run.rules.revision,
                                                     run.precompiles));
    run.environment = ledger::environment_of(run.rules, *header);
    evm::BlockContext& context = run.environment.context;
    MILLRACE_TRY(context, read_block_overrides(call.at(3), 3, context));
    run.rules = ledger::rules_at(config, context.number, context.timestamp);
    if (run.request.is_free()) context.base_fee = U256{};
    const types::Transaction& transaction = run.request.transaction;
    if (!transaction.blob_hashes.empty() && transaction.max_fee_per_blob_gas.is_zero())
        context.blob_base_fee = U256{};
    return run;
}

Result<TransactionResult, TransactionError> execute(Execution& run, evm::Arena& arena,
                                                    std::uint64_t gas, evm::Tracer* tracer) {
    constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();
    const state::OverlayView state{*run.base, run.overrides};
    const state::TransactionState::BlockHashes block_hashes = [&](std::uint64_t number) {
        return run.view->hash_at(Height{number}).value_or(Hash32{});
    };
    run.request.transaction.gas_limit = gas;
    // Balances count: without a price only the value must be there.
    return ledger::apply_transaction(run.rules, run.environment, run.request.transaction,
                                     run.request.from, unbounded, unbounded, state, block_hashes,
                                     arena,
                                     {.check_nonce = false,
                                      .check_balance = true,
                                      .check_sender_code = false,
                                      .check_base_fee = true,
                                      .check_gas_cap = false,
                                      .tracer = tracer,
                                      .precompiles = &run.precompiles});
}

std::string refusal_text(const Execution& run, TransactionError error) {
    return node::refusal_text(error, run.rules, run.environment.context, run.request.transaction,
                              run.request.from, state::OverlayView{*run.base, run.overrides});
}

/// Null as long as it succeeded.
std::optional<RpcError> failure_of(const TransactionResult& result) {
    if (result.succeeded) return std::nullopt;
    if (result.status == Status::revert) return revert_error(result.output);
    return RpcError{RpcError::server_error, std::string{status_text(result.status)}};
}

std::uint64_t call_gas(const Call& call, const CallRequest& request) {
    const std::uint64_t gas_max = call.api.limits.call_gas_max;
    return request.gas ? std::min(*request.gas, gas_max) : gas_max;
}

Answer eth_call(const Call& call) {
    MILLRACE_TRY(Execution run, prepare(call));
    const Api::State::ArenaLease lease{call.api};
    const std::uint64_t gas = call_gas(call, run.request);
    const auto result = execute(run, lease.arena(), gas, nullptr);
    if (!result) {
        return server_error("err: " + refusal_text(run, result.error()) + " (supplied gas " +
                            std::to_string(gas) + ")");
    }
    if (auto failure = failure_of(*result)) return Err{std::move(*failure)};
    if (result->created) {  // a creation gives the code that it would leave
        const state::OverlayView before{*run.base, run.overrides};
        const state::OverlayView after{before, result->diff};
        const auto account = after.account(*result->created);
        if (account && account->code_hash != evm::empty_code_hash)
            return data_text(after.code(account->code_hash)->view());
    }
    return data_text(result->output);
}

/// Searches the smallest gas limit with which the call succeeds (geth's gasestimator).
class Estimate {
  public:
    Estimate(const Call& call, Execution& run, evm::Arena& arena)
        : call_{call}, run_{run}, arena_{arena}, gas_max_{call.api.limits.call_gas_max} {}

    Answer search() {
        MILLRACE_TRY(std::uint64_t high, highest());
        const types::Transaction& transaction = run_.request.transaction;
        if (is_transfer(transaction) && transfer_gas <= high) {
            // A refusal is told below, with the limit that was tried in earnest.
            const auto plain = execute(run_, arena_, transfer_gas, nullptr);
            if (plain && plain->succeeded) return quantity_text(transfer_gas);
        }
        MILLRACE_TRY(const auto most, attempt(high));
        if (!most || most->status == Status::out_of_gas) {
            return server_error("gas required exceeds allowance (" + std::to_string(high) + ")");
        }
        if (auto failure = failure_of(*most)) return Err{std::move(*failure)};

        std::uint64_t low = most->gas_used - 1;  // too little for certain
        // Most calls need what they spent, and the 64th that EIP-150 keeps back.
        const std::uint64_t likely = (most->gas_used + most->gas_refunded + call_stipend) * 64 / 63;
        if (likely < high) MILLRACE_TRY_VOID(narrow(likely, low, high));
        while (low + 1 < high) {
            if ((high - low) * error_share < high) break;
            // Calls rarely need much more than they spend.
            MILLRACE_TRY_VOID(narrow(std::min(low + (high - low) / 2, low * 2), low, high));
        }
        return quantity_text(high);
    }

  private:
    /// An answer may be too high by one part in so many (geth: 0.015).
    static constexpr std::uint64_t error_share = 67;

    [[nodiscard]] bool is_transfer(const types::Transaction& transaction) const {
        if (!transaction.data.empty() || !transaction.to || !transaction.authorizations.empty())
            return false;
        const state::OverlayView state{*run_.base, run_.overrides};
        const auto account = state.account(*transaction.to);
        return !account || account->code_hash == evm::empty_code_hash;
    }

    /// What block, caller, rules and the sender's money allow.
    Read<std::uint64_t> highest() const {
        const CallRequest& request = run_.request;
        std::uint64_t high = run_.environment.context.gas_limit;
        if (request.gas && *request.gas >= transfer_gas) high = *request.gas;
        if (run_.rules.revision >= evm::Revision::osaka) high = std::min(high, gas_cap_osaka);
        const U256& fee = request.transaction.max_fee_per_gas;
        if (!fee.is_zero()) {
            const state::OverlayView state{*run_.base, run_.overrides};
            const auto account = state.account(request.from);
            const auto rest =
                checked_sub(account ? account->balance : U256{}, request.transaction.value.wei);
            if (!rest) return server_error("insufficient funds for transfer");
            const U256 allowance = div_or_zero(*rest, fee);
            if (allowance < U256{high}) high = allowance.words[0];
        }
        return std::min(high, gas_max_);
    }

    /// Null: not even enough to begin.
    Read<std::optional<TransactionResult>> attempt(std::uint64_t gas) {
        if (call_.is_late()) return timed_out();
        auto result = execute(run_, arena_, gas, nullptr);
        if (result) return std::optional{std::move(result).value()};
        const TransactionError error = result.error();
        if (error == TransactionError::intrinsic_gas_too_low ||
            error == TransactionError::gas_below_floor)
            return std::optional<TransactionResult>{};
        return server_error("failed with " + std::to_string(gas) +
                            " gas: " + refusal_text(run_, error));
    }

    Read<void> narrow(std::uint64_t gas, std::uint64_t& low, std::uint64_t& high) {
        MILLRACE_TRY(const auto result, attempt(gas));
        (result && result->succeeded ? high : low) = gas;
        return {};
    }

    const Call& call_;
    Execution& run_;
    evm::Arena& arena_;
    std::uint64_t gas_max_;
};

Answer estimate_gas(const Call& call) {
    MILLRACE_TRY(Execution run, prepare(call));
    const Api::State::ArenaLease lease{call.api};
    return Estimate{call, run, lease.arena()}.search();
}

using AccessList = std::map<Address, std::set<Hash32>>;

/// Collects accounts and slots that instructions name. Slots of a contract created on the way are
/// left out: its address in the list would cost more than it saves.
class AccessTracer final : public evm::Tracer {
  public:
    AccessTracer(AccessList& list, const std::set<Address>& excluded)
        : list_{list}, excluded_{excluded} {}

    void on_enter(const evm::Message& message) override {
        const bool creates =
            message.kind == evm::CallKind::create || message.kind == evm::CallKind::create2;
        running_.push_back(creates ? std::nullopt : std::optional{message.recipient});
    }
    void on_leave(const evm::CallResult&) override { running_.pop_back(); }

    void on_step(const Step& step) override {
        const auto item = [&](std::size_t depth) {
            return to_word(*(step.stack_top - static_cast<std::ptrdiff_t>(depth)));
        };
        switch (step.opcode) {
            case 0x54:  // SLOAD
            case 0x55:  // SSTORE
                if (step.stack_count >= 1 && !running_.empty() && running_.back())
                    list_[*running_.back()].insert(item(0));
                break;
            case 0x31:  // BALANCE
            case 0x3b:  // EXTCODESIZE
            case 0x3c:  // EXTCODECOPY
            case 0x3f:  // EXTCODEHASH
            case 0xff:  // SELFDESTRUCT
                if (step.stack_count >= 1) add(item(0));
                break;
            case 0xf1:  // CALL
            case 0xf2:  // CALLCODE
            case 0xf4:  // DELEGATECALL
            case 0xfa:  // STATICCALL
                if (step.stack_count >= 2) add(item(1));
                break;
            default:
                break;
        }
    }

  private:
    void add(const Hash32& word) {
        const Address address = *Address::from(word.view().last(Address::size));
        if (!excluded_.contains(address)) list_.try_emplace(address);
    }

    AccessList& list_;
    const std::set<Address>& excluded_;
    std::vector<std::optional<Address>> running_;
};

/// Warm without being named.
std::set<Address> excluded_addresses(const Execution& run) {
    const types::Transaction& transaction = run.request.transaction;
    const auto precompiles = evm::precompile_addresses(run.rules.revision);
    std::set<Address> excluded{precompiles.begin(), precompiles.end()};
    excluded.insert(run.request.from);
    if (transaction.to) {
        excluded.insert(*transaction.to);
    } else {
        const state::OverlayView state{*run.base, run.overrides};
        const auto account = state.account(run.request.from);
        excluded.insert(types::contract_address(run.request.from, account ? account->nonce : 0));
    }
    for (const types::Authorization& authorization : transaction.authorizations)
        if (const auto authority = authorization.authority()) excluded.insert(*authority);
    return excluded;
}

std::string access_list_answer(const AccessList& list, const TransactionResult& result) {
    JsonWriter out;
    out.begin('{').key("accessList").begin('[');
    for (const auto& [address, keys] : list) {
        out.begin('{').key("address").data(address).key("storageKeys").begin('[');
        for (const Hash32& key : keys)
            out.data(key);
        out.end(']').end('}');
    }
    out.end(']');
    if (const auto failure = failure_of(result)) out.key("error").text(failure->message);
    return std::move(out.key("gasUsed").quantity(result.gas_used).end('}')).take();
}

Answer create_access_list(const Call& call) {
    // A list changes what gas is left, and so what code does; it only grows.
    constexpr int rounds_max = 8;
    MILLRACE_TRY(Execution run, prepare(call));
    types::Transaction& transaction = run.request.transaction;
    const std::uint64_t gas = call_gas(call, run.request);
    // Before signatures of authorizations are looked at: what the gas does not pay for is no work.
    if (ledger::intrinsic_gas(run.rules.revision, transaction).intrinsic > gas) {
        transaction.gas_limit = gas;
        return server_error("failed to apply transaction: " +
                            refusal_text(run, TransactionError::intrinsic_gas_too_low));
    }
    const std::set<Address> excluded = excluded_addresses(run);
    AccessList list;
    for (const types::AccessListEntry& entry : transaction.access_list) {
        if (entry.storage_keys.empty() && excluded.contains(entry.address)) continue;
        list[entry.address].insert(entry.storage_keys.begin(), entry.storage_keys.end());
    }
    if (transaction.kind == types::TransactionKind::legacy)
        transaction.kind = types::TransactionKind::access_list;
    const Api::State::ArenaLease lease{call.api};
    for (int round = 1;; ++round) {
        transaction.access_list.clear();
        for (const auto& [address, keys] : list)
            transaction.access_list.push_back({address, {keys.begin(), keys.end()}});
        if (call.is_late()) return timed_out();
        AccessList seen = list;
        AccessTracer tracer{seen, excluded};
        const auto result = execute(run, lease.arena(), gas, &tracer);
        if (!result)
            return server_error("failed to apply transaction: " +
                                refusal_text(run, result.error()));
        if (seen == list || round == rounds_max) return access_list_answer(list, *result);
        list = std::move(seen);
    }
}

constexpr std::array methods = {
    Method{.name = "eth_call",
           .arguments_min = 1,
           .arguments_max = 4,
           .now = &eth_call,
           .summary = "runs a call without a transaction; overrides of state and block allowed"},
    Method{.name = "eth_estimateGas",
           .arguments_min = 1,
           .arguments_max = 4,
           .now = &estimate_gas,
           .summary = "the gas limit that a transaction needs"},
    Method{.name = "eth_createAccessList",
           .arguments_min = 1,
           .arguments_max = 3,
           .now = &create_access_list,
           .summary = "the access list that a transaction could carry (EIP-2930)"},
};

}  // namespace

std::span<const Method> call_methods() {
    return methods;
}

}  // namespace millrace::node
