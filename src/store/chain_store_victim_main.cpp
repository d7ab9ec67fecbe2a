// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A process that chain_store_test.cpp and chain_crash_test.cpp let die or run out of disk.
//   victim die PATH HOLD COUNT            writes COUNT rows, every third synced, then SIGKILL
//   victim fill PATH 0 0 [WAY]            writes until the limit on file sizes ends it; prints rows
//                                         written
//   victim damage PATH                    reads every row of a store whose files are damaged
//   victim seal PATH HOLD HEIGHT [WAY]    seals blocks up to the height, printing each
//   victim accounts PATH 0 COUNT          seals blocks with COUNT accounts; prints memory
// HOLD 1: what is not synced dies with it. WAY "lazy": batches stay in the journal for as long as
// there is room; "applying": each step of applying them is a crash point too.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "crypto/hash.hpp"
#include "io/crash_point.hpp"
#include "node/genesis_file.hpp"
#include "node/sample_chain.hpp"
#include "store/chain_store.hpp"

namespace {

using millrace::Address;
using millrace::state::Durability;
using millrace::state::Table;
using millrace::state::WriteBatch;
using millrace::store::ChainStore;

millrace::Bytes row_key(std::uint32_t row) {
    return {static_cast<std::uint8_t>(row >> 24), static_cast<std::uint8_t>(row >> 16),
            static_cast<std::uint8_t>(row >> 8), static_cast<std::uint8_t>(row)};
}

WriteBatch batch_of(std::uint32_t row, std::size_t size) {
    WriteBatch batch;
    batch.put(Table::headers, row_key(row), millrace::Bytes(size, static_cast<std::uint8_t>(row)));
    batch.put(Table::meta, millrace::as_bytes("h"), row_key(row));
    return batch;
}

int die(ChainStore& store, std::uint32_t count) {
    for (std::uint32_t row = 0; row < count; ++row) {
        const bool synced = row % 3 == 2;
        if (!store.write(batch_of(row, 40), synced ? Durability::synced : Durability::logged))
            return 2;
    }
    ::kill(::getpid(), SIGKILL);
    return 3;
}

int fill(ChainStore& store) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4u << 20, 4u << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    std::uint32_t row = 0;
    while (row < 10'000 && store.write(batch_of(row, 10'000), Durability::synced))
        ++row;
    if (row == 0 || row == 10'000 || store.why().empty()) return 4;
    if (store.write(batch_of(row, 1), Durability::synced)) return 5;
    if (store.get(Table::meta, millrace::as_bytes("h")) != row_key(row - 1)) return 6;
    std::printf("%u %s\n", row, store.why().c_str());
    std::fflush(stdout);
    ::kill(::getpid(), SIGKILL);
    return 3;
}

int read_all(const ChainStore& store) {
    const auto cursor = store.cursor(Table::headers);
    std::size_t size = 0;
    for (; cursor->valid(); cursor->next())
        size += cursor->value().size();
    std::printf("%zu bytes\n", size);
    return 0;
}

/// Seals one block of a few transfers on the head; false when the store refuses.
bool seal_block(millrace::node::Chain& chain, ChainStore& store) {
    using namespace millrace;
    const auto& head = chain.head().header;
    const auto view = chain.view()->state(Height{head.number});
    const std::uint64_t nonce = view->account(crypto::address_of(node::sample_key(1)))->nonce;
    auto builder = chain.begin_block(head.timestamp + 1, Address{}, Hash32{});
    for (std::uint64_t index = 0; index < 1 + head.number % 4; ++index) {
        const auto transfer = node::sample_transfer(
            1, nonce + index, static_cast<std::uint8_t>((nonce + index) * 37), nonce + 1);
        // As the node does: logged before it is in a block.
        WriteBatch pooled;
        pooled.put(Table::pool, to_bytes(transfer.hash().view()), transfer.encode());
        if (!store.write(pooled, Durability::logged)) return false;
        if (!builder->add(transfer, *transfer.sender())) return false;
    }
    auto built = std::move(*builder).finish(std::vector<types::Withdrawal>{});
    if (!built) return false;
    std::string why;
    return chain.seal(std::move(*built), why).has_value();
}

int seal(ChainStore& store, std::uint64_t height_end) {
    using namespace millrace;
    // Pruning and rollback data go with every block.
    auto chain = node::Chain::open(store, node::sample_genesis(), {.history = 3});
    if (!chain) {
        std::fprintf(stderr, "%s\n", chain.error().text().c_str());
        return 1;
    }
    while ((*chain)->head().header.number < height_end) {
        if (!seal_block(**chain, store)) return 2;
        std::printf("%llu\n", static_cast<unsigned long long>((*chain)->head().header.number));
        std::fflush(stdout);
    }
    return 0;
}

