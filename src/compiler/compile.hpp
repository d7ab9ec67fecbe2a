// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "aot/image.hpp"
#include "base/failure.hpp"
#include "wasm/module.hpp"

namespace millrace::compiler {

struct CompileOptions {
    unsigned threads = 1;
    aot::Metering metering = aot::Metering::exact;
};

/// The image of a module. The same bytes whatever the number of threads.
Outcome<aot::Image> compile_module(const wasm::Module& module, const CompileOptions& options);

}  // namespace millrace::compiler
