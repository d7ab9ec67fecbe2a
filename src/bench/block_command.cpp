// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "bench/block_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/report.hpp"
#include "crypto/hash.hpp"
#include "io/parallel.hpp"
#include "io/temporary_folder.hpp"
#include "mempool/pool.hpp"
#include "node/sample_chain.hpp"
#include "store/chain_store.hpp"

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;
using PhaseTimes = std::array<double, BlockReport::phase_count>;

constexpr std::uint8_t sender_count = 10;
constexpr std::uint64_t transfer_gas = 21'000;
constexpr std::uint64_t fee_max = 1'000'000'000'000;
constexpr std::uint64_t tip = 1'000'000'000;

double ms_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// The store, and how long its writes took.
class TimedStore final : public state::KeyValueStore {
  public:
    explicit TimedStore(store::ChainStore& store) noexcept : store_{store} {}
    [[nodiscard]] std::optional<Bytes> get(state::Table table, ByteView key) const override {
        return store_.get(table, key);
    }
    [[nodiscard]] std::unique_ptr<Cursor> cursor(state::Table table) const override {
        return store_.cursor(table);
    }
    [[nodiscard]] std::shared_ptr<const state::KeyValueView> snapshot() const override {
        return store_.snapshot();
    }
    [[nodiscard]] bool write(state::WriteBatch batch, state::Durability durability) override {
        const auto begin = Clock::now();
        row_count = batch.size();
        const bool written = store_.write(std::move(batch), durability);
        took_ms = ms_since(begin);
        return written;
    }
    [[nodiscard]] std::string why() const override { return store_.why(); }

    double took_ms = 0;         ///< of the last
    std::size_t row_count = 0;  ///< of the last

  private:
    store::ChainStore& store_;
};

ledger::Genesis genesis_for(const BlockOptions& options) {
    ledger::Genesis genesis = node::sample_genesis();
    genesis.header.gas_limit = 2 * transfer_gas * options.transfers + 1'000'000;
    genesis.header.base_fee = U256{1'000'000'000};
    for (std::uint8_t number = 1; number <= sender_count; ++number) {
        auto& funded = genesis.state.accounts[crypto::address_of(node::sample_key(number))];
        funded.account = state::Account{
            .nonce = 0,
            .balance = *checked_mul(U256{1'000'000'000'000'000'000u}, U256{1'000'000'000'000u})};
    }
    return genesis;
}

struct Arrival {
    mempool::PooledTransaction transaction;
    Bytes encoded;
};

/// The transfers of one block, as the node has them when they have been decoded and their senders
/// are known.
std::vector<Arrival> arrivals(const BlockOptions& options, std::uint64_t first) {
    std::vector<Arrival> all;
    all.reserve(options.transfers);
    for (std::uint64_t number = first; number < first + options.transfers; ++number) {
        const auto sender = static_cast<std::uint8_t>(1 + number % sender_count);
        const crypto::SecretKey key = node::sample_key(sender);
        types::Transaction transfer;
        transfer.chain_id = 4'711;
        transfer.nonce = number / sender_count;
        transfer.max_fee_per_gas = U256{fee_max};
        transfer.max_priority_fee_per_gas = U256{tip};
        transfer.gas_limit = transfer_gas;
        const Hash32 recipient = crypto::keccak256(as_bytes("recipient " + std::to_string(number)));
        transfer.to = *Address::from(recipient.view().subspan(12));
        transfer.value = Amount{U256{1'000'000}};
        Arrival arrival;
        arrival.transaction.transaction = types::sign_transaction(transfer, key);
        arrival.encoded = arrival.transaction.transaction.encode();
        arrival.transaction.hash = crypto::keccak256(arrival.encoded);
        arrival.transaction.sender = crypto::address_of(key);
        arrival.transaction.size = static_cast<std::uint32_t>(arrival.encoded.size());
        all.push_back(std::move(arrival));
    }
    return all;
}

mempool::SenderState sender_state(const state::StateView& state, const Address& sender) {
    const auto account = state.account(sender).value_or(state::Account{});
    return {.nonce = account.nonce, .balance = account.balance};
}

/// One block, as NodeDaemon makes it.
Outcome<PhaseTimes> run_block(node::Chain& chain, TimedStore& store, mempool::Pool& pool,
                              std::vector<Arrival> waiting) {
    PhaseTimes times{};
    const auto wrong = [](std::string what) { return Err{Failure{std::move(what), "", ""}}; };
    const std::size_t count = waiting.size();

    auto begin = Clock::now();
    {
        const auto state = chain.working_state();
        state::WriteBatch log;
        for (Arrival& arrival : waiting) {
            const auto known = sender_state(*state, arrival.transaction.sender);
            const Hash32 hash = arrival.transaction.hash;
            static_cast<void>(state->account(*arrival.transaction.transaction.transaction.to));
            if (!pool.add(std::move(arrival.transaction), known))
                return wrong("a transfer is refused by the pool");
            log.put(state::Table::pool, hash.view(), arrival.encoded);
        }
    }
    times[BlockReport::admit] = ms_since(begin);

    begin = Clock::now();
    const types::Header head = chain.head().header;
    const U256 base_fee = ledger::next_base_fee(chain.config(), head);
    auto builder = chain.begin_block(head.timestamp + 1, Address{}, Hash32{});
    std::vector<Address> touched;
    auto selection = pool.select(base_fee);
    while (const auto next = selection.next()) {
        if (!builder->add(next->transaction, next->sender))
            return wrong("a transfer is refused by the block");
        touched.push_back(next->sender);
    }
    times[BlockReport::execute] = ms_since(begin);

    begin = Clock::now();
    auto built = std::move(*builder).finish(std::vector<types::Withdrawal>{});
    if (!built) return wrong("the block cannot be finished");
    times[BlockReport::finish] = ms_since(begin);
    if (built->block.transactions.size() != count) return wrong("not all are in the block");

    begin = Clock::now();
    std::string why;
    const auto sealed = chain.seal(std::move(*built), why);
    if (!sealed) return wrong(why);
    times[BlockReport::stage] = ms_since(begin) - store.took_ms;
    times[BlockReport::write] = store.took_ms;

    begin = Clock::now();
    {
        std::ranges::sort(touched);
        const auto repeated = std::ranges::unique(touched);
        touched.erase(repeated.begin(), repeated.end());
        const auto state = chain.working_state();
        for (const Address& sender : touched)
            pool.update(sender, sender_state(*state, sender));
    }
    times[BlockReport::settle] = ms_since(begin);
    return times;
}

}  // namespace