/// KiB, of a line of /proc/self/status.
std::uint64_t memory_of(const char* name) {
    std::uint64_t size = 0;
    std::FILE* file = std::fopen("/proc/self/status", "r");
    char line[256];
    while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr)
        if (std::string_view{line}.starts_with(name))
            size = std::strtoull(line + std::string_view{name}.size(), nullptr, 10);
    if (file != nullptr) std::fclose(file);
    return size;
}

Address account_address(std::uint64_t number) {
    const auto hash = millrace::crypto::keccak256(row_key(static_cast<std::uint32_t>(number)));
    return *Address::from(hash.view().first(20));
}

/// Grows the state by 10,000 accounts a block, then uses and reads it.
int accounts(ChainStore& store, std::uint64_t count) {
    using namespace millrace;
    auto opened = node::Chain::open(store, node::sample_genesis(), {});
    if (!opened) return 1;
    const std::unique_ptr<node::Chain> chain = std::move(opened).value();
    for (std::uint64_t number = 0; number < count;) {
        state::StateDiff diff;
        for (std::uint64_t end = std::min(count, number + 10'000); number < end; ++number)
            diff.accounts[account_address(number)].account =
                state::Account{.nonce = 0, .balance = U256{number + 1}};
        chain->override_state(std::move(diff));
        if (!seal_block(*chain, store)) return 2;
    }
    const std::uint64_t grown = memory_of("VmRSS:");
    for (int block = 0; block < 200; ++block)
        if (!seal_block(*chain, store)) return 2;
    std::uint64_t seen = 0;
    const auto view = chain->view()->state(Height{chain->head().header.number});
    for (std::uint64_t number = 0; number < count; ++number)
        seen += view->account(account_address(number)).has_value() ? 1u : 0u;
    std::printf("accounts=%llu grown_kib=%llu now_kib=%llu peak_kib=%llu\n",
                static_cast<unsigned long long>(seen), static_cast<unsigned long long>(grown),
                static_cast<unsigned long long>(memory_of("VmRSS:")),
                static_cast<unsigned long long>(memory_of("VmHWM:")));
    return 0;
}

/// As a program that reads it from a file: the text, and nothing else beside it.
std::string genesis_text(std::uint64_t count) {
    std::string text;
    text.reserve(64u << 20);
    text += R"({"config":{"chainId":4711,"homesteadBlock":0,"eip150Block":0,"eip155Block":0,)"
            R"("eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,"istanbulBlock":0,)"
            R"("berlinBlock":0,"londonBlock":0,"terminalTotalDifficulty":0,"shanghaiTime":0},)"
            R"("gasLimit":30000000,"alloc":{)";
    for (std::uint64_t number = 0; number < count; ++number) {
        text += number == 0 ? "\"" : ",\"";
        text += millrace::to_hex0x(account_address(number).view());
        text += R"(":{"balance":"0x1"})";
    }
    return text + "}}";
}

/// Begins a chain from a file with so many accounts, or opens it again.
int genesis(ChainStore& store, std::uint64_t count) {
    using namespace millrace;
    {
        auto file = node::GenesisFile::open(genesis_text(count));
        if (!file) return 1;
        const auto chain = node::Chain::open(store, *file, {});
        if (!chain) return 2;
        std::uint64_t seen = 0;
        const auto view = (*chain)->view()->state(Height{});
        for (std::uint64_t number = 0; number < count; ++number)
            seen += view->account(account_address(number)).has_value() ? 1u : 0u;
        std::printf("accounts=%llu read=%d ", static_cast<unsigned long long>(seen),
                    file->accounts_are_checked() ? 1 : 0);
    }
    std::printf("now_kib=%llu peak_kib=%llu\n",
                static_cast<unsigned long long>(memory_of("VmRSS:")),
                static_cast<unsigned long long>(memory_of("VmHWM:")));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 1;
    const std::string verb = argv[1];
    if (verb == "seal") millrace::io::enable_crash_points(true);
    ChainStore::Options options;
    options.hold_unsynced = argc > 3 && std::string{argv[3]} == "1";
    const std::string way = argc > 5 ? argv[5] : "";
    options.apply_lazily = way == "lazy";
    options.crash_while_applying = way == "applying";
    auto store = ChainStore::open(argv[2], options);
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().text().c_str());
        return 1;
    }
    if (verb == "die" && argc > 4)
        return die(**store, static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10)));
    if (verb == "seal" && argc > 4) return seal(**store, std::strtoull(argv[4], nullptr, 10));
    if (verb == "accounts" && argc > 4)
        return accounts(**store, std::strtoull(argv[4], nullptr, 10));
    if (verb == "genesis" && argc > 4) return genesis(**store, std::strtoull(argv[4], nullptr, 10));
    if (verb == "fill") return fill(**store);
    if (verb == "damage") return read_all(**store);
    return 1;
}
