// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/api/call_request.hpp"

#include <map>

#include "crypto/secp256k1.hpp"
#include "evm/code.hpp"
#include "evm/precompiles.hpp"

namespace millrace::node {
namespace {

using Kind = JsonValueView::Kind;
using types::Transaction;
using types::TransactionKind;

/// Members of one object of the request; absent and null ones leave the target as it is.
class Members {
  public:
    Members(JsonValueView object, std::size_t argument) : object_{object}, argument_{argument} {}

    [[nodiscard]] JsonValueView at(std::string_view name) const { return object_[name]; }
    [[nodiscard]] bool has(std::string_view name) const { return !at(name).is_nothing(); }
    [[nodiscard]] Where where(std::string_view name) const { return {argument_, name}; }

    template <typename Target, typename Value>
    Read<void> take(Target& target, std::string_view name,
                    Read<Value> (*read)(JsonValueView, const Where&)) const {
        const JsonValueView value = at(name);
        if (value.is_nothing()) return {};
        MILLRACE_TRY(target, read(value, where(name)));
        return {};
    }

  private:
    JsonValueView object_;
    std::size_t argument_;
};

Read<void> read_fees(const Members& members, CallRequest& request) {
    Transaction& transaction = request.transaction;
    const bool is_dynamic = members.has("maxFeePerGas") || members.has("maxPriorityFeePerGas");
    if (members.has("gasPrice") && is_dynamic) {
        return invalid_params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    }
    MILLRACE_TRY_VOID(members.take(transaction.max_fee_per_gas, "gasPrice", &read_quantity));
    MILLRACE_TRY_VOID(members.take(transaction.max_fee_per_gas, "maxFeePerGas", &read_quantity));
    MILLRACE_TRY_VOID(
        members.take(transaction.max_priority_fee_per_gas, "maxPriorityFeePerGas", &read_quantity));
    if (is_dynamic) transaction.kind = TransactionKind::dynamic_fee;
    return {};
}

Read<std::vector<Hash32>> read_hashes(JsonValueView value, const Where& where) {
    if (!value.is(Kind::array)) return where.wrong("an array of hashes is expected");
    std::vector<Hash32> hashes;
    hashes.reserve(value.size());
    for (const JsonValueView item : value) {
        MILLRACE_TRY(const Hash32 hash, read_hash(item, where));
        hashes.push_back(hash);
    }
    return hashes;
}

/// The kind is what the members need, the oldest first.
Read<void> read_lists(const Members& members, Transaction& transaction) {
    if (members.has("accessList")) {
        MILLRACE_TRY_VOID(members.take(transaction.access_list, "accessList", &read_access_list));
        if (transaction.kind == TransactionKind::legacy)
            transaction.kind = TransactionKind::access_list;
    }
    MILLRACE_TRY_VOID(
        members.take(transaction.max_fee_per_blob_gas, "maxFeePerBlobGas", &read_quantity));
    if (members.has("blobVersionedHashes")) {
        MILLRACE_TRY_VOID(
            members.take(transaction.blob_hashes, "blobVersionedHashes", &read_hashes));
        transaction.kind = TransactionKind::blob;
    }
    if (members.has("authorizationList")) {
        MILLRACE_TRY_VOID(
            members.take(transaction.authorizations, "authorizationList", &read_authorizations));
        transaction.kind = TransactionKind::set_code;
    }
    // With a gas price instead of fees, a newer kind pays just that price.
    if (types::has_dynamic_fee(transaction.kind) && members.has("gasPrice"))
        transaction.max_priority_fee_per_gas = transaction.max_fee_per_gas;
    return {};
}

Read<void> read_slots(JsonValueView value, std::size_t argument, std::string_view name,
                      state::AccountDiff& out) {
    const Where where{argument, name};
    if (!value.is(Kind::object)) return where.wrong("an object of slots is expected");
    for (auto at = value.begin(); at != value.end(); ++at) {
        MILLRACE_TRY(const U256 key, read_slot(*at, where));
        ++at;
        MILLRACE_TRY(const U256 content, read_slot(*at, where));
        out.storage.insert_or_assign(key, content);
    }
    return {};
}

Read<void> read_account_override(JsonValueView value, std::size_t argument, const Address& address,
                                 const state::StateView& base, state::StateDiff& out) {
    if (!value.is(Kind::object)) return Where{argument}.wrong("an account's override is no object");
    const Members members{value, argument};
    const std::string name = crypto::checksum_address(address);
    if (members.has("state") && members.has("stateDiff"))
        return server_error("account " + name + " has both 'state' and 'stateDiff'");
    // Naming an account does not create it, giving it anything does.
    const bool changes = members.has("balance") || members.has("nonce") || members.has("code") ||
                         members.has("state") ||
                         (members.has("stateDiff") && members.at("stateDiff").size() > 0);
    if (!changes) return {};

    state::AccountDiff& change = out.accounts[address];
    state::Account account = base.account(address).value_or(state::Account{});
    MILLRACE_TRY_VOID(members.take(account.balance, "balance", &read_quantity));
    MILLRACE_TRY_VOID(members.take(account.nonce, "nonce", &read_u64));
    if (members.has("code")) {
        MILLRACE_TRY(Bytes code, read_data(members.at("code"), members.where("code")));
        evm::CodePtr made = code.empty() ? evm::Code::empty() : evm::Code::make(std::move(code));
        account.code_hash = made->hash();
        out.codes.insert_or_assign(account.code_hash, std::move(made));
    }
    change.account = account;
    if (members.has("state")) {
        change.storage_cleared = true;
        return read_slots(members.at("state"), argument, "state", change);
    }
    if (members.has("stateDiff"))
        return read_slots(members.at("stateDiff"), argument, "stateDiff", change);
    return {};
}

using Overrides = std::map<Address, JsonValueView>;

/// A precompiled contract that is overridden answers at its address no more, or elsewhere.
Read<void> read_precompile_move(const Overrides& overrides, const Address& address,
                                std::size_t argument, evm::Revision revision,
                                evm::PrecompileMoves& precompiles) {
    const Members members{overrides.at(address), argument};
    const bool is_precompile = evm::is_precompile(revision, address);
    if (members.has("movePrecompileToAddress")) {
        constexpr std::string_view name = "movePrecompileToAddress";
        MILLRACE_TRY(const Address target, read_address(members.at(name), members.where(name)));
        if (!is_precompile) {
            return server_error("account " + crypto::checksum_address(address) +
                                " is not a precompile");
        }
        if (overrides.contains(target)) {
            return server_error("account " + crypto::checksum_address(target) +
                                " is already overridden");
        }
        precompiles[target] = address;
    }
    if (is_precompile) precompiles[address] = std::nullopt;
    return {};
}

}  // namespace

Read<std::vector<types::AccessListEntry>> read_access_list(JsonValueView value,
                                                           const Where& where) {
    if (!value.is(Kind::array)) return where.wrong("an access list is an array");
    std::vector<types::AccessListEntry> list;
    list.reserve(value.size());
    for (const JsonValueView item : value) {
        types::AccessListEntry entry;
        MILLRACE_TRY(entry.address, read_address(item["address"], where));
        const JsonValueView keys = item["storageKeys"];
        if (!keys.is_nothing()) {
            MILLRACE_TRY(entry.storage_keys, read_hashes(keys, where));
        }
        list.push_back(std::move(entry));
    }
    return list;
}

Read<std::vector<types::Authorization>> read_authorizations(JsonValueView value,
                                                            const Where& where) {
    if (!value.is(Kind::array)) return where.wrong("an authorization list is an array");
    std::vector<types::Authorization> list;
    list.reserve(value.size());
    for (const JsonValueView item : value) {
        types::Authorization entry;
        MILLRACE_TRY(entry.chain_id, read_quantity(item["chainId"], where));
        MILLRACE_TRY(entry.address, read_address(item["address"], where));
        MILLRACE_TRY(entry.nonce, read_u64(item["nonce"], where));
        MILLRACE_TRY(const std::uint64_t parity, read_u64(item["yParity"], where));
        if (parity > 0xff) return where.wrong("yParity is more than a byte");
        entry.y_parity = static_cast<std::uint8_t>(parity);
        MILLRACE_TRY(entry.r, read_quantity(item["r"], where));
        MILLRACE_TRY(entry.s, read_quantity(item["s"], where));
        list.push_back(entry);
    }
    return list;
}

Read<std::vector<types::Withdrawal>> read_withdrawals(JsonValueView value, const Where& where) {
    constexpr std::size_t count_max = 1'024;
    if (!value.is(Kind::array)) return where.wrong("an array of withdrawals is expected");
    if (value.size() > count_max) {
        return Err{RpcError{RpcError::client_limit_exceeded,
                            "too many withdrawals: " + std::to_string(value.size()) + " > " +
                                std::to_string(count_max)}};
    }
    std::vector<types::Withdrawal> withdrawals;
    withdrawals.reserve(value.size());
    for (const JsonValueView item : value) {
        types::Withdrawal withdrawal;
        MILLRACE_TRY(withdrawal.index, read_u64(item["index"], where));
        MILLRACE_TRY(withdrawal.validator, read_u64(item["validatorIndex"], where));
        MILLRACE_TRY(withdrawal.address, read_address(item["address"], where));
        MILLRACE_TRY(withdrawal.gwei, read_u64(item["amount"], where));
        withdrawals.push_back(withdrawal);
    }
    return withdrawals;
}

Read<CallRequest> read_call_request(JsonValueView value, std::size_t argument,
                                    std::uint64_t chain_id) {
    if (!value.is(Kind::object)) return Where{argument}.wrong("a call object is expected");
    const Members members{value, argument};
    CallRequest request;
    Transaction& transaction = request.transaction;
    transaction.kind = TransactionKind::legacy;
    MILLRACE_TRY_VOID(members.take(request.from, "from", &read_address));
    MILLRACE_TRY_VOID(members.take(transaction.to, "to", &read_address));
    MILLRACE_TRY_VOID(members.take(request.gas, "gas", &read_u64));
    MILLRACE_TRY_VOID(members.take(transaction.value.wei, "value", &read_quantity));
    request.has_nonce = members.has("nonce");
    request.has_gas_price = members.has("gasPrice");
    MILLRACE_TRY_VOID(members.take(transaction.nonce, "nonce", &read_u64));
    // Both may be there; "input" counts.
    MILLRACE_TRY_VOID(members.take(transaction.data, "data", &read_data));
    MILLRACE_TRY_VOID(members.take(transaction.data, "input", &read_data));
    U256 chain{chain_id};
    MILLRACE_TRY_VOID(members.take(chain, "chainId", &read_quantity));
    if (chain != U256{chain_id}) {
        return server_error("chainId does not match node's (have=" + to_decimal(chain) +
                            ", want=" + std::to_string(chain_id) + ")");
    }
    MILLRACE_TRY_VOID(read_fees(members, request));
    MILLRACE_TRY_VOID(read_lists(members, transaction));
    return request;
}

Read<state::StateDiff> read_state_overrides(JsonValueView value, std::size_t argument,
                                            const state::StateView& base, evm::Revision revision,
                                            evm::PrecompileMoves& precompiles) {
    state::StateDiff diff;
    if (value.is_nothing()) return diff;
    if (!value.is(Kind::object)) return Where{argument}.wrong("state overrides are an object");
    Overrides overrides;
    for (auto at = value.begin(); at != value.end(); ++at) {
        MILLRACE_TRY(const Address address, read_address(*at, {argument}));
        ++at;
        overrides.insert_or_assign(address, *at);
    }
    for (const auto& [address, members] : overrides) {
        MILLRACE_TRY_VOID(read_account_override(members, argument, address, base, diff));
        MILLRACE_TRY_VOID(
            read_precompile_move(overrides, address, argument, revision, precompiles));
    }
    return diff;
}

Read<evm::BlockContext> read_block_overrides(JsonValueView value, std::size_t argument,
                                             evm::BlockContext context) {
    if (value.is_nothing()) return context;
    if (!value.is(Kind::object)) return Where{argument}.wrong("block overrides are an object");
    const Members members{value, argument};
    for (const std::string_view name : {"beaconRoot", "withdrawals"}) {
        if (!members.has(name)) continue;
        return server_error("block override \"" + std::string{name} +
                            "\" is not supported for this RPC method");
    }
    MILLRACE_TRY_VOID(members.take(context.number, "number", &read_u64));
    MILLRACE_TRY_VOID(members.take(context.difficulty, "difficulty", &read_quantity));
    MILLRACE_TRY_VOID(members.take(context.timestamp, "time", &read_u64));
    MILLRACE_TRY_VOID(members.take(context.gas_limit, "gasLimit", &read_u64));
    MILLRACE_TRY_VOID(members.take(context.coinbase, "feeRecipient", &read_address));
    MILLRACE_TRY_VOID(members.take(context.prev_randao, "prevRandao", &read_hash));
    MILLRACE_TRY_VOID(members.take(context.base_fee, "baseFeePerGas", &read_quantity));
    MILLRACE_TRY_VOID(members.take(context.blob_base_fee, "blobBaseFee", &read_quantity));
    return context;
}

}  // namespace millrace::node
