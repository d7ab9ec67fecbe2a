// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "evm/host.hpp"
#include "evm/revision.hpp"

namespace millrace::evm {

enum class CallKind : std::uint8_t { call, delegate_call, call_code, create, create2 };

/// One frame to run (Yellow Paper section 9, the tuple I).
struct Message {
    CallKind kind = CallKind::call;
    bool is_static = false;
    std::uint16_t depth = 0;  ///< 0 to 1024
    std::int64_t gas = 0;     ///< ≥ 0
    Address sender;
    Address recipient;     ///< whose storage and balance; ignored by create and create2
    Address code_address;  ///< where the code comes from
    U256 value;
    ByteView input;  ///< call data, or init code; outlives the call
    U256 salt;       ///< create2 only
};

enum class Status : std::uint8_t {
    success,
    revert,  ///< gas and output stay
    out_of_gas,
    undefined_instruction,
    invalid_instruction,  ///< 0xfe
    stack_underflow,
    stack_overflow,
    bad_jump,
    return_data_out_of_bounds,  ///< EIP-211
    static_violation,           ///< EIP-214
    depth_exceeded,
    insufficient_balance,
    nonce_overflow,       ///< EIP-2681
    address_collision,    ///< EIP-684, EIP-7610
    code_size_exceeded,   ///< EIP-170
    init_size_exceeded,   ///< EIP-3860
    invalid_code_prefix,  ///< EIP-3541
    precompile_failed,
    not_supported,  ///< a precompile of the rules that this build lacks; never silently absent
};
/// "out of gas", "stack underflow", … as used in answers to people.
std::string_view to_text(Status status) noexcept;

struct CallResult {
    Status status = Status::success;
    std::int64_t gas_left = 0;    ///< 0 on every failure but revert
    std::int64_t gas_refund = 0;  ///< may be negative inside a transaction; 0 on failure
    Bytes output;                 ///< returned or reverted with; empty after a successful creation
    Address created;              ///< create and create2, on success
};

struct BlockContext {
    std::uint64_t number = 0;
    std::uint64_t timestamp = 0;
    std::uint64_t gas_limit = 0;
    Address coinbase;
    U256 difficulty;     ///< before paris
    Hash32 prev_randao;  ///< from paris
    U256 base_fee;       ///< from london
    U256 blob_base_fee;  ///< from cancun
    std::uint64_t chain_id = 1;
};

struct TransactionContext {
    Address origin;
    U256 gas_price;  ///< effective
    std::vector<Hash32> blob_hashes;
};

/// Sees every instruction; for debug_trace* and tests. A machine without one pays nothing for it.
class Tracer {
  public:
    struct Step {
        std::uint64_t pc;
        std::uint8_t opcode;
        std::int64_t gas;
        std::uint16_t depth;
        std::size_t memory_size;
        const U256* stack_top;  ///< the newest item; older ones below it
        std::size_t stack_count;
        std::int64_t refund;
    };
    virtual ~Tracer() = default;
    virtual void on_enter(const Message& message) = 0;
    virtual void on_step(const Step& step) = 0;
    virtual void on_leave(const CallResult& result) = 0;
};

/// Precompiled contracts that answer elsewhere than the rules say (simulations): the contract that
/// answers at an address, or null where none does any more. Addresses that are not in it are as the
/// rules have them.
using PrecompileMoves = std::map<Address, std::optional<Address>>;

/// Stacks and memories of all frames, kept from one transaction to the next. One thread at a time.
class Arena;
std::shared_ptr<Arena> make_arena();

/// Runs calls and creations by the rules of one revision, precompiled contracts included. What a
/// transaction adds around it (nonce, fees, intrinsic gas, refunds) is the ledger's.
class Machine {
  public:
    Machine(Revision revision, const BlockContext& block, const TransactionContext& transaction,
            Host& host, Arena& arena, Tracer* tracer = nullptr) noexcept;

    /// At depth 0 the state is the host's; a failed call leaves the host as it was, apart from the
    /// sender's nonce in a creation: a creation raises it at every depth, and its address is of the
    /// nonce before. An account that delegates (EIP-7702) runs its delegate's code; at depth 0 this
    /// makes the delegate warm. Native recursion: at most 1,025 frames.
    CallResult call(const Message& message);

    /// Null: as the rules have them. Outlives the calls.
    void move_precompiles(const PrecompileMoves* moves) noexcept { moves_ = moves; }

    /// True after any frame met a precompile that this build lacks: the outcome is not to be
    /// trusted.
    [[nodiscard]] bool met_unsupported() const noexcept { return met_unsupported_; }
    [[nodiscard]] Revision revision() const noexcept { return revision_; }

  private:
    friend struct Frame;
    CallResult run_call(const Message& message);
    CallResult run_create(const Message& message);
    CallResult call_account(const Message& message);
    CallResult call_precompile(const Message& message, const Address& contract);
    /// The precompiled contract that answers at `address`; null: none.
    [[nodiscard]] const Address* precompile_at(const Address& address) const noexcept;
    CallResult create_account(const Message& message);
    CodePtr code_to_run(const Message& message);
    /// Stores what the init code returned, or turns the result into a failure.
    void deploy(const Address& created, CallResult& result);

    Revision revision_;
    const BlockContext& block_;
    const TransactionContext& transaction_;
    Host& host_;
    Arena& arena_;
    Tracer* tracer_;
    const PrecompileMoves* moves_ = nullptr;
    RepeatedModulus modulus_;  ///< of MULMOD; all frames of a transaction share what it has learned
    bool met_unsupported_ = false;
};

}  // namespace millrace::evm
