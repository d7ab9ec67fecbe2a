// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "aot/image.hpp"
#include "base/failure.hpp"
#include "wasm/module.hpp"
#include "wasm/native_tier.hpp"

/// Runs compiled modules.
///
///     MILLRACE_TRY(const auto code, aot::LoadedImage::load(bytes_of_the_file));
///     store.use(aot::make_tier([&](const wasm::Module&) { return code; }));
///
/// Memories get 8 GiB of address space each, of which only the module's pages can be touched; an
/// access beyond them faults, and the signal handler of this file ends the run with the trap. The
/// handler runs on a stack of its own, takes only faults of code that this tier runs on memory that
/// it reserved, and passes every other on to whoever was there before.
///
/// Compiled code runs on a stack of the tier's, large enough for the deepest chain of calls that
/// the limits of a run allow: the counted limit always comes first. Linux on x86-64 only.
namespace millrace::aot {

/// An image in executable memory, shared by all stores that run it.
class LoadedImage {
  public:
    /// Checks the bytes (image.hpp), copies the code to fresh memory, and makes that executable and
    /// read-only. Needs leave to make memory executable: before a worker locks itself down.
    static Outcome<std::shared_ptr<const LoadedImage>> load(ByteView bytes,
                                                            Metering metering = Metering::exact,
                                                            Digest digest = Digest::check);
    /// Maps an ImageFile (image_file.hpp) by its descriptor, which may be closed afterwards. Takes
    /// the time of a few system calls, whatever the size; the digest was its maker's to check.
    static Outcome<std::shared_ptr<const LoadedImage>> map(int file, std::uint64_t offset,
                                                           std::uint64_t size);
    ~LoadedImage();
    LoadedImage(const LoadedImage&) = delete;
    LoadedImage& operator=(const LoadedImage&) = delete;

    [[nodiscard]] const Hash32& module() const noexcept { return image_.module; }
    /// For wasm::Module::load_outline(), with module().
    [[nodiscard]] ByteView outline() const noexcept { return outline_; }
    [[nodiscard]] Convention convention() const noexcept { return image_.convention; }
    [[nodiscard]] std::uint64_t stack_bytes() const noexcept { return image_.stack_bytes; }
    [[nodiscard]] std::size_t function_count() const noexcept { return image_.functions.size(); }
    [[nodiscard]] const std::uint8_t* code() const noexcept { return code_; }
    [[nodiscard]] std::size_t code_size() const noexcept { return code_size_; }
    [[nodiscard]] const FunctionEntry& function(std::size_t index) const {
        return image_.functions.at(index);
    }

  private:
    LoadedImage() = default;
    Image image_;       ///< its code is in code_
    ByteView outline_;  ///< in image_ or file_
    const std::uint8_t* code_ = nullptr;
    std::size_t code_size_ = 0;
    const std::uint8_t* file_ = nullptr;  ///< all of it, to be read, when it was mapped
    std::size_t file_size_ = 0;
};

/// The code of a module; a Failure when there is none.
using ImageSource = std::function<Outcome<std::shared_ptr<const LoadedImage>>(const wasm::Module&)>;

/// Installs the signal actions and a signal stack for this thread: before a lockdown that would not
/// allow it. False when the system does not. Elsewhere the tier does it by itself.
bool prepare_thread();

/// For wasm::Store::use(). Uses nothing of the process besides memory and two signal actions.
std::unique_ptr<wasm::NativeTier> make_tier(ImageSource source);

}  // namespace millrace::aot
