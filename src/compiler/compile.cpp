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
};
constexpr std::uint32_t part_bytes = 32U << 10;

std::vector<Part> split(const wasm::ModuleData& module) {
    std::vector<Part> parts;
    std::uint64_t bytes = 0;
    for (std::uint32_t index = 0; index < module.bodies.size(); ++index) {
        const std::uint32_t size = module.bodies[index].end - module.bodies[index].begin;
        if (parts.empty() || bytes + size > part_bytes) {
            parts.push_back({index, 0});
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

/// Thunks for every type that functions have, and for those that a host's may have.
Outcome<Bytes> compile_thunks(const wasm::ModuleData& module, aot::Convention convention) {
    MILLRACE_TRY(CodeGenerator generator, CodeGenerator::create());
    llvm::LLVMContext context;
    Unit unit{context, module, "thunks", convention};
    std::set<std::uint32_t> entered;
    for (const wasm::Body& body : module.bodies)
        entered.insert(body.type);
    for (const std::uint32_t type : entered)
        unit.define_entry_thunk(type);
    for (std::uint32_t type = 0; type < module.types.size(); ++type)
        unit.define_host_thunk(type);
    return generator.generate(unit);
}

Outcome<Bytes> compile_part(const wasm::ModuleData& module, const Part& part,
                            aot::Convention convention, aot::Metering metering,
                            std::vector<FrameUse>& frames) {
    MILLRACE_TRY(CodeGenerator generator, CodeGenerator::create());
    llvm::LLVMContext context;
    Unit unit{context, module, "part" + std::to_string(part.first), convention, metering};
    for (std::uint32_t index = part.first; index < part.first + part.count; ++index) {
        const wasm::Code code = wasm::translate(module, module.bodies[index]);
        frames[index] = frame_use(module, code);
        lower_function(unit, module.imported_functions + index, code);
    }
    return generator.generate(unit);
}

}  // namespace

Outcome<aot::Image> compile_module(const wasm::Module& loaded, const CompileOptions& options) {
    const wasm::ModuleData& module = loaded.data();
    const std::vector<Part> parts = split(module);
    const aot::Convention convention = convention_of(module);
    std::vector<FrameUse> frames(module.bodies.size());
    std::vector<Outcome<Bytes>> objects(parts.size() + 1, Outcome<Bytes>{Bytes{}});
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t index = next++; index < objects.size(); index = next++) {
            objects[index] = index < parts.size() ? compile_part(module, parts[index], convention,
                                                                 options.metering, frames)
                                                  : compile_thunks(module, convention);
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (unsigned number = 1; number < options.threads; ++number)
            helpers.emplace_back(work);
        work();
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
