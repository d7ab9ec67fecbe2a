// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aot/abi.hpp"
#include "base/bytes.hpp"
#include "base/failure.hpp"

/// A compiled module as bytes (docs/formats/compiled.md): one position-independent block of code
/// and constants, where in it each function starts, and the module's outline, so that whoever runs
/// the code needs nothing else of the module. Nothing here runs or maps it: see tier.hpp.
///
/// The bytes come from a file that may be torn, old or somebody else's. decode_image() takes only
/// what encode_image() of the same engine version wrote: every length is exact, every offset lies
/// in the code, and the digest at the end covers all before it. That finds damage, not malice:
/// whoever can write a file with a right digest can write code that runs. So images are read from
/// the owner's own folder only, and run only inside the sandbox.
///
/// The outline is trusted as the code is, and for the same reason: both were made by our compiler
/// from a module that it had validated, lie under one digest, and belong to the module whose hash
/// the image states. The module's bytes are not looked at again when its image runs; whoever picks
/// the image by that hash has it from the bytes themselves.
namespace millrace::aot {

/// The processors that the code needs, and the LLVM that made it.
constexpr std::string_view target_name = "x86-64-v2/llvm-19";

constexpr std::uint64_t image_code_max = 1ULL << 30;
/// More than any image can have.
constexpr std::uint64_t image_bytes_max = 2 * image_code_max;

/// One function defined in the module.
struct FunctionEntry {
    std::uint32_t offset = 0;  ///< of its code
    std::uint32_t thunk = 0;   ///< of the EntryThunk of its type
};

struct Image {
    Convention convention = Convention::plain;
    Metering metering = Metering::exact;
    Hash32 module;  ///< SHA-256 of the module's bytes
    /// Bytes of native stack that the deepest chain of calls can take, within the limits of a run.
    std::uint64_t stack_bytes = 0;
    std::vector<FunctionEntry> functions;
    Bytes outline;  ///< what instantiation needs of the module: wasm/outline.hpp
    Bytes code;
};

Bytes encode_image(const Image& image);

/// Whether to read all of it once more. Not when the bytes come straight from a process that has
/// just checked them: a worker's parent.
enum class Digest : std::uint8_t { check, checked_before };

/// All of an image but its larger parts, which stay where they are in the bytes.
struct ImageView {
    Image image;
    ByteView outline;
    ByteView code;
};

/// As decode_image() checks, without the copies.
Outcome<ImageView> view_image(ByteView bytes, Metering metering, Digest digest);

/// A Failure says what is wrong with the bytes, and that the module has to be compiled again.
Outcome<Image> decode_image(ByteView bytes, Metering metering = Metering::exact,
                            Digest digest = Digest::check);

/// Likewise; and that it is the image of this module.
Outcome<void> check_image(ByteView bytes, const Hash32& module);

/// Bytes that an image asks for, unchecked, for whoever makes room before it is decoded; 0 when
/// there is nothing to read.
struct StatedSizes {
    std::uint64_t stack = 0;
    std::uint64_t outline = 0;
};
StatedSizes stated_sizes(ByteView bytes) noexcept;

}  // namespace millrace::aot
