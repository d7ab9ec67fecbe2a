// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree_run.hpp"

#include <algorithm>

#include "aot/float_program.hpp"
#include "aot/loop_program.hpp"
#include "base/prng.hpp"
#include "spec/agree_program.hpp"
#include "wasm/naive_program.hpp"
#include "wasm/runtime.hpp"

namespace millrace::spec {

using namespace wasm;

namespace {

/// Smaller than a task's, so that runs meet them and stores are cheap.
constexpr StoreLimits limits{.memory_pages_max = 3,
                             .table_entries_max = 20,
                             .call_depth_max = 150,
                             .stack_slots_max = 8'192};

/// The import env.host(what, value): most of `what` only gives back another value.
HostOutcome answer(HostContext& host, std::span<const Value> given, std::span<Value> results) {
    const std::uint32_t asked = given[0].as_i32();
    std::uint64_t value = given[1].bits;
    if (asked == 8) return HostOutcome::trap(TrapKind::limit_exceeded);
    if (asked == 9) return HostOutcome::exit(7);
    if (!host.charge(asked)) return HostOutcome::out_of_fuel();
    // What a host sees of fuel is a result's business as well, and what it writes a memory's.
    if (asked == 10) value ^= host.fuel_used();
    if (asked == 11) (void)host.memory().write_u64(value % 65'000, value);
    results[0] = Value::i64((value ^ asked) * 0x9e3779b97f4a7c15);
    return HostOutcome::done();
}

std::vector<std::uint64_t> rest_of(const InstanceData& instance) {
    std::vector<std::uint64_t> rest;
    for (const Global* global : instance.globals) {
        rest.push_back(global->bits);
        rest.push_back(global->high);
    }
    for (const Table* table : instance.tables) {
        rest.push_back(table->entries.size());
        rest.insert(rest.end(), table->entries.begin(), table->entries.end());
    }
    for (const auto* dropped : {&instance.dropped_data, &instance.dropped_elements})
        rest.insert(rest.end(), dropped->begin(), dropped->end());
    return rest;
}

std::string difference(const std::vector<Checkpoint>& interpreted,
                       const std::vector<Checkpoint>& compiled) {
    const auto [mine, other] = std::ranges::mismatch(interpreted, compiled);
    const auto text = [](auto at, const std::vector<Checkpoint>& list) {
        if (at == list.end()) return std::string{"none"};
        return "fuel " + std::to_string(at->fuel) + " memory " + to_hex(at->memory.view()) +
               " rest " + to_hex(at->rest.view());
    };
    if (mine == interpreted.end() && other == compiled.end()) return {};
    return "checkpoint " + std::to_string(mine - interpreted.begin()) + " of " +
           std::to_string(interpreted.size()) + " interpreted, " + std::to_string(compiled.size()) +
           " compiled: " + text(mine, interpreted) + "; " + text(other, compiled);
}

void count(AgreeCounts& counts, const AgreeShown& shown) {
    ++counts.runs;
    if (shown.is_out_of_fuel()) {
        ++counts.out_of_fuel;
    } else if (shown.outcome.starts_with("returned")) {
        ++counts.returned;
    } else if (shown.outcome.starts_with("exit")) {
        ++counts.exited;
    } else {
        ++counts.trapped;
    }
}

AgreeSample sample_of(const char* family, AgreeProgram program) {
    AgreeSample sample;
    sample.family = family;
    sample.module = program.module();
    sample.is_portable = program.is_portable();
    sample.arguments = {{Value::i64(3), Value::i64(0x8000000000000000)},
                        {Value::i64(0xfffffffffffffffb), Value::i64(0x40490fdb00000100)}};
    return sample;
}

std::string named(const AgreeTrial& trial, const std::string& what) {
    return what + " (arguments " + std::to_string(trial.arguments) + ", fuel limit " +
           std::to_string(trial.limit) + ", a checkpoint each " + std::to_string(trial.interval) +
           ")";
}

}  // namespace

AgreeSample agree_sample(std::uint64_t seed) {
    AgreeSample sample;
    switch (seed % 16) {
        case 0:
        case 8:
            sample.family = "integers";
            sample.module = wasm::twin::Generator{{}, seed}.program().module();
            sample.arguments = {{Value::i32(5), Value::i32(0x80000001)}};
            sample.fuel = 5'000;
            return sample;
        case 2:
        case 10:
            sample.family = "floats";
            sample.module = aot::twin::FloatProgram{seed}.module();
            for (const std::uint64_t bits : {0x7ff4000000000001ULL, 0x3ff8000040490fdbULL})
                sample.arguments.push_back({Value::i64(bits), Value::i64(0xfff0000000000000)});
            return sample;
        case 4:
            sample.family = "loops";
            sample.module = aot::twin::LoopProgram{seed}.module();
            // A NaN to put in memory, and where addresses start; also further rounds.
            for (const std::uint64_t moved : {0ULL, 8ULL, 3ULL << 32U, (20ULL << 32U) + 52})
                sample.arguments.push_back({Value::i64(0xfff4000000000001), Value::i64(moved)});
            sample.fuel = 30'000;
            return sample;
        case 6:
        case 12:
        case 14:
            return sample_of("wide", AgreeProgram{seed, AgreeProgram::Size::large});
        default:
            return sample_of("small", AgreeProgram{seed, AgreeProgram::Size::small});
    }
}

void AgreeCounts::add(const AgreeCounts& more) {
    runs += more.runs;
    returned += more.returned;
    trapped += more.trapped;
    exited += more.exited;
    out_of_fuel += more.out_of_fuel;
    checkpoints += more.checkpoints;
    node += more.node;
}

std::string difference(const AgreeShown& interpreted, const AgreeShown& compiled) {
    if (interpreted.outcome != compiled.outcome)
        return "interpreted: " + interpreted.outcome + "; compiled: " + compiled.outcome;
    if (const std::string parted = difference(interpreted.checkpoints, compiled.checkpoints);
        !parted.empty())
        return interpreted.outcome + "; " + parted;
    if (interpreted.fuel != compiled.fuel)
        return interpreted.outcome + "; fuel interpreted: " + std::to_string(interpreted.fuel) +
               "; compiled: " + std::to_string(compiled.fuel);
    if (!interpreted.is_out_of_fuel()) {
        if (interpreted.memory.size() != compiled.memory.size()) return "sizes of memory";
        if (interpreted.memory != compiled.memory) {
            const auto [mine, other] = std::ranges::mismatch(interpreted.memory, compiled.memory);
            return interpreted.outcome + "; memory from byte " +
                   std::to_string(mine - interpreted.memory.begin());
        }
        if (interpreted.rest != compiled.rest)
            return interpreted.outcome + "; globals, tables or dropped segments";
    }
    return {};
}

Outcome<AgreePair> AgreePair::load(const AgreeSample& sample, ByteView image) {
    AgreePair pair;
    pair.sample_ = &sample;
    const auto module = Module::load(sample.module);
    if (!module) return Err{Failure{module.error().text(), "", ""}};
    pair.module_ = *module;
    MILLRACE_TRY(pair.image_, aot::LoadedImage::load(image));
    return pair;
}

AgreeShown AgreePair::run(bool is_compiled, const AgreeTrial& trial) const {
    Store store{limits};
    if (is_compiled) {
        store.use(aot::make_tier([this](const Module&) {
            return Outcome<std::shared_ptr<const aot::LoadedImage>>{image_};
        }));
    }
    store.set_fuel_limit(trial.limit);
    Linker linker{store};
    linker.define_function(
        "env", "host",
        {.type = {{ValueType::i32, ValueType::i64}, {ValueType::i64}}, .call = answer, .fuel = 10});
    AgreeShown shown;
    const auto instance = linker.instantiate(module_);
    if (!instance) {
        shown.outcome = instance.error().kind == LinkErrorKind::stopped
                            ? to_text(instance.error().outcome)
                            : "not linked: " + instance.error().message;
        shown.fuel = store.fuel_used();
        return shown;
    }
    InstanceData& data = instance.value()->data();
    if (trial.interval > 0) take_checkpoints(data, trial.interval, nullptr, shown.checkpoints);
    shown.outcome = to_text(instance.value()->invoke("f", sample_->arguments[trial.arguments]));
    shown.fuel = store.fuel_used();
    if (shown.is_out_of_fuel()) return shown;
    shown.memory = to_bytes(instance.value()->memory()->bytes());
    shown.rest = rest_of(data);
    return shown;
}

std::string compare_tiers(const AgreeSample& sample, const AgreePair& pair,
                          std::uint64_t trials_seed, AgreeCounts& counts) {
    Prng prng{trials_seed};
    const auto compare = [&](const AgreeTrial& trial, AgreeShown& interpreted) -> std::string {
        interpreted = pair.run(false, trial);
        const AgreeShown compiled = pair.run(true, trial);
        count(counts, interpreted);
        std::string found = difference(interpreted, compiled);
        if (interpreted.outcome.starts_with("not linked")) found = interpreted.outcome;
        counts.checkpoints += interpreted.checkpoints.size();
        return found.empty() ? found : named(trial, found);
    };
    for (std::size_t index = 0; index < sample.arguments.size(); ++index) {
        AgreeShown whole;
        AgreeShown ignored;
        std::string found = compare({index, sample.fuel, 0}, whole);
        if (!found.empty()) return found;
        const std::uint64_t used = whole.fuel;
        // Up to a dozen checkpoints, or at every safe point of a short run; they must not change
        // anything.
        std::uint64_t interval = std::max<std::uint64_t>(1, used / (1 + prng.below(12)));
        if (used < 2'000 && prng.below(6) == 0) interval = 1 + prng.below(5);
        AgreeShown checked;
        found = compare({index, sample.fuel, interval}, checked);
        whole.checkpoints = checked.checkpoints;
        if (found.empty() && !difference(whole, checked).empty())
            found = "the interpreter without checkpoints and with: " + difference(whole, checked);
        if (!found.empty()) return found;
        const std::uint64_t cuts[] = {used, used - std::min<std::uint64_t>(used, 1),
                                      prng.below(used + 1), prng.below(used / 4 + 1)};
        for (const std::uint64_t cut : cuts) {
            if (index > 0 && prng.below(2) == 0) continue;
            found = compare({index, cut, prng.below(4) == 0 ? interval : 0}, ignored);
            if (!found.empty()) return found;
        }
    }
    return {};
}

}  // namespace millrace::spec
