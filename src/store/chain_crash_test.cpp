// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A chain that is killed right after its n-th durable event, with what was not synced kept or
// dropped, stands at a whole block that is not older than the last one acknowledged.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <tuple>

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

constexpr int kills_per_run = 10;

bool is_long() {
    const char* wanted = std::getenv("MILLRACE_LONG");
    return wanted != nullptr && std::string{wanted} == "1";
}

/// Even runs keep what was not synced, odd ones drop it. Later kill points in later runs. With
/// small blocks in the tables themselves, in the journal, or on their way from there.
class ChainCrash : public testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(ChainCrash, a_killed_chain_stands_at_a_whole_block_not_older_than_what_it_told) {
    const auto& [way, run] = GetParam();
    const io::TemporaryFolder folder;
    const std::string path = folder / "chain";
    const std::string arguments = "seal " + path + (run % 2 == 1 ? " 1 " : " 0 ");
    const bool dies_applying = way == "applying";
    std::uint64_t height = 0;
    for (int kill = 0; kill < kills_per_run; ++kill) {
        int event = 1 + (kill + run / 2) % (5 + run / 2);
        if (dies_applying) event = 4 * event + kill % 4;
        const Ended ended = run_victim(arguments + "1000000 " + way,
                                       "MILLRACE_CRASH_AFTER=" + std::to_string(event));
        ASSERT_FALSE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) < 128) << ended.output;
        const std::uint64_t acknowledged = last_acknowledged(ended.output, height);
        const std::uint64_t found = checked_height(path);
        EXPECT_GE(found, acknowledged);
        EXPECT_LE(found, acknowledged + 1);
        // It died between the disk and the acknowledgement of its last block.
        const bool only_genesis = kill == 0 && event == 1;
        if (!dies_applying) {
            EXPECT_EQ(found, only_genesis ? 0 : acknowledged + 1);
        }
        height = found;
    }
    const Ended ended = run_victim(arguments + std::to_string(height + 3) + " " + way);
    ASSERT_TRUE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0) << ended.output;
    EXPECT_EQ(checked_height(path), height + 3);
}

// 60 kills in a check, 3,000 in a long one.
INSTANTIATE_TEST_SUITE_P(Runs, ChainCrash,
                         testing::Combine(testing::Values("direct", "lazy", "applying"),
                                          testing::Range(0, is_long() ? 100 : 2)));

TEST(ChainMemory, a_million_accounts_take_less_than_600_MiB) {
    if (!is_long()) GTEST_SKIP() << "minutes of work: MILLRACE_LONG=1";
    const io::TemporaryFolder folder;
    const Ended ended = run_victim("accounts " + (folder / "chain") + " 0 1000000");
    const std::size_t peak = ended.output.find("peak_kib=");
    ASSERT_NE(peak, std::string::npos) << ended.output;
    EXPECT_NE(ended.output.find("accounts=1000000 "), std::string::npos);
    EXPECT_LT(std::stoull(ended.output.substr(peak + 9)), 600u * 1'024) << ended.output;
}

TEST(ChainMemory, a_genesis_of_a_million_accounts_takes_less_than_600_MiB) {
    if (!is_long()) GTEST_SKIP() << "minutes of work: MILLRACE_LONG=1";
    const io::TemporaryFolder folder;
    for (const char* start : {"read=1", "read=0"}) {  // begun, then known by its file's hash
        const Ended ended = run_victim("genesis " + (folder / "chain") + " 0 1000000");
        const std::size_t peak = ended.output.find("peak_kib=");
        ASSERT_NE(peak, std::string::npos) << ended.output;
        EXPECT_NE(ended.output.find("accounts=1000000 "), std::string::npos) << ended.output;
        EXPECT_NE(ended.output.find(start), std::string::npos) << ended.output;
        EXPECT_LT(std::stoull(ended.output.substr(peak + 9)), 600u * 1'024) << ended.output;
    }
}

}  // namespace
}  // namespace millrace::store
