// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/evm_precompile_suite.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evm/precompiles.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using evm::PrecompileResult;
using evm::Revision;
using nlohmann::json;

struct Contract {
    std::string_view file;  ///< without "fail-"
    unsigned number;
    Revision revision;
};

constexpr Contract contracts[] = {
    {"ecRecover", 0x01, Revision::frontier},    {"modexp", 0x05, Revision::byzantium},
    {"modexp_eip2565", 0x05, Revision::berlin}, {"modexp_eip7883", 0x05, Revision::osaka},
    {"bn256Add", 0x06, Revision::istanbul},     {"bn256ScalarMul", 0x07, Revision::istanbul},
    {"bn256Pairing", 0x08, Revision::istanbul}, {"blake2F", 0x09, Revision::istanbul},
    {"blake2f", 0x09, Revision::istanbul},      {"pointEvaluation", 0x0a, Revision::cancun},
    {"blsG1Add", 0x0b, Revision::prague},       {"blsG1Mul", 0x0c, Revision::prague},
    {"blsG1MultiExp", 0x0c, Revision::prague},  {"blsG2Add", 0x0d, Revision::prague},
    {"blsG2Mul", 0x0e, Revision::prague},       {"blsG2MultiExp", 0x0e, Revision::prague},
    {"blsPairing", 0x0f, Revision::prague},     {"blsMapG1", 0x10, Revision::prague},
    {"blsMapG2", 0x11, Revision::prague},       {"p256Verify", 0x100, Revision::osaka},
};

Address address_of(unsigned number) {
    Address address;
    address.bytes[18] = static_cast<std::uint8_t>(number >> 8);
    address.bytes[19] = static_cast<std::uint8_t>(number & 0xff);
    return address;
}

std::string hex_number(unsigned number) {
    char digits[8];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number, 16).ptr;
    return "0x" + std::string{std::begin(digits), end};
}

struct Tally {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
    std::map<std::string, std::uint64_t> skip_reasons;
    json failures = json::array();
};

struct Verdict {
    enum class Kind { passed, failed, skipped };
    Kind kind = Kind::passed;
    std::string reason;
};

Verdict fail(std::string reason) {
    return {Verdict::Kind::failed, std::move(reason)};
}

Verdict run_case(const Contract& contract, const json& test) {
    using enum PrecompileResult::Status;
    const auto input = from_hex(test.at("Input").get<std::string>());
    if (!input) return fail("its Input is not hexadecimal");
    const Address address = address_of(contract.number);
    const auto run = [&](std::int64_t gas) {
        return evm::run_precompile(contract.revision, address, *input, gas);
    };
    if (test.contains("ExpectedError")) {
        constexpr std::int64_t plenty = 1'000'000'000;
        const PrecompileResult result = run(plenty);
        if (result.status == not_supported) {
            return {Verdict::Kind::skipped, hex_number(contract.number) + " is not supported"};
        }
        if (result.status != failed) {
            return fail("was not refused: " + test["ExpectedError"].get<std::string>());
        }
        return {};
    }
    const auto price = test.at("Gas").get<std::int64_t>();
    const PrecompileResult result = run(price);
    if (result.status == not_supported) {
        return {Verdict::Kind::skipped, hex_number(contract.number) + " is not supported"};
    }
    if (result.status == out_of_gas) return fail("costs more than " + std::to_string(price));
    if (result.status != success) return fail("was refused");
    if (result.gas_left != 0) return fail("leaves " + std::to_string(result.gas_left) + " gas");
    const std::string output = to_hex(result.output);
    const auto wanted = test.at("Expected").get<std::string>();
    if (output != wanted) return fail("gives " + output + ", not " + wanted);
    if (price > 0 && run(price - 1).status != out_of_gas) {
        return fail("runs with less than " + std::to_string(price) + " gas");
    }
    return {};
}

void run_file(const fs::path& path, const std::string& shown, Tally& tally, bool as_json) {
    std::string name = path.stem();
    if (name.starts_with("fail-")) name.erase(0, 5);
    const auto* const contract = std::ranges::find(contracts, name, &Contract::file);
    const auto report = [&](const std::string& at, const std::string& reason) {
        ++tally.failed;
        tally.failures.push_back({{"case", at}, {"problem", reason}});
        if (!as_json) std::cout << "FAIL " << at << ": " << reason << '\n';
    };
    std::ifstream stream{path};
    const json tests = json::parse(stream, nullptr, false);
    if (tests.is_discarded() || !tests.is_array()) return report(shown, "is not a list of cases");
    if (contract == std::end(contracts)) return report(shown, "names no contract known here");
    for (const json& test : tests) {
        const std::string at = shown + "/" + test.at("Name").get<std::string>();
        const Verdict verdict = run_case(*contract, test);
        switch (verdict.kind) {
            case Verdict::Kind::passed:
                ++tally.passed;
                break;
            case Verdict::Kind::failed:
                report(at, verdict.reason);
                break;
            case Verdict::Kind::skipped:
                ++tally.skipped;
                ++tally.skip_reasons[verdict.reason];
                break;
        }
    }
}

}  // namespace

int run_evm_precompile_suite(const fs::path& folder, bool as_json) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        const fs::path& path = entry.path();
        if (path.extension() == ".json" && path.parent_path().filename() == "precompiles") {
            files.push_back(path);
        }
    }
    if (files.empty()) {
        std::cerr << "error: no precompiles/*.json below " << folder.string()
                  << "; unpack the suites first\n";
        return 1;
    }
    std::ranges::sort(files);
    Tally tally;
    for (const fs::path& path : files)
        run_file(path, path.stem(), tally, as_json);
    if (as_json) {
        const json report = {{"suite", "evm-precompiles"},
                             {"passed", tally.passed},
                             {"failed", tally.failed},
                             {"skipped", tally.skipped},
                             {"skip_reasons", tally.skip_reasons},
                             {"failures", tally.failures}};
        std::cout << report.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    } else {
        for (const auto& [reason, number] : tally.skip_reasons)
            std::cout << "skipped " << number << ": " << reason << '\n';
        std::cout << tally.passed << " passed, " << tally.failed << " failed, " << tally.skipped
                  << " skipped\n";
    }
    return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace millrace::spec
