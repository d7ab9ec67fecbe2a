// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A process that chain_store_test.cpp lets die or run out of disk.
//   victim die PATH HOLD COUNT     writes COUNT rows, every third synced, then SIGKILL
//   victim fill PATH               writes until the limit on file sizes ends it; prints rows
//   written victim damage PATH             reads every row of a store whose files are damaged

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "store/chain_store.hpp"

namespace {

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
    batch.put(Table::meta, {'h'}, row_key(row));
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

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 1;
    const std::string verb = argv[1];
    ChainStore::Options options;
    options.hold_unsynced = argc > 3 && std::string{argv[3]} == "1";
    auto store = ChainStore::open(argv[2], options);
    if (!store) {
        std::fprintf(stderr, "%s\n", store.error().text().c_str());
        return 1;
    }
    if (verb == "die" && argc > 4)
        return die(**store, static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10)));
    if (verb == "fill") return fill(**store);
    if (verb == "damage") return read_all(**store);
    return 1;
}
