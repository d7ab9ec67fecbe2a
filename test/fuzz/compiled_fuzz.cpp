// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any bytes as a compiled module: as they are, with the digest that would be right for them, and as
// an entry of the folder of compiled modules. What is accepted is exactly what would be written
// again; whatever else is refused with a word, and deleted from the folder. Nothing is run: code
// with a right digest is its owner's (docs/formats/compiled.md).

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "aot/abi.hpp"
#include "aot/cache.hpp"
#include "aot/image.hpp"
#include "aot/image_file.hpp"
#include "aot/tier.hpp"
#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "wasm/fuel.hpp"
#include "wasm/module_data.hpp"

using namespace millrace;

namespace {

namespace fs = std::filesystem;

/// A cache with one entry, whose file the fuzzer writes; deleted at the end of the program.
class Folder {
  public:
    Folder() {
        std::string path = (fs::temp_directory_path() / "millrace-fuzz-XXXXXX").string();
        MILLRACE_ASSERT(mkdtemp(path.data()) != nullptr);
        path_ = path;
        auto opened = aot::ImageCache::open(path);
        MILLRACE_ASSERT(opened.has_value());
        cache_ = std::make_unique<aot::ImageCache>(std::move(*opened));
        aot::Image image;
        image.code.assign(1, 0);
        module_ = crypto::sha256({});
        image.module = module_;
        MILLRACE_ASSERT(cache_->keep(module_, aot::encode_image(image)).has_value());
        for (const auto& item : fs::directory_iterator{path_}) {
            if (item.path().extension() == ".mlr") entry_ = item.path();
        }
        MILLRACE_ASSERT(!entry_.empty());
    }
    ~Folder() { fs::remove_all(path_); }

    void check(ByteView bytes) const {
        {
            std::ofstream stream{entry_, std::ios::binary | std::ios::trunc};
            stream.write(reinterpret_cast<const char*>(bytes.data()),
                         static_cast<std::streamsize>(bytes.size()));
        }
        MILLRACE_ASSERT(chmod(entry_.c_str(), 0600) == 0);
        const auto found = cache_->find(module_);
        const bool is_good = aot::check_image(bytes, module_).has_value();
        MILLRACE_ASSERT((found.image != nullptr) == is_good);
        MILLRACE_ASSERT(found.discarded.empty() == is_good);
        MILLRACE_ASSERT(fs::exists(entry_) == is_good);
        if (is_good) MILLRACE_ASSERT(std::ranges::equal(*found.image, bytes));
    }

  private:
    fs::path path_;
    fs::path entry_;
    Hash32 module_;
    std::unique_ptr<aot::ImageCache> cache_;
};

/// As a worker gets it.
void check_mapping(ByteView bytes, const aot::Image& decoded) {
    const auto file = aot::ImageFile::make(bytes);
    MILLRACE_ASSERT(file.has_value());
    const auto mapped =
        aot::LoadedImage::map((*file)->descriptor(), (*file)->offset(), (*file)->size());
    MILLRACE_ASSERT(mapped.has_value());
    MILLRACE_ASSERT((*mapped)->module() == decoded.module);
    MILLRACE_ASSERT(std::ranges::equal((*mapped)->outline(), decoded.outline));
    MILLRACE_ASSERT(
        std::ranges::equal(ByteView{(*mapped)->code(), decoded.code.size()}, decoded.code));
}

/// True when it was accepted.
bool check(ByteView bytes) {
    (void)aot::stated_sizes(bytes);
    const auto decoded = aot::decode_image(bytes);
    const auto loaded = aot::LoadedImage::load(bytes);
    if (!decoded) {
        MILLRACE_ASSERT(!decoded.error().what.empty() && !decoded.error().remedy.empty());
        MILLRACE_ASSERT(!loaded.has_value());
        MILLRACE_ASSERT(!aot::check_image(bytes, {}).has_value());
        return false;
    }
    MILLRACE_ASSERT(std::ranges::equal(aot::encode_image(*decoded), bytes));
    MILLRACE_ASSERT(aot::check_image(bytes, decoded->module).has_value());
    for (const aot::FunctionEntry& entry : decoded->functions) {
        MILLRACE_ASSERT(entry.offset < decoded->code.size());
        MILLRACE_ASSERT(entry.thunk < decoded->code.size());
    }
    if (loaded) MILLRACE_ASSERT((*loaded)->function_count() == decoded->functions.size());
    check_mapping(bytes, *decoded);
    // A hostile outline is decoded as any module is.
    const auto outline = wasm::Module::load_outline(decoded->outline, decoded->module);
    if (outline) MILLRACE_ASSERT(outline.value()->data().outlined == decoded->module);
    return true;
}

/// Of a good image: any shorter one, and any with another bit.
void check_damage(ByteView image) {
    for (std::size_t size = 0; size < image.size(); ++size)
        MILLRACE_ASSERT(!aot::decode_image(image.first(size)).has_value());
    Bytes changed(image.begin(), image.end());
    for (std::size_t bit = 0; bit < 8 * changed.size(); ++bit) {
        const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ mask);
        MILLRACE_ASSERT(!aot::decode_image(changed).has_value());
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ mask);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Folder folder;
    constexpr std::size_t damaged_size_max = 1'024;
    const ByteView bytes{data, size};
    if (check(bytes) && size <= damaged_size_max) check_damage(bytes);
    folder.check(bytes);
    if (size < 32) return 0;
    // With a right digest and the versions of today the fuzzer reaches what lies behind them, and
    // the corpus does not age.
    Bytes signed_bytes(data, data + size - 32);
    for (std::size_t index = 8; index < std::min<std::size_t>(signed_bytes.size(), 16); ++index) {
        const std::uint32_t version = index < 12 ? aot::engine_version : wasm::fuel::table_version;
        signed_bytes[index] = static_cast<std::uint8_t>(version >> (8 * (index % 4)));
    }
    const Hash32 digest = crypto::sha256(signed_bytes);
    signed_bytes.insert(signed_bytes.end(), digest.view().begin(), digest.view().end());
    if (check(signed_bytes) && size <= damaged_size_max) check_damage(signed_bytes);
    folder.check(signed_bytes);
    return 0;
}
