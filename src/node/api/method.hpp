// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

// Internal to node/api: what the methods of JSON-RPC share.

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "evm/machine.hpp"
#include "node/api.hpp"
#include "node/api/filters.hpp"
#include "node/json_value.hpp"
#include "node/json_writer.hpp"

namespace millrace::node {

/// The error object of an answer. Codes as in the JSON-RPC specification and in geth.
struct RpcError {
    int code = server_error;
    std::string message;
    std::string data{};  ///< JSON; empty: no such member

    static constexpr int parse_error = -32700;
    static constexpr int invalid_request = -32600;
    static constexpr int method_not_found = -32601;
    static constexpr int invalid_params = -32602;
    static constexpr int server_error = -32000;
    static constexpr int timed_out = -32002;
    static constexpr int too_large = -32003;
    static constexpr int reverted = 3;
    static constexpr int client_limit_exceeded = -38026;  ///< a bound of this node's own
};
template <typename T>
using Read = Result<T, RpcError>;
/// A JSON value.
using Answer = Read<std::string>;
using AnswerLater = std::function<void(Answer)>;

inline Err<RpcError> server_error(std::string message) {
    return Err{RpcError{RpcError::server_error, std::move(message)}};
}
/// ChainView::prove() and roots() gave nothing.
Err<RpcError> no_tries_of(Height height);
inline RpcError timed_out_error() {
    return RpcError{RpcError::timed_out, "request timed out"};
}
inline Err<RpcError> timed_out() {
    return Err{timed_out_error()};
}
inline Err<RpcError> invalid_params(std::string message) {
    return Err{RpcError{RpcError::invalid_params, std::move(message)}};
}

/// Where a value of a request stands, for messages: "invalid argument 0: …".
struct Where {
    std::size_t argument = 0;
    std::string_view member{};
    [[nodiscard]] Err<RpcError> wrong(std::string_view what) const;
};

/// At most so many bytes of a text that came from outside, whole characters of UTF-8: for messages.
std::string cut_text(std::string text, std::size_t size_max);

/// Which block a request means.
struct BlockId {
    enum class Kind : std::uint8_t { latest, pending, number, hash };
    Kind kind = Kind::latest;
    std::uint64_t number = 0;
    Hash32 hash{};
};

/// The values of a request, strict: quantities without leading zeros, data with 0x and an even
/// number of digits. Absent values are errors unless the reader says otherwise.
Read<std::uint64_t> read_u64(JsonValueView value, const Where& where);
Read<U256> read_quantity(JsonValueView value, const Where& where);
Read<Bytes> read_data(JsonValueView value, const Where& where);
Read<Hash32> read_hash(JsonValueView value, const Where& where);
Read<Address> read_address(JsonValueView value, const Where& where);
Read<bool> read_bool(JsonValueView value, const Where& where);
/// A storage key or value: at most 32 bytes, an odd number of digits allowed.
Read<U256> read_slot(JsonValueView value, const Where& where);
/// Absent or null: latest. With hashes allowed also EIP-1898's objects and a bare hash.
Read<BlockId> read_block(JsonValueView value, const Where& where);

/// One request in work.
struct Call {
    Api::State& api;
    const Api::Caller& caller;
    JsonValueView params;  ///< an array, or absent
    std::shared_ptr<const ChainView> view;
    /// Run when the answer is on its way: what the client may see only after it.
    std::vector<std::function<void()>>& after_reply;

    [[nodiscard]] bool is_late() const { return caller.is_late && caller.is_late(); }
    [[nodiscard]] JsonValueView at(std::size_t index) const noexcept;
    [[nodiscard]] std::size_t count() const noexcept { return params.size(); }
    Read<std::uint64_t> u64(std::size_t index) const { return read_u64(at(index), {index}); }
    Read<U256> quantity(std::size_t index) const { return read_quantity(at(index), {index}); }
    Read<Bytes> data(std::size_t index) const { return read_data(at(index), {index}); }
    Read<Hash32> hash(std::size_t index) const { return read_hash(at(index), {index}); }
    Read<Address> address(std::size_t index) const { return read_address(at(index), {index}); }
    Read<BlockId> block(std::size_t index) const { return read_block(at(index), {index}); }

