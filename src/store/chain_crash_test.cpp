// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A chain that is killed right after its n-th durable event, with what was not synced kept or
// dropped, stands at a whole block that is not older than the last one acknowledged.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "io/temporary_folder.hpp"
#include "node/sample_chain.hpp"
#include "store/chain_store.hpp"
#include "store/chain_store_victim.hpp"

namespace millrace::store {
namespace {

/// The last height the victim printed; log lines of its death stand beside it.
std::uint64_t last_acknowledged(const std::string& output, std::uint64_t before) {
    std::istringstream lines{output};
    std::uint64_t newest = before;
    for (std::string line; std::getline(lines, line);)
        if (!line.empty() && std::ranges::all_of(line, [](char c) { return c >= '0' && c <= '9'; }))
            newest = std::stoull(line);
    return newest;
}

/// The height of a chain that opens, verifies and has its pool's rows readable.
std::uint64_t checked_height(const std::string& path) {
    auto store = ChainStore::open(path);
    EXPECT_TRUE(store.has_value()) << store.error().text();
    auto chain = node::Chain::open(**store, node::sample_genesis(), {.history = 3});
    EXPECT_TRUE(chain.has_value()) << chain.error().text();
    EXPECT_EQ((*chain)->verify({}), "");
    return (*chain)->head().header.number;
}

void kill_and_check(bool drops_unsynced, int kills) {
    const io::TemporaryFolder folder;
    const std::string path = folder / "chain";
    const std::string arguments = "seal " + path + (drops_unsynced ? " 1 " : " 0 ");
    std::uint64_t height = 0;
    for (int kill = 0; kill < kills; ++kill) {
        const int event = 1 + kill % 5;
        const Ended ended =
            run_victim(arguments + "1000000", "MILLRACE_CRASH_AFTER=" + std::to_string(event));
        ASSERT_FALSE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) < 128) << ended.output;
        const std::uint64_t acknowledged = last_acknowledged(ended.output, height);
        const std::uint64_t found = checked_height(path);
        EXPECT_GE(found, acknowledged);
        // It died between the disk and the acknowledgement of its last block.
        const bool only_genesis = kill == 0 && event == 1;
        EXPECT_EQ(found, only_genesis ? 0 : acknowledged + 1);
        height = found;
    }
    const Ended ended = run_victim(arguments + std::to_string(height + 3));
    ASSERT_TRUE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0) << ended.output;
    EXPECT_EQ(checked_height(path), height + 3);
}

int kill_count() {
    const char* wanted = std::getenv("MILLRACE_LONG");
    return wanted != nullptr && std::string{wanted} == "1" ? 500 : 10;
}

TEST(ChainCrash, a_killed_chain_stands_at_a_whole_block_not_older_than_what_it_told) {
    kill_and_check(false, kill_count());
}

TEST(ChainCrash, so_it_does_when_the_power_takes_what_was_not_synced) {
    kill_and_check(true, kill_count());
}

}  // namespace
}  // namespace millrace::store
