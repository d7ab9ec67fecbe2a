// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.hpp"
#include "base/failure.hpp"

/// An image in memory that other processes can map: an anonymous file, sealed, so that nobody, its
/// maker included, can change or shorten it. A worker that is handed the descriptor runs the code
/// from the same pages as every other worker of that module (LoadedImage::map); nothing of it is
/// read, copied or hashed again for a task.
namespace millrace::aot {

class ImageFile {
  public:
    /// Of bytes that were checked (image.hpp). A Failure when they are no image, or the machine has
    /// no memory or descriptor for it.
    static Outcome<std::shared_ptr<const ImageFile>> make(ByteView image);
    ~ImageFile();
    ImageFile(const ImageFile&) = delete;
    ImageFile& operator=(const ImageFile&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return file_; }
    /// Where the image starts: its code then starts with a page.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  ///< of the image

  private:
    ImageFile(int file, std::uint64_t offset, std::uint64_t size) noexcept
        : file_{file}, offset_{offset}, size_{size} {}

    int file_;
    std::uint64_t offset_;
    std::uint64_t size_;
};

}  // namespace millrace::aot
