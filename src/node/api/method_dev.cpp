// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Development networks only: evm_*, hardhat_* and anvil_*, which test tools call to move time, make
// blocks and change accounts. Arguments and answers as Hardhat and Anvil have them.

#include <limits>

#include "node/api/method.hpp"

namespace millrace::node {
namespace {

/// A number or a quantity: scripts write both.
Read<std::uint64_t> read_count(JsonValueView value, const Where& where) {
    if (const auto number = value.u64()) return *number;
    return read_u64(value, where);
}

using Control = Read<Backend::Control>;

std::string yes(const U256&) {
    return "true";
}
std::string yes_unless_zero(const U256& answer) {
    return answer.is_zero() ? "false" : "true";
}
std::string zero_quantity(const U256&) {
    return R"("0x0")";
}
std::string no_value(const U256&) {
    return "null";
}
std::string plain_number(const U256& answer) {
    return to_decimal(answer);
}

/// A method that asks the node for one thing and answers when it is done.
template <Control (*read)(const Call&), std::string (*write)(const U256&)>
void control(const Call& call, AnswerLater answer) {
    Control wanted = read(call);
    if (!wanted) return answer(Err{std::move(wanted).error()});
    call.api.backend.control(std::move(wanted).value(),
                             [answer = std::move(answer)](const Result<U256, SubmitError>& done) {
                                 if (!done) return answer(server_error(done.error().message));
                                 answer(write(*done));
                             });
}

/// evm_mine: nothing, a timestamp, or {timestamp, blocks}.
Control read_mine(const Call& call) {
    Backend::Mine mine;
    const JsonValueView wanted = call.at(0);
    if (wanted.is(JsonValueView::Kind::object)) {
        if (const auto value = wanted["timestamp"]; !value.is_nothing()) {
            MILLRACE_TRY(mine.timestamp, read_count(value, {0, "timestamp"}));
        }
        if (const auto value = wanted["blocks"]; !value.is_nothing()) {
            MILLRACE_TRY(mine.count, read_count(value, {0, "blocks"}));
        }
    } else if (!wanted.is_nothing()) {
        MILLRACE_TRY(mine.timestamp, read_count(wanted, {0}));
    }
    return Backend::Control{mine};
}

/// hardhat_mine: how many, and the seconds between their timestamps.
Control read_mine_many(const Call& call) {
    Backend::Mine mine;
    if (!call.at(0).is_nothing()) {
        MILLRACE_TRY(mine.count, read_count(call.at(0), {0}));
    }
    if (!call.at(1).is_nothing()) {
        MILLRACE_TRY(mine.interval_s, read_count(call.at(1), {1}));
    }
    return Backend::Control{mine};
}

Control read_snapshot(const Call&) {
    return Backend::Control{Backend::Snapshot{}};
}

Control read_revert(const Call& call) {
    MILLRACE_TRY(const std::uint64_t snapshot, read_count(call.at(0), {0}));
    return Backend::Control{Backend::Revert{U256{snapshot}}};
}

Control read_increase_time(const Call& call) {
    MILLRACE_TRY(const std::uint64_t seconds, read_count(call.at(0), {0}));
    if (seconds > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return Where{0}.wrong("too many seconds");
    }
    return Backend::Control{Backend::IncreaseTime{static_cast<std::int64_t>(seconds)}};
}

Control read_next_timestamp(const Call& call) {
    MILLRACE_TRY(const std::uint64_t timestamp, read_count(call.at(0), {0}));
    return Backend::Control{Backend::SetNextTimestamp{timestamp}};
}

Control read_automine(const Call& call) {
    MILLRACE_TRY(const bool on, read_bool(call.at(0), {0}));
    return Backend::Control{Backend::SetAutomine{on}};
}

Control read_interval(const Call& call) {
    MILLRACE_TRY(const std::uint64_t milliseconds, read_count(call.at(0), {0}));
    return Backend::Control{Backend::SetInterval{milliseconds}};
}

Control read_coinbase(const Call& call) {
    MILLRACE_TRY(const Address address, call.address(0));
    return Backend::Control{Backend::SetCoinbase{address}};
}

Control read_prev_randao(const Call& call) {
    MILLRACE_TRY(const Hash32 value, call.hash(0));
    return Backend::Control{Backend::SetPrevRandao{value}};
}

Control read_balance(const Call& call) {
    Backend::SetAccount change;
    MILLRACE_TRY(change.address, call.address(0));
    MILLRACE_TRY(change.balance, call.quantity(1));
    return Backend::Control{std::move(change)};
}

Control read_nonce(const Call& call) {
    Backend::SetAccount change;
    MILLRACE_TRY(change.address, call.address(0));
    MILLRACE_TRY(change.nonce, read_count(call.at(1), {1}));
    return Backend::Control{std::move(change)};
}

Control read_code(const Call& call) {
    Backend::SetAccount change;
    MILLRACE_TRY(change.address, call.address(0));
    MILLRACE_TRY(change.code, call.data(1));
    return Backend::Control{std::move(change)};
}

Control read_storage(const Call& call) {
    Backend::SetAccount change;
    MILLRACE_TRY(change.address, call.address(0));
    MILLRACE_TRY(const U256 key, read_slot(call.at(1), {1}));
    MILLRACE_TRY(const U256 value, read_slot(call.at(2), {2}));
    change.slots.emplace_back(key, value);
    return Backend::Control{std::move(change)};
}

/// False when it does not wait; an error when it is in a block already.
void drop_transaction(const Call& call, AnswerLater answer) {
    const auto hash = call.hash(0);
    if (!hash) return answer(Err{hash.error()});
    if (call.view->place_of(*hash)) {
        return answer(server_error("Transaction " + to_hex0x(hash->view()) +
                                   " cannot be dropped because it's already mined"));
    }
    if (call.api.backend.pending(*hash) == nullptr) return answer(std::string{"false"});
    call.api.backend.control(Backend::DropTransaction{*hash},
                             [answer = std::move(answer)](const Result<U256, SubmitError>& done) {
                                 if (!done) return answer(server_error(done.error().message));
                                 answer(std::string{"true"});
                             });
}

constexpr Method make(std::string_view name, std::uint8_t arguments_min, std::uint8_t arguments_max,
                      void (*later)(const Call&, AnswerLater), std::string_view summary) {
    return {.name = name,
            .arguments_min = arguments_min,
            .arguments_max = arguments_max,
            .now = nullptr,
            .later = later,
            .development = true,
            .summary = summary};
}

constexpr auto mine_many = control<read_mine_many, yes>;
constexpr auto set_balance = control<read_balance, yes>;
constexpr auto set_nonce = control<read_nonce, yes>;
constexpr auto set_code = control<read_code, yes>;
constexpr auto set_storage = control<read_storage, yes>;
constexpr auto set_coinbase = control<read_coinbase, yes>;
constexpr auto set_prev_randao = control<read_prev_randao, yes>;

constexpr std::string_view mine_text = "Makes blocks now, with seconds between their timestamps.";
constexpr std::string_view balance_text = "Changes an account's balance.";
constexpr std::string_view nonce_text = "Changes an account's nonce.";
constexpr std::string_view code_text = "Changes an account's code.";
constexpr std::string_view storage_text = "Changes one slot of an account's storage.";
constexpr std::string_view drop_text = "Takes a transaction out of the pool.";
constexpr std::string_view coinbase_text = "Changes who gets the fees of the next blocks.";
constexpr std::string_view randao_text = "Changes what PREVRANDAO gives in the next block.";

constexpr Method methods[] = {
    make("evm_mine", 0, 1, control<read_mine, zero_quantity>,
         "Makes a block now, at a timestamp if one is given."),
    make("evm_snapshot", 0, 0, control<read_snapshot, quantity_text>,
         "Keeps the chain as it is, for evm_revert."),
    make("evm_revert", 1, 1, control<read_revert, yes_unless_zero>,
         "Goes back to a snapshot; it and later ones are used up."),
    make("evm_increaseTime", 1, 1, control<read_increase_time, plain_number>,
         "Moves the clock of blocks forward by seconds; answers with the sum."),
    make("evm_setNextBlockTimestamp", 1, 1, control<read_next_timestamp, no_value>,
         "Sets the timestamp of the next block."),
    make("evm_setAutomine", 1, 1, control<read_automine, yes>,
         "Whether a transaction gets a block at once."),
    make("evm_setIntervalMining", 1, 1, control<read_interval, yes>,
         "A block per so many milliseconds; 0: none."),
    make("evm_setAccountBalance", 2, 2, set_balance, balance_text),
    make("evm_setAccountNonce", 2, 2, set_nonce, nonce_text),
    make("evm_setAccountCode", 2, 2, set_code, code_text),
    make("evm_setAccountStorageAt", 3, 3, set_storage, storage_text),
    make("hardhat_mine", 0, 2, mine_many, mine_text),
    make("hardhat_setBalance", 2, 2, set_balance, balance_text),
    make("hardhat_setNonce", 2, 2, set_nonce, nonce_text),
    make("hardhat_setCode", 2, 2, set_code, code_text),
    make("hardhat_setStorageAt", 3, 3, set_storage, storage_text),
    make("hardhat_dropTransaction", 1, 1, drop_transaction, drop_text),
    make("hardhat_setCoinbase", 1, 1, set_coinbase, coinbase_text),
    make("hardhat_setPrevRandao", 1, 1, set_prev_randao, randao_text),
    make("anvil_mine", 0, 2, mine_many, mine_text),
    make("anvil_setBalance", 2, 2, set_balance, balance_text),
    make("anvil_setNonce", 2, 2, set_nonce, nonce_text),
    make("anvil_setCode", 2, 2, set_code, code_text),
    make("anvil_setStorageAt", 3, 3, set_storage, storage_text),
    make("anvil_dropTransaction", 1, 1, drop_transaction, drop_text),
    make("anvil_setCoinbase", 1, 1, set_coinbase, coinbase_text),
    make("anvil_setPrevRandao", 1, 1, set_prev_randao, randao_text),
};

}  // namespace

std::span<const Method> development_methods() {
    return methods;
}

}  // namespace millrace::node
