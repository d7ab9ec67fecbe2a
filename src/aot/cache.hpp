// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "aot/compile.hpp"
#include "base/bytes.hpp"
#include "base/failure.hpp"

/// Compiled modules on disk, so that a module is compiled once on a machine.
///
///     MILLRACE_TRY(const auto cache, aot::ImageCache::open(home + "/compiled"));
///     MILLRACE_TRY(const auto image, aot::compile_cached(cache, module));
///
/// A folder with one file for each module, named by its SHA-256, the engine's version, the fuel
/// table's and the target: another engine never sees them. What lies there is code that will run,
/// so the folder must be the user's own and writable by nobody else, and so must each file, which
/// is a plain one and no link. A file that is torn, damaged or another module's is deleted, and the
/// module compiled anew: a bad entry costs time, never a task.
///
/// Any number of processes may use the folder at once. A file appears whole by a rename; one that
/// is evicted while somebody reads it stays readable to the end. There is no fsync: what a power
/// cut tears, the digest finds.
namespace millrace::aot {

class ImageCache {
  public:
    static constexpr std::uint64_t bytes_max_default = 2ULL << 30;
    static constexpr std::size_t entries_max = 10'000;

    /// Makes the folder (mode 0700) when it is absent, but not its parents.
    static Outcome<ImageCache> open(const std::string& folder,
                                    std::uint64_t bytes_max = bytes_max_default);
    ImageCache(ImageCache&&) noexcept;
    ImageCache& operator=(ImageCache&&) noexcept;
    ~ImageCache();

    struct Lookup {
        std::shared_ptr<const Bytes> image;  ///< checked (image.hpp); null: there is none
        std::string discarded;               ///< why an entry was deleted, for the log; mostly ""
    };
    /// Marks what it finds as used now.
    [[nodiscard]] Lookup find(const Hash32& module) const;

    /// Then deletes what was used least recently, as far as the bounds ask. An image that alone is
    /// over the bound is not kept.
    [[nodiscard]] Outcome<void> keep(const Hash32& module, ByteView image) const;

    /// Held by the one process that compiles a module; freed by the kernel when it dies.
    class Claim {
      public:
        Claim(int folder, std::string name, int file) noexcept;
        Claim(Claim&& other) noexcept;
        Claim& operator=(Claim&&) = delete;
        ~Claim();

      private:
        int folder_;
        std::string name_;
        int file_;
    };
    /// Null when another holds it and `may_wait` is false, or when files cannot be locked here.
    [[nodiscard]] std::optional<Claim> claim(const Hash32& module, bool may_wait) const;

    [[nodiscard]] const std::string& folder() const noexcept { return path_; }

  private:
    ImageCache(int folder, std::string path, std::uint64_t bytes_max) noexcept;
    [[nodiscard]] std::string discard(const std::string& name, const std::string& why) const;
    void evict(const std::string& newest) const;

    int folder_ = -1;
    std::string path_;
    std::uint64_t bytes_max_ = 0;
};

/// The image from the cache; else compiled, by one process at a time, and kept. `note` is told in
/// one line what went wrong without being a failure: an entry discarded, an image not kept.
Outcome<std::shared_ptr<const Bytes>> compile_cached(
    const ImageCache& cache, ByteView module, const CompileJob& job = {},
    const std::function<void(const std::string&)>& note = {});

}  // namespace millrace::aot
