// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "base/bytes.hpp"
#include "wasm/module_data.hpp"

/// What is left of a module when its functions are machine code: all that instantiation needs
/// (types, imports, tables, memories, globals, exports, segments), and of each function its type.
///
/// An outline is a module in the binary format: the sections of the original, byte for byte,
/// without the custom ones, and a code section whose every body has no bytes. So there is one
/// decoder, with all its checks, for both; what it does not see are the bodies. A large module's
/// outline is mostly its data.
///
/// Who loads an outline (Module::load_outline) trusts whoever made it to have validated the module,
/// as they trust them with its machine code: outlines lie within images (src/aot/image.hpp) and
/// come from nowhere else. A false one cannot harm the process that reads it, but makes another
/// program of the module. It cannot be interpreted: Linker refuses it in a store without a
/// NativeTier.
namespace millrace::wasm {

/// Of a loaded module, which is no outline itself.
Bytes outline_of(const ModuleData& module);

}  // namespace millrace::wasm
