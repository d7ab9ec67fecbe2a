// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The file that one task leaves: a rectangle of the picture before smoothing and tone mapping.
//
// Little-endian. Header, 40 bytes: "MRTILE01", then u32 picture width, picture height, tile index,
// tile count, x, y, width, height. Then 28 bytes for each pixel, row by row from the top left: f32
// red, green, blue (linear light), f32 variance, f32 depth, u8 albedo red, green, blue, i8 normal
// x, y, z, u8 0, 0. A file of any other length is refused.
#pragma once

#include <string>
#include <vector>

#include "tracer.hpp"

namespace render {

struct Tile {
    std::uint32_t picture_width = 0, picture_height = 0, index = 0, count = 0;
    std::uint32_t x = 0, y = 0, width = 0, height = 0;
    std::vector<Pixel> pixels;
};

// The rectangle of tile `index` when a picture is cut into `count` nearly square ones. False if
// that cannot be: index out of range, or a cut with an empty rectangle.
bool place_tile(std::uint32_t picture_width, std::uint32_t picture_height, std::uint32_t index,
                std::uint32_t count, Tile& tile);

std::string encode_tile(const Tile& tile);
bool decode_tile(const std::string& bytes, Tile& tile, std::string& error);

}  // namespace render
