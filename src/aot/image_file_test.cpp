// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/image_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "aot/image.hpp"
#include "aot/tier.hpp"
#include "crypto/hash.hpp"

namespace millrace::aot {
namespace {

Bytes sample(std::size_t outline_size = 100) {
    Image image;
    image.module = crypto::sha256(as_bytes("a module"));
    image.functions = {{0, 16}, {48, 32}};
    image.outline.assign(outline_size, 7);
    image.code.resize(9'000);
    for (std::size_t index = 0; index < image.code.size(); ++index)
        image.code[index] = static_cast<std::uint8_t>(index * 7);
    return encode_image(image);
}

TEST(ImageFile, is_mapped_as_it_was_made_wherever_its_code_lies) {
    for (const std::size_t outline_size : {0U, 1U, 100U, 4'000U, 4'096U, 10'000U}) {
        const Bytes bytes = sample(outline_size);
        const auto file = ImageFile::make(bytes);
        ASSERT_TRUE(file.has_value()) << file.error().text();
        const ImageFile& made = **file;
        const auto mapped = LoadedImage::map(made.descriptor(), made.offset(), made.size());
        ASSERT_TRUE(mapped.has_value()) << mapped.error().text();
        const auto copied = LoadedImage::load(bytes);
        ASSERT_TRUE(copied.has_value());
        const LoadedImage& image = **mapped;
        EXPECT_EQ(image.module(), (*copied)->module());
        EXPECT_EQ(image.function_count(), 2U);
        EXPECT_EQ(image.function(1).thunk, 32U);
        EXPECT_TRUE(std::ranges::equal(image.outline(), (*copied)->outline()));
        EXPECT_EQ(image.outline().size(), outline_size);
        EXPECT_TRUE(
            std::ranges::equal(ByteView{image.code(), 9'000}, ByteView{(*copied)->code(), 9'000}));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(image.code()) % 4'096, 0U);
    }
}

TEST(ImageFile, outlives_its_descriptor_where_it_is_mapped) {
    std::shared_ptr<const LoadedImage> mapped;
    {
        const auto file = ImageFile::make(sample());
        ASSERT_TRUE(file.has_value());
        mapped = *LoadedImage::map((*file)->descriptor(), (*file)->offset(), (*file)->size());
    }
    EXPECT_EQ(mapped->code()[8'999], static_cast<std::uint8_t>(8'999 * 7));
}

TEST(ImageFile, cannot_be_changed_by_anybody) {
    const auto file = ImageFile::make(sample());
    ASSERT_TRUE(file.has_value());
    const int descriptor = (*file)->descriptor();
    const std::uint8_t byte = 1;
    EXPECT_EQ(pwrite(descriptor, &byte, 1, 0), -1);
    EXPECT_NE(ftruncate(descriptor, 0), 0);
    EXPECT_NE(ftruncate(descriptor, 1 << 20), 0);
    EXPECT_EQ(mmap(nullptr, 4'096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), MAP_FAILED);
    EXPECT_EQ(fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

TEST(ImageFile, that_is_not_what_was_announced_is_not_mapped) {
    const Bytes bytes = sample();
    EXPECT_FALSE(ImageFile::make(ByteView{bytes}.first(60)).has_value());
    const auto file = ImageFile::make(bytes);
    ASSERT_TRUE(file.has_value());
    const ImageFile& made = **file;
    EXPECT_FALSE(LoadedImage::map(-1, made.offset(), made.size()).has_value());
    EXPECT_FALSE(LoadedImage::map(made.descriptor(), made.offset() + 1, made.size()).has_value());
    EXPECT_FALSE(LoadedImage::map(made.descriptor(), made.offset(), made.size() + 1).has_value());
    EXPECT_FALSE(
        LoadedImage::map(made.descriptor(), made.offset() - 1, made.size() + 1).has_value());
    EXPECT_FALSE(LoadedImage::map(made.descriptor(), made.offset(), ~0ULL).has_value());
}

}  // namespace
}  // namespace millrace::aot
