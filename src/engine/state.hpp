// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <millrace/engine.hpp>
#include "aot/tier.hpp"
#include "base/bytes.hpp"
#include "base/failure.hpp"
#include "wasm/instance.hpp"
#include "wasm/module.hpp"

// What stands behind the handles of the public header, include/millrace/engine.hpp.

namespace millrace::engine {

struct Module::State {
    std::shared_ptr<const wasm::Module> module;
    Bytes bytes;
    Hash32 hash;  ///< SHA-256 of the bytes: what machine code names its module by
};

struct MachineCode::State {
    std::shared_ptr<const aot::LoadedImage> image;
    Bytes bytes;
};

Error to_error(const Failure& failure);
std::string describe(const wasm::ImportInfo& import);
std::string describe(const wasm::ExportInfo& item);

/// Null in `tier` when there is no code; an Error when it is another module's.
std::optional<Error> tier_of(const Module& module, const MachineCode* code,
                             std::unique_ptr<wasm::NativeTier>& tier);

}  // namespace millrace::engine
