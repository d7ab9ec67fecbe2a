// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/image.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "wasm/fuel.hpp"
#include "wasm/profile.hpp"

namespace millrace::aot {
namespace {

constexpr std::array<std::uint8_t, 8> magic{'M', 'L', 'R', 'C', 'O', 'D', 'E', 2};
constexpr std::size_t target_size = 32;
constexpr std::size_t digest_size = 32;
// magic, engine, fuel table, convention, target, module
constexpr std::size_t stack_place = 8 + 4 + 4 + 4 + target_size + 32;
// stack bytes, functions, outline bytes, code bytes
constexpr std::size_t header_size = stack_place + 8 + 8 + 8 + 8;

template <typename Word>
void put(Bytes& target, Word word) {
    for (std::size_t index = 0; index < sizeof word; ++index)
        target.push_back(static_cast<std::uint8_t>(word >> (8 * index)));
}
template <typename Word>
Word take(ByteView& source) {
    Word word = 0;
    for (std::size_t index = 0; index < sizeof word; ++index)
        word = static_cast<Word>(word | (static_cast<Word>(source[index]) << (8 * index)));
    source = source.subspan(sizeof word);
    return word;
}

std::array<std::uint8_t, target_size> target_field() {
    std::array<std::uint8_t, target_size> field{};
    static_assert(target_name.size() <= target_size);
    std::ranges::copy(target_name, field.begin());
    return field;
}

Failure refused(std::string what) {
    return {"this is no compiled module for this engine: " + std::move(what), "",
            "compile the module again (millrace wasm compile)"};
}

/// The version of the fuel table that the code counts by; 0 for none.
std::uint32_t table_of(Metering metering) {
    return metering == Metering::exact ? wasm::fuel::table_version : 0;
}

}  // namespace

Outcome<ImageView> view_image(ByteView bytes, Metering metering, Digest wanted) {
    if (bytes.size() < header_size + digest_size) return Err{refused("it is too short")};
    ByteView rest = bytes;
    if (!std::ranges::equal(rest.first(magic.size()), magic))
        return Err{refused("it does not start as one")};
    rest = rest.subspan(magic.size());
    const auto engine = take<std::uint32_t>(rest);
    const auto fuel = take<std::uint32_t>(rest);
    const auto convention = take<std::uint32_t>(rest);
    if (engine != engine_version || fuel != table_of(metering))
        return Err{refused("it was made by another version of the engine")};
    if (!std::ranges::equal(rest.first(target_size), target_field()))
        return Err{refused("it was made for other processors")};
    rest = rest.subspan(target_size);
    if (convention > static_cast<std::uint32_t>(Convention::tail))
        return Err{refused("it has an unknown convention")};
    ImageView checked;
    Image& image = checked.image;
    image.metering = metering;
    image.convention = static_cast<Convention>(convention);
    std::ranges::copy(rest.first(32), image.module.bytes.begin());
    rest = rest.subspan(32);
    image.stack_bytes = take<std::uint64_t>(rest);
    const auto functions = take<std::uint64_t>(rest);
    const auto outline_size = take<std::uint64_t>(rest);
    const auto code_size = take<std::uint64_t>(rest);
    if (functions > wasm::functions_max) return Err{refused("it has too many functions")};
    if (code_size > image_code_max) return Err{refused("it has too much code")};
    if (outline_size > wasm::module_bytes_max) return Err{refused("it has too large an outline")};
    if (rest.size() != 8 * functions + outline_size + code_size + digest_size)
        return Err{refused("it does not have the length that it states")};
    const ByteView digest = bytes.last(digest_size);
    if (wanted == Digest::check &&
        !std::ranges::equal(crypto::sha256(bytes.first(bytes.size() - digest_size)).view(), digest))
        return Err{refused("its bytes are damaged")};
    image.functions.reserve(static_cast<std::size_t>(functions));
    for (std::uint64_t index = 0; index < functions; ++index) {
        const auto offset = take<std::uint32_t>(rest);
        const auto thunk = take<std::uint32_t>(rest);
        if (offset >= code_size || thunk >= code_size)
            return Err{refused("a function lies outside its code")};
        image.functions.push_back({offset, thunk});
    }
    checked.outline = rest.first(static_cast<std::size_t>(outline_size));
    checked.code = rest.subspan(checked.outline.size(), static_cast<std::size_t>(code_size));
    return checked;
}

Bytes encode_image(const Image& image) {
    MILLRACE_ASSERT(image.code.size() <= image_code_max);
    Bytes bytes;
    bytes.reserve(header_size + 8 * image.functions.size() + image.outline.size() +
                  image.code.size() + digest_size);
    bytes.insert(bytes.end(), magic.begin(), magic.end());
    put(bytes, engine_version);
    put(bytes, table_of(image.metering));
    put(bytes, static_cast<std::uint32_t>(image.convention));
    const auto target = target_field();
    bytes.insert(bytes.end(), target.begin(), target.end());
    bytes.insert(bytes.end(), image.module.view().begin(), image.module.view().end());
    put(bytes, image.stack_bytes);
    put(bytes, std::uint64_t{image.functions.size()});
    put(bytes, std::uint64_t{image.outline.size()});
    put(bytes, std::uint64_t{image.code.size()});
    for (const FunctionEntry& entry : image.functions) {
        put(bytes, entry.offset);
        put(bytes, entry.thunk);
    }
    bytes.insert(bytes.end(), image.outline.begin(), image.outline.end());
    bytes.insert(bytes.end(), image.code.begin(), image.code.end());
    const Hash32 digest = crypto::sha256(bytes);
    bytes.insert(bytes.end(), digest.view().begin(), digest.view().end());
    return bytes;
}

Outcome<Image> decode_image(ByteView bytes, Metering metering, Digest digest) {
    MILLRACE_TRY(ImageView checked, view_image(bytes, metering, digest));
    checked.image.outline = to_bytes(checked.outline);
    checked.image.code.assign(checked.code.begin(), checked.code.end());
    return std::move(checked.image);
}

Outcome<void> check_image(ByteView bytes, const Hash32& module) {
    MILLRACE_TRY(const ImageView checked, view_image(bytes, Metering::exact, Digest::check));
    if (checked.image.module != module) return Err{refused("it is another module's")};
    return {};
}

StatedSizes stated_sizes(ByteView bytes) noexcept {
    if (bytes.size() < header_size) return {};
    ByteView fields = bytes.subspan(stack_place);
    StatedSizes stated;
    stated.stack = take<std::uint64_t>(fields);
    (void)take<std::uint64_t>(fields);  // functions
    stated.outline = take<std::uint64_t>(fields);
    stated.outline = std::min(stated.outline, wasm::module_bytes_max);
    return stated;
}

}  // namespace millrace::aot
