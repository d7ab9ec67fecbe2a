// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/wasm_suite.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "aot/compile.hpp"
#include "aot/tier.hpp"
#include "wasm/instance.hpp"
#include "wasm/module_data.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace millrace::wasm;

struct Tally {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
    std::map<std::string, std::uint64_t> skip_reasons;
    json failures = json::array();
};

Bytes read_file(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file) throw std::runtime_error{"cannot read " + path.string()};
    return Bytes{std::istreambuf_iterator<char>{file}, {}};
}

HostFunction print_function(std::vector<ValueType> params) {
    return {.type = {std::move(params), {}},
            .call = [](HostContext&, std::span<const Value>, std::span<Value>) {
                return HostOutcome::done();
            }};
}

/// One .json file: a world of its own.
class Script {
    static aot::ImageSource compiled_by(aot::CompilerService& compiler) {
        return
            [&compiler](const Module& module) -> Outcome<std::shared_ptr<const aot::LoadedImage>> {
                MILLRACE_TRY(const Bytes bytes, compiler.compile(module.data().bytes));
                return aot::LoadedImage::load(bytes);
            };
    }

  public:
    Script(fs::path file, std::string shown, Tally& tally, bool is_quiet,
           aot::CompilerService* compiler)
        : file_{std::move(file)}, shown_{std::move(shown)}, tally_{tally}, is_quiet_{is_quiet} {
        if (compiler != nullptr) store_.use(aot::make_tier(compiled_by(*compiler)));
        // Deep recursion of the suite ends at the depth limit long before this.
        store_.set_fuel_limit(20'000'000'000);
        using enum ValueType;
        linker_.define_function("spectest", "print", print_function({}));
        linker_.define_function("spectest", "print_i32", print_function({i32}));
        linker_.define_function("spectest", "print_i64", print_function({i64}));
        linker_.define_function("spectest", "print_f32", print_function({f32}));
        linker_.define_function("spectest", "print_f64", print_function({f64}));
        linker_.define_function("spectest", "print_i32_f32", print_function({i32, f32}));
        linker_.define_function("spectest", "print_f64_f64", print_function({f64, f64}));
        const auto global = [this](const char* name, Value value) {
            linker_.define("spectest", name, store_.add_global({value.type, false}, value));
        };
        global("global_i32", Value::i32(666));
        global("global_i64", Value::i64(666));
        global("global_f32", Value::f32(666.6F));
        global("global_f64", Value::f64(666.6));
        linker_.define("spectest", "table", store_.add_table({funcref, {10, 20}}));
        linker_.define("spectest", "memory", store_.add_memory({1, 2}).value());
    }

    void run() {
        const json script = json::parse(read_file(file_));
        for (const json& command : script.at("commands")) {
            line_ = command.at("line").get<std::uint64_t>();
            const std::string type = command.at("type");
            run_command(type, command);
        }
    }

  private:
    void pass() { ++tally_.passed; }
    void fail(const std::string& reason) {
        ++tally_.failed;
        const std::string at = shown_ + ":" + std::to_string(line_);
        if (!is_quiet_) std::printf("FAIL %s: %s\n", at.c_str(), reason.c_str());
        tally_.failures.push_back({{"at", at}, {"reason", reason}});
    }
    void skip(const std::string& reason) {
        ++tally_.skipped;
        ++tally_.skip_reasons[reason];
    }

    static std::string skip_reason(const ModuleError& error) {
        // Without opcode and offset, so that reasons can be counted.
        const std::size_t end = error.message.find(" (");
        return "outside the profile: " + error.message.substr(0, end);
    }

    auto load(const json& command) {
        return Module::load(read_file(file_.parent_path() / command.at("filename")));
    }

    void run_command(const std::string& type, const json& command) {
        if (command.value("module_type", "binary") == "text") return skip("text format");
        if (type == "module") return module(command);
        if (type == "register") return register_as(command);
        if (type == "action" || type == "assert_return") return expect_values(command);
        if (type == "assert_trap" || type == "assert_exhaustion") return expect_trap(command);
        if (type == "assert_invalid") return refuses(command, ModuleErrorKind::invalid);
        if (type == "assert_malformed") return refuses(command, ModuleErrorKind::malformed);
        if (type == "assert_unlinkable" || type == "assert_uninstantiable")
            return stops(command, type == "assert_unlinkable");
        fail("unknown command " + type);
    }

    void module(const json& command) {
        const std::string name = command.value("name", "");
        current_ = nullptr;
        unsupported_.clear();
        const auto loaded = load(command);
        if (!loaded) {
            if (loaded.error().kind == ModuleErrorKind::unsupported) {
                unsupported_ = skip_reason(loaded.error());
                if (!name.empty()) named_unsupported_[name] = unsupported_;
                return skip(unsupported_);
            }
            return fail(loaded.error().text());
        }
        if (command.contains("definition")) return pass();  // validated, never instantiated
        const auto instance = linker_.instantiate(loaded.value());
        if (!instance) {
            if (!name.empty()) named_.erase(name);
            return fail(instance.error().message);
        }
        current_ = instance.value();
        if (!name.empty()) named_[name] = current_;
        pass();
    }

    /// The instance that a command names; counts the command when there is none.
    Instance* instance_of(const json& command, const char* key) {
        if (!command.contains(key)) {
            if (current_ == nullptr) unsupported_.empty() ? fail("no module") : skip(unsupported_);
            return current_;
        }
        const std::string name = command.at(key);
        const auto found = named_.find(name);
        if (found != named_.end()) return found->second;
        const auto refused = named_unsupported_.find(name);
        refused == named_unsupported_.end() ? fail("no module " + name) : skip(refused->second);
        return nullptr;
    }

    void register_as(const json& command) {
        Instance* instance = instance_of(command, "name");
        if (instance == nullptr) return;
        linker_.define_instance(command.at("as"), *instance);
        pass();
    }

    /// Bits of a lane; `nan:canonical` and the like only where a result is expected.
    static unsigned lane_bits(const std::string& type) {
        if (type == "i8") return 8;
        if (type == "i16") return 16;
        return type == "i32" || type == "f32" ? 32 : 64;
    }
    static Value parse_vector(const json& value) {
        const unsigned bits = lane_bits(value.at("lane_type"));
        std::uint64_t halves[2] = {};
        unsigned at = 0;
        for (const json& lane : value.at("value")) {
            halves[at / 64] |= std::stoull(lane.get<std::string>()) << (at % 64);
            at += bits;
        }
        return Value::v128(halves[0], halves[1]);
    }
    static bool matches_vector(const Value& got, const json& wanted) {
        const std::string type = wanted.at("lane_type");
        const unsigned bits = lane_bits(type);
        const std::uint64_t halves[2] = {got.bits, got.high};
        unsigned at = 0;
        for (const json& lane : wanted.at("value")) {
            const std::uint64_t found = (halves[at / 64] >> (at % 64)) & (~0ULL >> (64 - bits));
            if (!matches_number(found, bits == 32, lane.get<std::string>())) return false;
            at += bits;
        }
        return at == 128;
    }

    static Value parse(const json& value) {
        const std::string type = value.at("type");
        if (type == "v128") return parse_vector(value);
        const std::string text = value.at("value");
        if (type == "i32") return Value::i32(static_cast<std::uint32_t>(std::stoull(text)));
        if (type == "i64") return Value::i64(std::stoull(text));
        if (type == "f32") return {ValueType::f32, std::stoull(text)};
        if (type == "f64") return {ValueType::f64, std::stoull(text)};
        if (type == "externref" || type == "funcref") {
            const ValueType kind = type == "funcref" ? ValueType::funcref : ValueType::externref;
            return text == "null" ? Value::null(kind) : Value::externref(std::stoull(text));
        }
        throw std::runtime_error{"value type " + type};
    }

    /// Null after counting the command, when it cannot run.
    std::optional<RunOutcome> act(const json& command) {
        const json& action = command.at("action");
        Instance* instance = instance_of(action, "module");
        if (instance == nullptr) return std::nullopt;
        const std::string field = action.at("field");
        if (action.at("type") == "get") {
            const auto found = instance->find_export(field);
            if (!found || found->kind != ExternKind::global) {
                fail("no global " + field);
                return std::nullopt;
            }
            return Returned{{store_.global_value(*found)}};
        }
        std::vector<Value> args;
        for (const json& value : action.at("args"))
            args.push_back(parse(value));
        return instance->invoke(field, args);
    }

    static bool matches(const Value& got, const json& wanted) {
        const std::string type = wanted.at("type");
        if (to_text(got.type) != type) return false;
        if (!wanted.contains("value")) return got.bits != 0;
        if (got.type == ValueType::v128) return matches_vector(got, wanted);
        const std::string text = wanted.at("value");
        // The suite's (ref.func) is written as a number; it stands for any function.
        if (got.type == ValueType::funcref && text != "null") return got.bits != 0;
        if (text.starts_with("nan:"))
            return matches_number(got.bits, got.type == ValueType::f32, text);
        return got.bits == parse(wanted).bits;
    }
    /// A number as its bits, or a class of NaNs.
    static bool matches_number(std::uint64_t bits, bool is_32, const std::string& text) {
        if (text != "nan:canonical" && text != "nan:arithmetic") return bits == std::stoull(text);
        // Profile det-1 gives the positive one, which both allow; constants keep any NaN.
        const std::uint64_t quiet = is_32 ? 0x7fc00000 : 0x7ff8000000000000;
        const std::uint64_t sign = is_32 ? 1ULL << 31U : 1ULL << 63U;
        if (text == "nan:canonical") return (bits & ~sign) == quiet;
        return (bits & quiet) == quiet;
    }

    void expect_values(const json& command) {
        const auto outcome = act(command);
        if (!outcome) return;
        const auto* returned = std::get_if<Returned>(&*outcome);
        if (returned == nullptr) return fail("wanted values, got " + to_text(*outcome));
        if (command.at("type") == "action") return pass();
        const json& expected = command.at("expected");
        const bool equal =
            returned->values.size() == expected.size() &&
            std::equal(returned->values.begin(), returned->values.end(), expected.begin(), matches);
        if (!equal) return fail("wanted " + expected.dump() + ", got " + to_text(*outcome));
        pass();
    }

    void expect_trap(const json& command) {
        const auto outcome = act(command);
        if (!outcome) return;
        const auto* trapped = std::get_if<Trapped>(&*outcome);
        const std::string wanted = command.at("text");
        if (trapped == nullptr || !same_trap(wanted, trapped->kind))
            return fail("wanted trap \"" + wanted + "\", got " + to_text(*outcome));
        pass();
    }
    /// The suite writes "uninitialized element 2", or "undefined" for "undefined element".
    static bool same_trap(const std::string& wanted, TrapKind kind) {
        const std::string text{to_text(kind)};
        return wanted.starts_with(text) || text.starts_with(wanted);
    }

    void refuses(const json& command, ModuleErrorKind kind) {
        const auto loaded = load(command);
        const std::string wanted =
            std::string{to_text(kind)} + " (" + command.at("text").get<std::string>() + ")";
        if (loaded) return fail("wanted " + wanted + ", but the module was accepted");
        if (loaded.error().kind == ModuleErrorKind::unsupported)
            return skip(skip_reason(loaded.error()));
        if (loaded.error().kind != kind)
            return fail("wanted " + wanted + ", got: " + loaded.error().text());
        pass();
    }

    void stops(const json& command, bool at_linking) {
        const auto loaded = load(command);
        if (!loaded && loaded.error().kind == ModuleErrorKind::unsupported)
            return skip(skip_reason(loaded.error()));
        if (!loaded) return fail(loaded.error().text());
        const auto instance = linker_.instantiate(loaded.value());
        const std::string wanted = command.at("text");
        if (instance) return fail("wanted \"" + wanted + "\", but the module was instantiated");
        const LinkError& error = instance.error();
        if (at_linking) {
            if (!error.message.starts_with(wanted))
                return fail("wanted \"" + wanted + "\", got " + error.message);
            return pass();
        }
        const auto* trapped = std::get_if<Trapped>(&error.outcome);
        if (error.kind != LinkErrorKind::stopped || trapped == nullptr ||
            !same_trap(wanted, trapped->kind))
            return fail("wanted trap \"" + wanted + "\", got " + error.message);
        pass();
    }

    fs::path file_;
    std::string shown_;
    Tally& tally_;
    bool is_quiet_;
    std::uint64_t line_ = 0;
    Store store_;
    Linker linker_{store_};
    Instance* current_ = nullptr;
    std::string unsupported_;  ///< why the current module is missing
    std::map<std::string, Instance*> named_;
    std::map<std::string, std::string> named_unsupported_;
};

}  // namespace

