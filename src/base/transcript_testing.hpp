// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

/// Transcripts a person can read (after the data-driven tests of etcd's raft): a file of commands,
/// each followed by "----" and by what the machine did, up to an empty line; "#" begins a comment.
/// They lie in MILLRACE_TRANSCRIPTS, which the including test's CMakeLists.txt defines.
///
/// Where a machine changes on purpose, the test prints the whole new text to put in the file's
/// place.
namespace millrace {

/// The file's text with each command's output replaced by what happens now: a new Scribe's
/// carry_out(line), each line of it ended.
template <typename Scribe>
std::string replayed(const std::string& text) {
    Scribe scribe;
    std::istringstream lines{text};
    std::string out;
    bool in_output = false;
    for (std::string line; std::getline(lines, line);) {
        if (in_output && !line.empty()) continue;
        in_output = !line.empty() && !line.starts_with('#');
        out += line + "\n";
        if (in_output) out += "----\n" + scribe.carry_out(line);
    }
    return out;
}

/// Every file `prefix`*.txt reads as it did, and there are some.
template <typename Scribe>
void expect_transcripts(const std::string& prefix) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{MILLRACE_TRANSCRIPTS}) {
        const std::string file = entry.path().filename().string();
        if (!file.starts_with(prefix) || entry.path().extension() != ".txt") continue;
        ++count;
        std::ifstream stream{entry.path()};
        const std::string text{std::istreambuf_iterator<char>{stream}, {}};
        const std::string now = replayed<Scribe>(text);
        EXPECT_TRUE(now == text) << file << " now reads:\n" << now << "(end of " << file << ")";
    }
    EXPECT_GT(count, 0u);
}

}  // namespace millrace
