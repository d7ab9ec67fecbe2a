// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api/simulation.hpp"

#include "node/api/encode.hpp"
#include "node/api/revert.hpp"

namespace millrace::node {
namespace {

constexpr int execution_error = -32015;

}  // namespace

Simulation::Simulation(const Call& call, const SimulationRequest& request, Height base,
                       const types::Header& base_header,
                       std::shared_ptr<const state::StateView> state,
                       std::unique_ptr<state::LayeredRoots> roots)
    : call_{call},
      request_{request},
      config_{call.view->config()},
      base_rules_{ledger::rules_at(config_, base_header.number, base_header.timestamp)},
      base_state_{std::move(state)},
      roots_{std::move(roots)},
      base_number_{base.value},
      lease_{call.api},
      block_hashes_{[this](std::uint64_t number) {
          if (number <= base_number_) return call_.view->hash_at(Height{number}).value_or(Hash32{});
          const std::uint64_t index = number - base_number_ - 1;
          return index < hashes_.size() ? hashes_[index] : Hash32{};
      }},
      parent_{base_header},
      gas_left_{call.api.limits.call_gas_max} {}

Answer Simulation::run() {
    out_.begin('[');
    for (const SimulatedBlock& asked : request_.blocks) {
        MILLRACE_TRY(Done done, run_block(asked));
        changes_.merge(std::move(done.changes));
        parent_ = done.block.header;
        hashes_.push_back(parent_.hash());
        write(done, hashes_.back());
        if (out_.size() > SimulationLimits::answer_max)
            return Err{RpcError{RpcError::client_limit_exceeded, "the answer is too large"}};
    }
    return std::move(out_.end(']')).take();
}

types::Header Simulation::make_header(const SimulatedBlock& asked) const {
    const ledger::Rules rules = ledger::rules_at(config_, asked.number, asked.time);
    types::Header header;
    header.parent_hash = hashes_.empty() ? parent_.hash() : hashes_.back();
    header.ommers_hash = types::ommers_hash({});
    header.number = asked.number;
    header.timestamp = asked.time;
    header.coinbase = asked.fee_recipient.value_or(parent_.coinbase);
    header.gas_limit = asked.gas_limit.value_or(parent_.gas_limit);
    header.mix_hash = asked.prev_randao.value_or(Hash32{});
    if (rules.revision < evm::Revision::paris)
        header.difficulty = asked.difficulty.value_or(parent_.difficulty);
    if (rules.revision >= evm::Revision::london) {
        // Calls need not pay: without a price of theirs, a base fee would be above it.
        header.base_fee = request_.validation ? ledger::next_base_fee(config_, parent_) : U256{};
        if (asked.base_fee) header.base_fee = asked.base_fee;
    }
    if (rules.revision >= evm::Revision::cancun) {
        header.blob_gas_used = 0;
        header.excess_blob_gas =
            parent_.excess_blob_gas ? ledger::next_excess_blob_gas(rules, parent_) : 0;
        header.parent_beacon_block_root = asked.beacon_root.value_or(Hash32{});
    }
    return header;
}

Read<Simulation::Done> Simulation::run_block(const SimulatedBlock& asked) {
    Done done;
    done.block.header = make_header(asked);
    evm::PrecompileMoves precompiles;
    const state::OverlayView parent_state{*base_state_, changes_};
    MILLRACE_TRY(state::StateDiff overrides,
                 read_state_overrides(asked.state_overrides, 0, parent_state, base_rules_.revision,
                                      precompiles));
    (void)roots_->apply(overrides);
    changes_.merge(std::move(overrides));

    // Receipts held a root before byzantium.
    const ledger::StateRoot root_after = [this](const state::StateDiff& diff) {
        return state::LayeredRoots{*roots_}.apply(diff);
    };
    ledger::BlockExecution execution{config_,        done.block.header, parent_state, block_hashes_,
                                     lease_.arena(), root_after,        nullptr};
    if (asked.blob_base_fee) execution.override_blob_base_fee(*asked.blob_base_fee);
    if (const auto begun = execution.begin(done.block.header); !begun)
        return server_error(std::string{to_text(begun.error())});
    tracer_.begin_block(request_.trace_transfers);
    if (!asked.calls.is_nothing()) {
        for (const JsonValueView item : asked.calls) {
            MILLRACE_TRY(CallRequest request, read_call_request(item, 0, config_.chain_id));
            MILLRACE_TRY(Outcome outcome,
                         run_call(execution, std::move(request), precompiles, done));
            done.outcomes.push_back(std::move(outcome));
        }
    }
    MILLRACE_TRY_VOID(seal(execution, asked, done));
    return done;
}

Read<void> Simulation::seal(ledger::BlockExecution& execution, const SimulatedBlock& asked,
                            Done& done) {
    const evm::Revision revision = execution.rules().revision;
    types::Block& block = done.block;
    types::Header& header = block.header;
    if (revision >= evm::Revision::shanghai) block.withdrawals = asked.withdrawals;
    auto finished =
        std::move(execution).finish({}, block.withdrawals ? &*block.withdrawals : nullptr);
    if (!finished) return server_error(std::string{to_text(finished.error())});
    header.state_root = roots_->apply(finished->diff);
    header.transactions_root = ledger::transactions_root(block.transactions);
    header.receipts_root = ledger::receipts_root(finished->receipts);
    header.logs_bloom = finished->logs_bloom;
    header.gas_used = finished->gas_used;
    if (block.withdrawals) header.withdrawals_root = ledger::withdrawals_root(*block.withdrawals);
    if (revision >= evm::Revision::cancun) header.blob_gas_used = finished->blob_gas_used;
    header.requests_hash = finished->requests_hash;
    done.changes = std::move(finished->diff);
    return {};
}

void Simulation::write(const Done& done, const Hash32& hash) {
    out_.begin('{');
    write_block_members(out_, done.block, &hash, request_.full_transactions, done.senders);
    out_.key("calls").begin('[');
    for (std::size_t index = 0; index < done.outcomes.size(); ++index) {
        const Outcome& outcome = done.outcomes[index];
        write_outcome(outcome, {.block_hash = hash,
                                .block_number = done.block.header.number,
                                .block_timestamp = done.block.header.timestamp,
                                .transaction_hash = done.block.transactions[index].hash(),
                                .transaction_index = static_cast<std::uint32_t>(index),
                                .log_index = 0});
    }
    out_.end(']').end('}');
}

void Simulation::write_outcome(const Outcome& outcome, LogPlace place) {
    // What a failed call returned is the reason, told below.
    out_.begin('{').key("returnData");
    out_.data(outcome.succeeded ? ByteView{outcome.output} : ByteView{});
    out_.key("logs").begin('[');
    for (const auto& [index, log] : outcome.logs) {
        place.log_index = index;
        write_log(out_, log, place);
    }
    out_.end(']').key("gasUsed").quantity(outcome.gas_used);
    out_.key("maxUsedGas").quantity(outcome.gas_peak);
    out_.key("status").quantity(outcome.succeeded ? 1U : 0U);
    if (!outcome.succeeded) {
        const bool reverted = outcome.status == evm::Status::revert;
        const RpcError error =
            reverted ? revert_error(outcome.output)
                     : RpcError{execution_error, std::string{status_text(outcome.status)}};
        out_.key("error").begin('{').key("message").text(error.message);
        out_.key("code").raw(std::to_string(error.code));
        if (!error.data.empty()) out_.key("data").raw(error.data);
        out_.end('}');
    }
    out_.end('}');
}

}  // namespace millrace::node