int run_wasm_suite(const fs::path& folder, bool as_json, bool compiled) {
    std::optional<aot::CompilerService> compiler;
    if (compiled) {
        auto started = aot::CompilerService::start();
        if (!started) throw std::runtime_error{started.error().text()};
        compiler = std::move(started).value();
    }
    std::vector<fs::path> scripts;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        const fs::path& path = entry.path();
        if (path.extension() != ".json" || path.stem() != path.parent_path().filename()) continue;
        const std::string group = path.parent_path().parent_path().filename();
        if (group == "testsuite" || group == "testsuite-older") scripts.push_back(path);
    }
    std::ranges::sort(scripts);
    Tally tally;
    for (const fs::path& path : scripts) {
        const std::string shown = path.parent_path().parent_path().filename().string() + "/" +
                                  path.stem().string() + ".wast";
        try {
            Script{path, shown, tally, as_json, compiler ? &*compiler : nullptr}.run();
        } catch (const std::exception& error) {
            ++tally.failed;
            tally.failures.push_back({{"at", shown}, {"reason", error.what()}});
            if (!as_json) std::printf("FAIL %s: %s\n", shown.c_str(), error.what());
        }
    }
    if (as_json) {
        const json report = {{"suite", "wasm"},
                             {"passed", tally.passed},
                             {"failed", tally.failed},
                             {"skipped", tally.skipped},
                             {"skip_reasons", tally.skip_reasons},
                             {"failures", tally.failures}};
        std::printf("%s\n", report.dump(2).c_str());
    } else {
        for (const auto& [reason, number] : tally.skip_reasons)
            std::printf("skipped %llu: %s\n", static_cast<unsigned long long>(number),
                        reason.c_str());
        if (scripts.empty())
            std::printf("no test scripts below %s; unpack the suites first\n", folder.c_str());
        std::printf("%llu passed, %llu failed, %llu skipped\n",
                    static_cast<unsigned long long>(tally.passed),
                    static_cast<unsigned long long>(tally.failed),
                    static_cast<unsigned long long>(tally.skipped));
    }
    return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace millrace::spec
