// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/compile.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "compiler/codegen.hpp"
#include "compiler/object.hpp"
#include "compiler/stack_bound.hpp"
#include "crypto/hash.hpp"
#include "wasm/module_data.hpp"
#include "wasm/outline.hpp"

namespace millrace::compiler {
namespace {

/// Functions that are compiled together: some tens of kilobytes of WebAssembly.
struct Part {
    std::uint32_t first = 0;  ///< indices of defined functions
    std::uint32_t count = 0;
    std::set<std::uint32_t> host_types;  ///< told by its compilation: Unit::host_types
};
constexpr std::uint32_t part_bytes = 32U << 10;

std::vector<Part> split(const wasm::ModuleData& module) {
    std::vector<Part> parts;
    std::uint64_t bytes = 0;
    for (std::uint32_t index = 0; index < module.bodies.size(); ++index) {
        const std::uint32_t size = module.bodies[index].end - module.bodies[index].begin;
        if (parts.empty() || bytes + size > part_bytes) {
            parts.push_back({.first = index, .host_types = {}});
            bytes = 0;
        }
        ++parts.back().count;
        bytes += size;
    }
    return parts;
}

/// Only modules with tail calls pay for the convention that they need.
aot::Convention convention_of(const wasm::ModuleData& module) {
    for (const wasm::Body& body : module.bodies) {
        for (const wasm::Instr& instr : wasm::translate(module, body).instrs) {
            if (instr.op == wasm::IrOp::return_call || instr.op == wasm::IrOp::return_call_indirect)
                return aot::Convention::tail;
        }
    }
    return aot::Convention::plain;
}

/// One for each type that functions of the module have; and those that its code calls.
void define_thunks(Unit& unit, const std::set<std::uint32_t>& host_types) {
    std::set<std::uint32_t> entered;
    for (const wasm::Body& body : unit.source().bodies)
        entered.insert(body.type);
    for (const std::uint32_t type : entered)
        unit.define_entry_thunk(type);
    for (const std::uint32_t type : host_types)
        unit.define_host_thunk(type);
}

/// One thread's work; a target machine is dear to make.
class Worker {
  public:
    Worker(const wasm::ModuleData& module, aot::Convention convention, aot::Metering metering,
           CodeGenerator generator)
        : module_{module},
          convention_{convention},
          metering_{metering},
          generator_{std::move(generator)} {}

    Outcome<Bytes> compile(Part& part, std::vector<FrameUse>& frames, bool is_whole) {
        llvm::LLVMContext context;
        Unit unit{context, module_, "part" + std::to_string(part.first), convention_, metering_};
        for (std::uint32_t index = part.first; index < part.first + part.count; ++index) {
            const wasm::Code code = wasm::translate(module_, module_.bodies[index]);
            frames[index] = frame_use(module_, code);
            lower_function(unit, module_.imported_functions + index, code);
        }
        part.host_types = unit.host_types();
        if (is_whole) define_thunks(unit, part.host_types);
        return generator_.generate(unit);
    }
    Outcome<Bytes> compile_thunks(const std::set<std::uint32_t>& host_types) {
        llvm::LLVMContext context;
        Unit unit{context, module_, "thunks", convention_};
        define_thunks(unit, host_types);
        return generator_.generate(unit);
    }

  private:
    const wasm::ModuleData& module_;
    const aot::Convention convention_;
    const aot::Metering metering_;
    CodeGenerator generator_;
};

}  // namespace

Outcome<aot::Image> compile_module(const wasm::Module& loaded, const CompileOptions& options) {
    const wasm::ModuleData& module = loaded.data();
    std::vector<Part> parts = split(module);
    const aot::Convention convention = convention_of(module);
    std::vector<FrameUse> frames(module.bodies.size());
    std::vector<Outcome<Bytes>> objects(parts.size(), Outcome<Bytes>{Bytes{}});
    std::vector<Worker> workers;
    const std::size_t workers_wanted =
        std::clamp<std::size_t>(options.threads, 1, std::max<std::size_t>(parts.size(), 1));
    while (workers.size() < workers_wanted) {
        MILLRACE_TRY(CodeGenerator generator, CodeGenerator::create());
        workers.emplace_back(module, convention, options.metering, std::move(generator));
    }
    std::atomic<std::size_t> next{0};
    const auto work = [&](Worker& worker) {
        for (std::size_t index = next++; index < parts.size(); index = next++)
            objects[index] = worker.compile(parts[index], frames, parts.size() == 1);
    };
    {
        std::vector<std::jthread> helpers;
        for (std::size_t number = 1; number < workers.size(); ++number)
            helpers.emplace_back([&, number] { work(workers[number]); });
        work(workers[0]);
    }
    if (parts.size() > 1) {
        std::set<std::uint32_t> host_types;
        for (const Part& part : parts)
            host_types.insert(part.host_types.begin(), part.host_types.end());
        objects.push_back(workers[0].compile_thunks(host_types));
    }
    std::vector<Bytes> bytes;
    for (Outcome<Bytes>& object : objects) {
        if (!object) return Err{object.error()};
        bytes.push_back(std::move(object).value());
    }
    MILLRACE_TRY(LinkedCode linked, link_objects(bytes));
    aot::Image image;
    image.convention = convention;
    image.metering = options.metering;
    image.module = crypto::sha256(module.bytes);
    for (std::uint32_t index = 0; index < module.bodies.size(); ++index) {
        const std::string name = "f" + std::to_string(module.imported_functions + index);
        const std::string thunk = "e" + std::to_string(module.bodies[index].type);
        image.functions.push_back({linked.symbols.at(name), linked.symbols.at(thunk)});
        frames[index].bytes += linked.frame_bytes.at(name);
    }
    image.stack_bytes = stack_bound(frames);
    image.outline = wasm::outline_of(module);
    image.code = std::move(linked.code);
    return image;
}

}  // namespace millrace::compiler
