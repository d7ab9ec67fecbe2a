// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/image_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "aot/image.hpp"
#include "aot/region.hpp"
#include "aot/tier.hpp"

namespace millrace::aot {
namespace {

constexpr unsigned never_a_program = 0x0008U;  // MFD_NOEXEC_SEAL, since Linux 6.3

std::size_t whole_pages(std::size_t size) {
    return std::max(machine_page, (size + machine_page - 1) / machine_page * machine_page);
}

Failure no_executable_memory() {
    return {"this machine gives no executable memory for the compiled module", "",
            "use the interpreter (--tier interp)"};
}

Failure cannot_share() {
    return {"a compiled module cannot be handed to a worker", std::strerror(errno),
            "check this machine's limits of memory and open files"};
}

bool write_at(int file, ByteView bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t count = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return true;
}

}  // namespace

Outcome<std::shared_ptr<const ImageFile>> ImageFile::make(ByteView image) {
    MILLRACE_TRY(const ImageView view, view_image(image, Metering::exact, Digest::checked_before));
    const auto place = static_cast<std::size_t>(view.code.data() - image.data());
    const std::uint64_t offset = (machine_page - place % machine_page) % machine_page;
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int file = memfd_create("millrace-image", flags | never_a_program);
    if (file < 0 && errno == EINVAL) file = memfd_create("millrace-image", flags);
    if (file < 0) return Err{cannot_share()};
    const std::shared_ptr<const ImageFile> made{new ImageFile{file, offset, image.size()}};
    constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (!write_at(file, image, offset) || fcntl(file, F_ADD_SEALS, seals) != 0)
        return Err{cannot_share()};
    return made;
}

ImageFile::~ImageFile() {
    close(file_);
}

Outcome<std::shared_ptr<const LoadedImage>> LoadedImage::load(ByteView bytes, Metering metering,
                                                              Digest digest) {
    MILLRACE_TRY(ImageView view, view_image(bytes, metering, digest));
    Mapping code{whole_pages(view.code.size()), PROT_READ | PROT_WRITE};
    if (code.data() == nullptr) return Err{no_executable_memory()};
    std::ranges::copy(view.code, code.data());  // which may be empty
    if (mprotect(code.data(), code.size(), PROT_READ | PROT_EXEC) != 0)
        return Err{no_executable_memory()};
    std::shared_ptr<LoadedImage> loaded{new LoadedImage};
    loaded->image_ = std::move(view.image);
    loaded->image_.outline = to_bytes(view.outline);
    loaded->outline_ = loaded->image_.outline;
    loaded->code_size_ = code.size();
    loaded->code_ = code.release();
    return std::shared_ptr<const LoadedImage>{std::move(loaded)};
}

Outcome<std::shared_ptr<const LoadedImage>> LoadedImage::map(int file, std::uint64_t offset,
                                                             std::uint64_t size) {
    struct stat info {};
    if (fstat(file, &info) != 0 || offset > machine_page || size > image_bytes_max ||
        static_cast<std::uint64_t>(info.st_size) != offset + size) {
        return Err{Failure{"the compiled module is cut off", "", "report this"}};
    }
    Mapping whole{static_cast<std::size_t>(offset + size), PROT_READ, file, 0};
    if (whole.data() == nullptr) return Err{no_executable_memory()};
    const ByteView bytes{whole.data() + offset, static_cast<std::size_t>(size)};
    MILLRACE_TRY(ImageView view, view_image(bytes, Metering::exact, Digest::checked_before));
    const auto place = static_cast<std::uint64_t>(view.code.data() - whole.data());
    Mapping code{whole_pages(view.code.size()), PROT_READ | PROT_EXEC, file, place};
    if (code.data() == nullptr) return Err{no_executable_memory()};
    std::shared_ptr<LoadedImage> loaded{new LoadedImage};
    loaded->image_ = std::move(view.image);
    loaded->outline_ = view.outline;
    loaded->code_size_ = code.size();
    loaded->code_ = code.release();
    loaded->file_size_ = whole.size();
    loaded->file_ = whole.release();
    return std::shared_ptr<const LoadedImage>{std::move(loaded)};
}

LoadedImage::~LoadedImage() {
    if (code_ != nullptr) munmap(const_cast<std::uint8_t*>(code_), code_size_);
    if (file_ != nullptr) munmap(const_cast<std::uint8_t*>(file_), file_size_);
}

}  // namespace millrace::aot
