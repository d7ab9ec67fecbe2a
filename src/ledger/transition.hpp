// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/parallel_for.hpp"
#include "base/result.hpp"
#include "evm/host.hpp"
#include "evm/machine.hpp"
#include "ledger/chain_config.hpp"
#include "state/state_view.hpp"
#include "state/transaction_state.hpp"
#include "types/block.hpp"

namespace millrace::ledger {

/// Why a transaction cannot be in a block. Names follow the execution specification's exceptions.
enum class TransactionError : std::uint8_t {
    kind_not_supported,  ///< a type before its fork, or refused by the network's parameters
    wrong_chain_id,      ///< EIP-155
    bad_signature,       ///< invalid, or a high s from homestead (EIP-2)
    nonce_too_low,
    nonce_too_high,
    nonce_max,                ///< EIP-2681
    intrinsic_gas_too_low,    ///< with EIP-2028, 2930, 3860, 7702
    gas_below_floor,          ///< EIP-7623
    gas_limit_exceeds_block,  ///< more than the block has left
    size_exceeds_block,       ///< the block would be over block_rlp_size_max with it (EIP-7934)
    gas_limit_exceeds_cap,    ///< EIP-7825: 2^24
    fee_below_base_fee,
    tip_above_fee,
    insufficient_funds,
    sender_not_eoa,       ///< EIP-3607, but delegations may send (EIP-7702)
    init_code_too_large,  ///< EIP-3860
    blob_fee_too_low,
    no_blobs,
    too_many_blobs,
    blob_hash_version,
    blob_creation,  ///< a type-3 or type-4 transaction without a destination
    no_authorizations,
    not_supported,  ///< met a precompile this build lacks: the result is unknown
};
std::string_view to_text(TransactionError error) noexcept;

struct GasCost {
    std::uint64_t intrinsic = 0;
    std::uint64_t floor = 0;  ///< EIP-7623; 0 before prague
};
GasCost intrinsic_gas(const evm::Revision revision, const types::Transaction& transaction) noexcept;

struct BlockEnvironment {
    evm::BlockContext context;
    std::uint64_t excess_blob_gas = 0;
};
BlockEnvironment environment_of(const Rules& rules, const types::Header& header);

/// What one transaction did.
struct TransactionResult {
    bool succeeded = false;
    evm::Status status = evm::Status::success;
    std::uint64_t gas_used = 0;  ///< after refunds: what is paid and counted
    std::uint64_t gas_refunded = 0;
    std::uint64_t gas_peak = 0;  ///< before refunds, at least the floor
    Bytes output;
    std::optional<Address> created;
    std::vector<types::Log> logs;
    state::StateDiff diff;
};

/// How much of the rules applies: a call of eth_call has no signature, balance or nonce to check.
struct ExecutionOptions {
    bool check_nonce = true;
    bool check_balance = true;      ///< and the sender pays fees
    bool check_sender_code = true;  ///< EIP-3607
    bool check_base_fee = true;
    bool check_gas_cap = true;    ///< EIP-7825
    bool check_nonce_max = true;  ///< EIP-2681
    bool check_blob_fee = true;
    evm::Tracer* tracer = nullptr;
    const evm::PrecompileMoves* precompiles = nullptr;  ///< outlives the call
    /// Sees the journal before anything runs; it may be read until the tracer has seen the end.
    std::function<void(evm::Host&)> before_run{};
};

/// Applies one transaction on `view`. `sender` was recovered before. The view is unchanged: the
/// caller merges the diff. With an error nothing happened.
Result<TransactionResult, TransactionError> apply_transaction(
    const Rules& rules, const BlockEnvironment& environment, const types::Transaction& transaction,
    const Address& sender, std::uint64_t block_gas_left, std::uint64_t block_blob_gas_left,
    const state::StateView& view, const state::TransactionState::BlockHashes& block_hashes,
    evm::Arena& arena, const ExecutionOptions& options);

/// Why a block is refused. Names follow the execution specification's exceptions.
enum class BlockError : std::uint8_t {
    unknown_parent,
    bad_number,
    bad_timestamp,  ///< not after its parent (our networks: before its parent)
    bad_gas_limit,
    gas_used_over_limit,
    extra_data_too_long,
    bad_base_fee,
    bad_difficulty,
    bad_ommers,
    bad_header_fields,  ///< a field before its fork, or missing after it
    bad_blob_gas,
    bad_transactions_root,
    bad_withdrawals_root,
    bad_transaction,  ///< see BlockFailure::transaction
    bad_gas_used,
    bad_bloom,
    bad_receipts_root,
    bad_state_root,
    bad_requests_hash,
    system_contract_empty,  ///< EIP-7002, EIP-7251: there is no contract
    system_call_failed,     ///< or its call failed
    bad_deposit_log,        ///< EIP-6110
    too_large,              ///< EIP-7934: RLP over 8 MiB (from osaka)
    not_supported,
};
std::string_view to_text(BlockError error) noexcept;

struct BlockFailure {
    BlockError error = BlockError::unknown_parent;
    std::optional<TransactionError> transaction;
    std::size_t index = 0;  ///< of the transaction
};

struct BlockResult {
    state::StateDiff diff;
    std::vector<types::TransactionReceipt> receipts;
    std::uint64_t gas_used = 0;
    std::uint64_t blob_gas_used = 0;
    types::Bloom logs_bloom;
    Hash32 receipts_root;
    std::vector<Bytes> requests;          ///< by type, EIP-7685; from prague
    std::optional<Hash32> requests_hash;  ///< the same
};

/// The base fee after `parent` (EIP-1559), the excess blob gas (EIP-4844, 7918), the bounds of the
/// gas limit: all that a header owes its parent and its rules. `strict_time`: Ethereum wants a
/// later timestamp than the parent's, our networks one not earlier.
Result<void, BlockFailure> check_header(const ChainConfig& config, const types::Header& header,
                                        const types::Header& parent, bool strict_time);
U256 next_base_fee(const ChainConfig& config, const types::Header& parent) noexcept;
std::uint64_t next_excess_blob_gas(const Rules& rules, const types::Header& parent) noexcept;

using millrace::ParallelFor;

/// Senders of all transactions, null where a signature is bad.
std::vector<std::optional<Address>> recover_senders(
    const std::vector<types::SignedTransaction>& transactions, evm::Revision revision,
    const ParallelFor& parallel_for);

/// The root of the state after the parent's with a diff on top. Receipts before byzantium hold it.
using StateRoot = std::function<Hash32(const state::StateDiff& diff)>;

/// Executes a block's body on its parent's state: system calls, transactions, withdrawals, ommer
/// and block rewards before paris. Checks what the body alone can show; the caller compares with
/// the header (check_result). Of ommers, number and distance are checked, not their ancestry: only
/// importers of old chains meet them. `state_root` is asked only before byzantium; without it such
/// a block is not_supported. `tracer` (may be null) sees the transactions, not the system calls.
Result<BlockResult, BlockFailure> execute_block(
    const ChainConfig& config, const types::Block& block,
    std::span<const std::optional<Address>> senders, const state::StateView& parent_state,
    const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena,
    const StateRoot& state_root = {}, evm::Tracer* tracer = nullptr);

/// The result against the header: gas, bloom, receipts, requests. The state root is the caller's.
Result<void, BlockFailure> check_result(const types::Block& block, const BlockResult& result);

/// Bytes of a block's RLP from osaka on: 10 MiB, less 2 MiB for what a beacon block adds
/// (EIP-7934).
inline constexpr std::size_t block_rlp_size_max = (10u << 20) - (2u << 20);

/// At least what the transaction takes of a block's RLP, without writing it.
[[nodiscard]] std::size_t encoded_size_bound(const types::Transaction& transaction) noexcept;

/// A block's transactions and receipts as they stand in its roots and in the store.
struct EncodedBody {
    std::vector<Bytes> transactions;
    std::vector<Hash32> transaction_hashes;
    std::vector<Bytes> receipts;
};
[[nodiscard]] EncodedBody encode_body(const std::vector<types::SignedTransaction>& transactions,
                                      const std::vector<types::TransactionReceipt>& receipts,
                                      const ParallelFor& parallel_for = {});

/// Builds a block's body one transaction at a time, for whoever produces blocks; the same steps as
/// execute_block().
class BlockBuilder {
  public:
    /// `header` has parent, number, timestamp, coinbase, limits, base fee and blob fields set.
    /// System calls at the beginning of a block run here. From byzantium on. All references outlive
    /// it.
    BlockBuilder(const ChainConfig& config, types::Header header,
                 const state::StateView& parent_state,
                 const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena,
                 ParallelFor parallel_for = {});
    ~BlockBuilder();
    /// Adds it, or says why it cannot be in this block; one for which the block has no room left,
    /// by gas or by bytes, may be in the next. Header and up to 60 withdrawals have theirs set
    /// aside.
    Result<types::TransactionReceipt, TransactionError> add(
        const types::SignedTransaction& transaction, const Address& sender);
    [[nodiscard]] std::uint64_t gas_left() const noexcept;
    [[nodiscard]] const state::StateView& state() const noexcept;  ///< as it stands now
    /// Withdrawals and closing system calls; the header complete but for its state root, which the
    /// caller computes from the diff.
    struct Built {
        types::Block block;
        BlockResult result;
        EncodedBody encoded;
    };
    Result<Built, BlockFailure> finish(
        std::optional<std::vector<types::Withdrawal>> withdrawals) &&;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Ordered-trie roots of bodies.
Hash32 transactions_root(const std::vector<types::SignedTransaction>& transactions);
Hash32 receipts_root(const std::vector<types::TransactionReceipt>& receipts);
Hash32 withdrawals_root(const std::vector<types::Withdrawal>& withdrawals);

}  // namespace millrace::ledger