Outcome<BlockReport> measure_blocks(const BlockOptions& options) {
    const io::TemporaryFolder folder;
    MILLRACE_TRY(const auto rocks, store::ChainStore::open(folder / "chain"));
    TimedStore store{*rocks};
    MILLRACE_TRY(const auto chain,
                 node::Chain::open(store, genesis_for(options), {.history = 128, .state = {}}));
    io::Parallel parallel{options.thread_count};
    chain->run_parallel(parallel.hook());
    mempool::Pool pool{{}};
    std::array<std::vector<double>, BlockReport::phase_count> values;
    BlockReport report;
    report.options = options;
    for (int block = 0; block < options.block_count; ++block) {
        auto waiting = arrivals(options, options.transfers * static_cast<std::size_t>(block));
        MILLRACE_TRY(const PhaseTimes times, run_block(*chain, store, pool, std::move(waiting)));
        if (block == 0 && options.block_count > 1) continue;
        for (std::size_t phase = 0; phase < times.size(); ++phase)
            values[phase].push_back(times[phase]);
    }
    for (std::size_t phase = 0; phase < values.size(); ++phase)
        report.ms[phase] = median(values[phase]);
    for (const auto phase :
         {BlockReport::execute, BlockReport::finish, BlockReport::stage, BlockReport::settle})
        report.computed_ms += report.ms[phase];
    report.row_count = store.row_count;
    return report;
}

std::string to_markdown(const BlockReport& report) {
    constexpr std::array<std::string_view, BlockReport::phase_count> names = {
        "admit: both accounts read, into the pool",
        "execute: chosen from the pool and executed",
        "finish: closing calls, roots of transactions and receipts",
        "stage: state root, all rows",
        "write: the synced batch",
        "settle: what is included leaves the pool",
    };
    std::string text =
        fmt::format("| a block of {} transfers | ms |\n|---|---:|\n", report.options.transfers);
    for (std::size_t phase = 0; phase < names.size(); ++phase)
        text += fmt::format("| {} | {:.1f} |\n", names[phase], report.ms[phase]);
    text += fmt::format("| **computed: execute, finish, stage, settle** | **{:.1f}** |\n",
                        report.computed_ms);
    return text + fmt::format("\nMedians of {} blocks; {} rows a block.\n",
                              report.options.block_count - 1, report.row_count);
}

}  // namespace millrace::bench