    /// Null: no such block.
    [[nodiscard]] std::optional<Height> find(const BlockId& id) const;
    /// The same with geth's error for what cannot go on without: "header not found".
    [[nodiscard]] Read<Height> require(const BlockId& id) const;
    [[nodiscard]] Read<std::shared_ptr<const state::StateView>> state(const BlockId& id) const;
};

struct Method {
    std::string_view name;
    std::uint8_t arguments_min = 0;
    std::uint8_t arguments_max = 0;
    Answer (*now)(const Call&) = nullptr;
    void (*later)(const Call&, AnswerLater) = nullptr;  ///< instead of `now`
    bool development = false;
    std::string_view summary{};
};
/// The one table of all methods, in parts by namespace.
std::span<const Method> chain_methods();
std::span<const Method> config_methods();
std::span<const Method> block_methods();
std::span<const Method> transaction_methods();
std::span<const Method> state_methods();
std::span<const Method> call_methods();
std::span<const Method> simulate_methods();
std::span<const Method> build_methods();
std::span<const Method> fee_methods();
std::span<const Method> log_methods();
std::span<const Method> send_methods();
std::span<const Method> pool_methods();
std::span<const Method> debug_methods();
std::span<const Method> development_methods();
/// Null: no such method.
const Method* find_method(std::string_view name);
std::size_t method_index(const Method* method);
std::size_t method_count();

/// Everything that outlives a request. Leaf structure: its parts are atomics, or stand behind one
/// mutex each, never held across a call out.
struct Api::State {
    State(Backend& node, Api::Limits bounds, std::string name, const Hash32& secret);
    ~State();

    Backend& backend;
    const Api::Limits limits;
    const std::string client;
    Filters filters;
    std::vector<std::pair<Address, const crypto::SecretKey*>> accounts;  ///< unlocked ones
    std::uint64_t listener = 0;

    std::unique_ptr<std::atomic<std::uint64_t>[]> requests;  ///< by method_index()
    static constexpr int error_codes[] = {
        RpcError::parse_error,    RpcError::invalid_request, RpcError::method_not_found,
        RpcError::invalid_params, RpcError::server_error,    RpcError::timed_out,
        RpcError::too_large,      RpcError::reverted,        0};
    std::array<std::atomic<std::uint64_t>, std::size(error_codes)> errors{};

    std::mutex tip_mutex;
    Hash32 tip_head;  ///< the head for which `tip` was computed
    U256 tip;

    /// Machines' memories, one per call in flight, kept for the next.
    class ArenaLease;
    std::mutex arena_mutex;
    std::vector<std::shared_ptr<evm::Arena>> arenas;
};

class Api::State::ArenaLease {
  public:
    explicit ArenaLease(State& state);
    ~ArenaLease();
    ArenaLease(const ArenaLease&) = delete;
    ArenaLease& operator=(const ArenaLease&) = delete;
    [[nodiscard]] evm::Arena& arena() const noexcept { return *arena_; }

  private:
    State& state_;
    std::shared_ptr<evm::Arena> arena_;
};

/// A tip that gets a transaction into the next blocks (geth's oracle: 60th percentile of the lowest
/// tips of the last 20 blocks), 1 gwei on a chain without transactions.
U256 suggest_tip(const Call& call);
/// What a block on the head would ask.
U256 next_fee(const Call& call);

inline std::string quantity_text(const U256& number) {
    return '"' + to_rpc_quantity(number) + '"';
}
inline std::string quantity_text(std::uint64_t number) {
    return quantity_text(U256{number});
}
inline std::string data_text(ByteView bytes) {
    return std::move(JsonWriter{}.data(bytes)).take();
}

}  // namespace millrace::node
