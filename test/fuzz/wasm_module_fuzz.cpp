// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any bytes: loading ends in a module or an error inside the bytes; a module's exports run within a
// small limit, and twice give the same outcome and fuel.

#include <cstdint>
#include <string>

#include "base/assert.hpp"
#include "wasm/instance.hpp"

using namespace millrace;
using namespace millrace::wasm;

namespace {

std::string run_all(const std::shared_ptr<const Module>& module) {
    Store store{{.memory_pages_max = 64, .table_entries_max = 10'000}};
    store.set_fuel_limit(200'000);
    Linker linker{store};
    for (const ImportInfo& import : module->imports()) {
        if (import.kind != ExternKind::function) continue;
        const auto tick = [](HostContext& host, std::span<const Value>, std::span<Value>) {
            return host.charge(3) ? HostOutcome::done() : HostOutcome::out_of_fuel();
        };
        linker.define_function(std::string{import.module}, std::string{import.name},
                               {.type = {}, .call = tick});
    }
    const auto instance = linker.instantiate(module);
    if (!instance) return instance.error().message + std::to_string(store.fuel_used());
    std::string log;
    int calls = 0;
    for (const ExportInfo& entry : module->exports()) {
        const FuncType* type = module->exported_function(entry.name);
        if (type == nullptr || ++calls > 20) continue;
        std::vector<Value> args;
        for (const ValueType param : type->params)
            args.push_back({param, is_reference(param) ? 0U : 3U});
        log += to_text(instance.value()->invoke(entry.name, args));
        log += " " + std::to_string(store.fuel_used()) + "\n";
        MILLRACE_ASSERT(store.fuel_used() <= store.fuel_limit());
    }
    return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto module = Module::load({data, size});
    if (!module) {
        MILLRACE_ASSERT(module.error().offset <= size);
        MILLRACE_ASSERT(!module.error().message.empty());
        return 0;
    }
    MILLRACE_ASSERT(run_all(module.value()) == run_all(module.value()));
    return 0;
}
