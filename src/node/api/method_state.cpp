// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// What accounts hold: eth_getBalance, eth_getStorageAt, eth_getTransactionCount, eth_getCode,
// eth_getStorageValues, eth_getProof (EIP-1186).

#include <array>
#include <map>

#include "evm/code.hpp"
#include "node/api/method.hpp"
#include "state/state_view.hpp"

namespace millrace::node {
namespace {

constexpr std::size_t proof_keys_max = 1'024;    // as in geth
constexpr std::size_t values_slots_max = 1'024;  // over all accounts, as in geth

Answer get_balance(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    MILLRACE_TRY(const BlockId id, call.block(1));
    MILLRACE_TRY(const auto state, call.state(id));
    const auto account = state->account(address);
    return quantity_text(account ? account->balance : U256{});
}

Answer get_transaction_count(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    MILLRACE_TRY(const BlockId id, call.block(1));
    if (id.kind == BlockId::Kind::pending) {
        if (const auto nonce = call.api.backend.pending_nonce(address))
            return quantity_text(*nonce);
    }
    MILLRACE_TRY(const auto state, call.state(id));
    const auto account = state->account(address);
    return quantity_text(account ? account->nonce : std::uint64_t{0});
}

Answer get_code(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    MILLRACE_TRY(const BlockId id, call.block(1));
    MILLRACE_TRY(const auto state, call.state(id));
    const auto account = state->account(address);
    if (!account || account->code_hash == evm::empty_code_hash) return data_text({});
    return data_text(state->code(account->code_hash)->view());
}

Answer get_storage_at(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    MILLRACE_TRY(const U256 key, read_slot(call.at(1), {1}));
    MILLRACE_TRY(const BlockId id, call.block(2));
    MILLRACE_TRY(const auto state, call.state(id));
    return data_text(to_word(state->storage(address, key)).view());
}

using AskedSlots = std::map<Address, std::vector<Hash32>>;

/// {address: [slot, …]}; of an address that stands there twice the last counts.
Read<AskedSlots> read_asked_slots(JsonValueView value) {
    const Where where{0};
    if (!value.is(JsonValueView::Kind::object))
        return where.wrong("an object of storage keys by address is expected");
    AskedSlots asked;
    std::size_t count = 0;
    for (auto at = value.begin(); at != value.end(); ++at) {
        MILLRACE_TRY(const Address address, read_address(*at, where));
        ++at;
        const JsonValueView keys = *at;
        if (!keys.is(JsonValueView::Kind::array))
            return where.wrong("an array of storage keys is expected");
        count += keys.size();
        if (count > values_slots_max) {
            return Err{RpcError{RpcError::client_limit_exceeded,
                                "too many slots (max " + std::to_string(values_slots_max) + ")"}};
        }
        std::vector<Hash32>& slots = asked[address];
        slots.clear();
        for (const JsonValueView key : keys) {
            MILLRACE_TRY(const Hash32 slot, read_hash(key, where));
            slots.push_back(slot);
        }
    }
    if (count == 0) return invalid_params("empty request");
    return asked;
}

Answer get_storage_values(const Call& call) {
    MILLRACE_TRY(const AskedSlots asked, read_asked_slots(call.at(0)));
    MILLRACE_TRY(const BlockId id, call.block(1));
    MILLRACE_TRY(const auto state, call.state(id));
    JsonWriter out;
    out.begin('{');
    for (const auto& [address, slots] : asked) {
        out.key(to_hex0x(address.view())).begin('[');
        for (const Hash32& slot : slots)
            out.data(to_word(state->storage(address, from_word(slot))));
        out.end(']');
    }
    return std::move(out.end('}')).take();
}

void write_nodes(JsonWriter& out, const std::vector<Bytes>& nodes) {
    out.begin('[');
    for (const Bytes& node : nodes)
        out.data(node);
    out.end(']');
}

/// As it was asked for: whole words stay words, shorter keys become quantities (geth).
void write_key(JsonWriter& out, JsonValueView asked, const U256& key) {
    constexpr std::size_t word_text_size = 2 + 2 * Hash32::size;
    const auto text = asked.plain_text();
    if (text && text->size() == word_text_size)
        out.data(to_word(key));
    else
        out.quantity(key);
}

Answer get_proof(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    const JsonValueView asked = call.at(1);
    if (!asked.is_nothing() && !asked.is(JsonValueView::Kind::array))
        return Where{1}.wrong("an array of storage keys is expected");
    std::vector<U256> keys;
    std::vector<JsonValueView> texts;
    if (asked.size() > proof_keys_max) {
        return invalid_params("too many slots requested (max " + std::to_string(proof_keys_max) +
                              ")");
    }
    if (!asked.is_nothing()) {
        for (const JsonValueView item : asked) {
            MILLRACE_TRY(const U256 key, read_slot(item, {1}));
            keys.push_back(key);
            texts.push_back(item);
        }
    }
    MILLRACE_TRY(const BlockId id, call.block(2));
    MILLRACE_TRY(const Height height, call.require(id));
    if (call.view->head_is_overridden() && height.value == call.view->head().header.number) {
        return server_error(
            "the state was changed between blocks (anvil_setBalance or the like) and no block has "
            "its root yet: make one with evm_mine");
    }
    const auto proof = call.view->prove(height, address, keys);
    if (!proof) return no_tries_of(height);
    JsonWriter out;
    out.begin('{').key("address").data(address).key("accountProof");
    write_nodes(out, proof->proof);
    out.key("balance").quantity(proof->account.balance);
    out.key("codeHash").data(proof->account.code_hash);
    out.key("nonce").quantity(proof->account.nonce);
    out.key("storageHash").data(proof->storage_root);
    out.key("storageProof").begin('[');
    for (std::size_t index = 0; index < proof->storage.size(); ++index) {
        const state::StorageProof& slot = proof->storage[index];
        out.begin('{').key("key");
        write_key(out, texts[index], slot.key);
        out.key("value").quantity(slot.value).key("proof");
        write_nodes(out, slot.proof);
        out.end('}');
    }
    return std::move(out.end(']').end('}')).take();
}

constexpr std::array methods = {
    Method{.name = "eth_getBalance",
           .arguments_min = 1,
           .arguments_max = 2,
           .now = &get_balance,
           .summary = "the balance of an account in wei"},
    Method{.name = "eth_getStorageAt",
           .arguments_min = 2,
           .arguments_max = 3,
           .now = &get_storage_at,
           .summary = "one slot of a contract's storage"},
    Method{.name = "eth_getStorageValues",
           .arguments_min = 1,
           .arguments_max = 2,
           .now = &get_storage_values,
           .summary = "many slots of many contracts"},
    Method{.name = "eth_getTransactionCount",
           .arguments_min = 1,
           .arguments_max = 2,
           .now = &get_transaction_count,
           .summary = "the nonce of an account's next transaction"},
    Method{.name = "eth_getCode",
           .arguments_min = 1,
           .arguments_max = 2,
           .now = &get_code,
           .summary = "the code of a contract"},
    Method{.name = "eth_getProof",
           .arguments_min = 2,
           .arguments_max = 3,
           .now = &get_proof,
           .summary = "an account and slots with Merkle proofs (EIP-1186)"},
};

}  // namespace

std::span<const Method> state_methods() {
    return methods;
}

}  // namespace millrace::node
