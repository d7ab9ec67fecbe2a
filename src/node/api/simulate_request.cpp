// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api/simulate_request.hpp"

#include "node/api/call_request.hpp"

namespace millrace::node {
namespace {

using Kind = JsonValueView::Kind;
using Limits = SimulationLimits;

constexpr int block_number_invalid = -38020;
constexpr int block_time_invalid = -38021;

Err<RpcError> too_much(std::string message) {
    return Err{RpcError{RpcError::client_limit_exceeded, std::move(message)}};
}

/// Absent and null leave the target as it is.
template <typename Target, typename Value>
Read<void> take(Target& target, JsonValueView object, std::string_view name,
                Read<Value> (*read)(JsonValueView, const Where&)) {
    const JsonValueView value = object[name];
    if (value.is_nothing()) return {};
    MILLRACE_TRY(target, read(value, Where{0, name}));
    return {};
}

Read<void> expect(JsonValueView value, Kind kind, std::string_view name, std::string_view what) {
    if (!value.is_nothing() && !value.is(kind)) return Where{0, name}.wrong(what);
    return {};
}

/// A block as it was asked for; number and time may be missing.
struct AskedBlock {
    SimulatedBlock block;
    std::optional<U256> number;
    std::optional<std::uint64_t> time;
};

Read<AskedBlock> read_block_calls(JsonValueView value) {
    if (!value.is(Kind::object)) return Where{0, "blockStateCalls"}.wrong("an object is expected");
    AskedBlock asked;
    SimulatedBlock& block = asked.block;
    const JsonValueView overrides = value["blockOverrides"];
    MILLRACE_TRY_VOID(expect(overrides, Kind::object, "blockOverrides", "an object is expected"));
    MILLRACE_TRY_VOID(take(asked.number, overrides, "number", &read_quantity));
    MILLRACE_TRY_VOID(take(asked.time, overrides, "time", &read_u64));
    MILLRACE_TRY_VOID(take(block.gas_limit, overrides, "gasLimit", &read_u64));
    MILLRACE_TRY_VOID(take(block.fee_recipient, overrides, "feeRecipient", &read_address));
    MILLRACE_TRY_VOID(take(block.prev_randao, overrides, "prevRandao", &read_hash));
    MILLRACE_TRY_VOID(take(block.difficulty, overrides, "difficulty", &read_quantity));
    MILLRACE_TRY_VOID(take(block.base_fee, overrides, "baseFeePerGas", &read_quantity));
    MILLRACE_TRY_VOID(take(block.blob_base_fee, overrides, "blobBaseFee", &read_quantity));
    MILLRACE_TRY_VOID(take(block.beacon_root, overrides, "beaconRoot", &read_hash));
    MILLRACE_TRY_VOID(take(block.withdrawals, overrides, "withdrawals", &read_withdrawals));
    block.state_overrides = value["stateOverrides"];
    MILLRACE_TRY_VOID(expect(block.state_overrides, Kind::object, "stateOverrides",
                             "an object of accounts is expected"));
    block.calls = value["calls"];
    MILLRACE_TRY_VOID(expect(block.calls, Kind::array, "calls", "an array of calls is expected"));
    return asked;
}

/// Puts blocks one behind the other.
class Sequence {
  public:
    explicit Sequence(const types::Header& base)
        : base_{base.number}, number_{base.number}, time_{base.timestamp} {}

    Read<void> append(AskedBlock asked, std::vector<SimulatedBlock>& out) {
        const U256 number =
            asked.number.value_or(wrapping_add(U256{number_}, U256{std::uint64_t{1}}));
        if (number <= U256{number_}) {
            return Err{RpcError{block_number_invalid,
                                "block numbers must be in order: " + to_decimal(number) +
                                    " <= " + std::to_string(number_)}};
        }
        if (!number.fits_u64() || number.words[0] - base_ > Limits::blocks_max)
            return too_much("too many blocks");
        while (number_ + 1 < number.words[0]) {
            SimulatedBlock filler;
            MILLRACE_TRY_VOID(place(filler, std::nullopt));
            out.push_back(std::move(filler));
        }
        MILLRACE_TRY_VOID(place(asked.block, asked.time));
        out.push_back(std::move(asked.block));
        return {};
    }

  private:
    Read<void> place(SimulatedBlock& block, std::optional<std::uint64_t> time) {
        // At the end of 64 bits there is no later time: the sum comes out earlier.
        const std::uint64_t at = time.value_or(time_ + simulated_block_seconds);
        if (at <= time_) {
            return Err{RpcError{block_time_invalid,
                                "block timestamps must be in order: " + std::to_string(at) +
                                    " <= " + std::to_string(time_)}};
        }
        block.time = time_ = at;
        block.number = ++number_;
        return {};
    }

    std::uint64_t base_;
    std::uint64_t number_;
    std::uint64_t time_;
};

Read<void> check_counts(JsonValueView blocks) {
    if (!blocks.is_nothing() && !blocks.is(Kind::array))
        return Where{0, "blockStateCalls"}.wrong("an array of blocks is expected");
    if (blocks.is_nothing() || blocks.size() == 0) return invalid_params("empty input");
    if (blocks.size() > Limits::blocks_max) return too_much("too many blocks");
    std::size_t sum = 0;
    for (const JsonValueView block : blocks) {
        if (!block.is(Kind::object)) continue;  // refused where it is read
        const std::size_t count = block["calls"].size();
        if (count > Limits::block_calls_max) {
            return too_much("too many calls in block: " + std::to_string(count) + " > " +
                            std::to_string(Limits::block_calls_max));
        }
        sum += count;
    }
    if (sum > Limits::calls_max) {
        return too_much("too many calls: " + std::to_string(sum) + " > " +
                        std::to_string(Limits::calls_max));
    }
    return {};
}

}  // namespace

Read<SimulationRequest> read_simulation(JsonValueView value, const types::Header& base) {
    if (!value.is(Kind::object))
        return Where{0}.wrong("an object with blockStateCalls is expected");
    SimulationRequest request;
    MILLRACE_TRY_VOID(take(request.trace_transfers, value, "traceTransfers", &read_bool));
    MILLRACE_TRY_VOID(take(request.validation, value, "validation", &read_bool));
    MILLRACE_TRY_VOID(take(request.full_transactions, value, "returnFullTransactions", &read_bool));
    const JsonValueView blocks = value["blockStateCalls"];
    MILLRACE_TRY_VOID(check_counts(blocks));
    Sequence sequence{base};
    for (const JsonValueView item : blocks) {
        MILLRACE_TRY(AskedBlock asked, read_block_calls(item));
        MILLRACE_TRY_VOID(sequence.append(std::move(asked), request.blocks));
    }
    return request;
}

}  // namespace millrace::node
