// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/rpc_suite.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "node/api.hpp"
#include "node/chain_file.hpp"
#include "node/genesis_file.hpp"
#include "node/still_backend.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

std::string read_whole(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) throw std::runtime_error{"cannot read " + file.string()};
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

/// The same kinds at the same places; for dialogues of which only the shape is meant.
bool same_shape(const json& wanted, const json& got) {
    if (wanted.is_number() && got.is_number()) return true;
    if (wanted.type() != got.type()) return false;
    if (wanted.is_object()) {
        return std::ranges::all_of(wanted.items(), [&](const auto& member) {
            return got.contains(member.key()) && same_shape(member.value(), got[member.key()]);
        });
    }
    return true;
}

bool answers_agree(const json& wanted, const json& got, bool shape_only) {
    if (wanted.contains("error") != got.contains("error")) return false;
    if (wanted.contains("error")) return wanted["error"].at("code") == got["error"].at("code");
    return shape_only ? same_shape(wanted, got) : wanted == got;
}

/// One dialogue: ">> " is asked, "<< " is the answer.
void play(node::Api& api, const fs::path& file, const std::string& name, SuiteTally& tally) {
    std::istringstream lines{read_whole(file)};
    std::string line;
    std::string answer;
    bool shape_only = false;
    bool agreed = true;
    std::string missing;  // a method this build does not have
    while (std::getline(lines, line)) {
        if (line.starts_with("// speconly")) shape_only = true;
        if (line.starts_with(">> ")) {
            answer.clear();
            api.handle({}, line.substr(3),
                       [&answer](std::string text) { answer = std::move(text); });
        }
        if (!line.starts_with("<< ")) continue;
        const json wanted = json::parse(line.substr(3));
        const json got = json::parse(answer, nullptr, false);
        if (!got.is_discarded() && answers_agree(wanted, got, shape_only)) continue;
        if (!got.is_discarded() && got.contains("error") && got["error"].at("code") == -32601) {
            missing = fs::path{name}.parent_path().string();
        }
        if (!missing.empty()) continue;  // what follows builds on what is missing
        agreed = false;
        tally.fail(name, "wanted " + wanted.dump().substr(0, 600) + "\n      got " +
                             answer.substr(0, 600));
    }
    if (!missing.empty()) return tally.skip("method not built: " + missing);
    if (agreed) ++tally.passed;
}

}  // namespace

int run_rpc_suite(const fs::path& given, const SuiteOptions& options) {
    fs::path folder = given;
    for (const char* inner : {"execution-apis", "tests"}) {
        if (fs::is_directory(folder / inner)) folder /= inner;
    }
    const auto genesis = node::read_genesis(read_whole(folder / "genesis.json"));
    if (!genesis) throw std::runtime_error{genesis.error().text()};
    state::MemoryStore store;
    auto chain = node::Chain::open(store, *genesis, {});
    if (!chain) throw std::runtime_error{chain.error().text()};
    std::ifstream blocks{folder / "chain.rlp", std::ios::binary};
    node::ChainFileReader reader{[&blocks](std::span<std::uint8_t> into) {
        blocks.read(reinterpret_cast<char*>(into.data()),
                    static_cast<std::streamsize>(into.size()));
        return static_cast<std::size_t>(blocks.gcount());
    }};
    const auto imported = node::import_blocks(**chain, reader, {}, {});
    if (!imported) throw std::runtime_error{imported.error().text()};

    node::StillBackend backend{**chain};
    backend.makes_blocks = false;  // every dialogue is about the chain as it was imported
    backend.clock = (*chain)->head().header.timestamp;
    node::Api api{backend, node::Api::Limits{}, "Millrace", Hash32{}};
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        if (entry.path().extension() == ".io") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    SuiteTally tally;
    for (const auto& file : files)
        play(api, file, fs::relative(file, folder).string(), tally);

    if (options.as_json) {
        json failures = json::array();
        for (const auto& failure : tally.failures)
            failures.push_back({{"name", failure.name}, {"cause", failure.cause}});
        std::printf("%s\n", json{{"passed", tally.passed},
                                 {"failed", tally.failures.size()},
                                 {"skipped", tally.skipped},
                                 {"failures", std::move(failures)}}
                                .dump()
                                .c_str());
    } else {
        for (const auto& failure : tally.failures)
            std::printf("FAIL %s: %s\n", failure.name.c_str(), failure.cause.c_str());
        std::uint64_t skipped = 0;
        for (const auto& [cause, count] : tally.skipped) {
            skipped += count;
            std::printf("%s: %llu\n", cause.c_str(), static_cast<unsigned long long>(count));
        }
        std::printf("%llu passed, %zu failed, %llu skipped\n",
                    static_cast<unsigned long long>(tally.passed), tally.failures.size(),
                    static_cast<unsigned long long>(skipped));
    }
    return tally.failures.empty() && tally.passed > 0 ? 0 : 1;
}

}  // namespace millrace::spec
