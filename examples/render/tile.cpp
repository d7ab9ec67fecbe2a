// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "tile.hpp"

#include <cstring>

namespace render {
namespace {

constexpr char magic[] = "MRTILE01";
constexpr std::size_t header_size = 40;
constexpr std::size_t pixel_size = 28;
constexpr std::uint32_t side_max = 16384;

void put(std::string& out, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        out += static_cast<char>((value >> shift) & 0xffU);
}
void put(std::string& out, double value) {
    const float narrow = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &narrow, sizeof bits);
    put(out, bits);
}
std::uint32_t get(const std::string& in, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        value |= static_cast<std::uint32_t>(static_cast<unsigned char>(in[at + i])) << (8 * i);
    }
    return value;
}
double get_real(const std::string& in, std::size_t at) {
    const std::uint32_t bits = get(in, at);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value >= 0 && value < 1e30F ? static_cast<double>(value) : 0.0;
}

char pack_unit(double x) {
    return static_cast<char>(static_cast<int>(clamp_of(x, 0.0, 1.0) * 255.0 + 0.5));
}
char pack_signed(double x) {
    return static_cast<char>(static_cast<int>(floor_of(clamp_of(x, -1.0, 1.0) * 127.0 + 0.5)));
}
double unpack_unit(char c) {
    return static_cast<double>(static_cast<unsigned char>(c)) / 255.0;
}
double unpack_signed(char c) {
    return static_cast<double>(static_cast<signed char>(c)) / 127.0;
}

}  // namespace

bool place_tile(std::uint32_t picture_width, std::uint32_t picture_height, std::uint32_t index,
                std::uint32_t count, Tile& tile) {
    if (count == 0 || index >= count) return false;
    std::uint32_t columns = 0;
    double best = 1e300;
    for (std::uint32_t c = 1; c <= count && c <= picture_width; ++c) {
        if (count % c != 0 || count / c > picture_height) continue;
        const double ratio = static_cast<double>(picture_width) / c /
                             (static_cast<double>(picture_height) * c / count);
        const double off = ratio > 1 ? ratio : 1 / ratio;
        if (off < best) {
            best = off;
            columns = c;
        }
    }
    if (columns == 0) return false;
    const std::uint32_t rows = count / columns;
    const std::uint32_t column = index % columns;
    const std::uint32_t row = index / columns;
    tile.picture_width = picture_width;
    tile.picture_height = picture_height;
    tile.index = index;
    tile.count = count;
    tile.x = picture_width * column / columns;
    tile.y = picture_height * row / rows;
    tile.width = picture_width * (column + 1) / columns - tile.x;
    tile.height = picture_height * (row + 1) / rows - tile.y;
    return true;
}

std::string encode_tile(const Tile& t) {
    std::string out(magic);
    for (const std::uint32_t n :
         {t.picture_width, t.picture_height, t.index, t.count, t.x, t.y, t.width, t.height}) {
        put(out, n);
    }
    out.reserve(header_size + t.pixels.size() * pixel_size);
    for (const Pixel& p : t.pixels) {
        for (const double value : {p.color.x, p.color.y, p.color.z, p.variance, p.depth})
            put(out, value);
        for (const double value : {p.albedo.x, p.albedo.y, p.albedo.z})
            out += pack_unit(value);
        for (const double value : {p.normal.x, p.normal.y, p.normal.z})
            out += pack_signed(value);
        out.append(2, '\0');
    }
    return out;
}

bool decode_tile(const std::string& bytes, Tile& tile, std::string& error) {
    if (bytes.size() < header_size || bytes.compare(0, 8, magic) != 0) {
        error = "not a tile of the render example";
        return false;
    }
    Tile expected;
    const std::uint32_t width = get(bytes, 8);
    const std::uint32_t height = get(bytes, 12);
    if (width == 0 || height == 0 || width > side_max || height > side_max ||
        !place_tile(width, height, get(bytes, 16), get(bytes, 20), expected) ||
        get(bytes, 24) != expected.x || get(bytes, 28) != expected.y ||
        get(bytes, 32) != expected.width || get(bytes, 36) != expected.height) {
        error = "the tile's header is damaged";
        return false;
    }
    const std::size_t pixel_count = static_cast<std::size_t>(expected.width) * expected.height;
    if (bytes.size() != header_size + pixel_count * pixel_size) {
        error = "the tile is cut short or too long";
        return false;
    }
    tile = expected;
    tile.pixels.resize(pixel_count);
    for (std::size_t i = 0; i < pixel_count; ++i) {
        const std::size_t at = header_size + i * pixel_size;
        Pixel& p = tile.pixels[i];
        p.color = {get_real(bytes, at), get_real(bytes, at + 4), get_real(bytes, at + 8)};
        p.variance = get_real(bytes, at + 12);
        p.depth = get_real(bytes, at + 16);
        p.albedo = {unpack_unit(bytes[at + 20]), unpack_unit(bytes[at + 21]),
                    unpack_unit(bytes[at + 22])};
        p.normal = {unpack_signed(bytes[at + 23]), unpack_signed(bytes[at + 24]),
                    unpack_signed(bytes[at + 25])};
    }
    return true;
}

}  // namespace render
