// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// render-assemble OUT.png TILES…: puts the tiles of the render example together, smooths, and
// writes a PNG. Equal tiles give equal bytes, in whatever order they are named. Options: --raw (no
// smoothing), --exposure X.
#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../tile.hpp"
#include "smooth.hpp"

namespace {

using render::Picture;
using render::Tile;

constexpr std::size_t tile_size_max = std::size_t{1} << 30;

struct Options {
    std::string out;
    std::vector<std::string> tiles;
    double exposure = 1.0;
    int round_count = 4;
};

bool read_file(const std::string& path, std::string& bytes) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return false;
    std::vector<char> buffer(1 << 16);
    std::size_t size = 0;
    while ((size = std::fread(buffer.data(), 1, buffer.size(), file)) > 0 &&
           bytes.size() <= tile_size_max) {
        bytes.append(buffer.data(), size);
    }
    const bool good = std::ferror(file) == 0 && bytes.size() <= tile_size_max;
    std::fclose(file);
    return good;
}

bool complain(const std::string& what) {
    std::fprintf(stderr, "render-assemble: %s\n", what.c_str());
    return false;
}

// Copies a tile into the picture; the first tile decides the picture's size and the number of
// tiles.
bool place(const std::string& path, Picture& picture, std::vector<std::string>& sources) {
    std::string bytes;
    std::string error;
    Tile tile;
    if (!read_file(path, bytes)) return complain("cannot read '" + path + "'");
    if (!decode_tile(bytes, tile, error)) return complain("'" + path + "': " + error);
    if (sources.empty()) {
        sources.resize(tile.count);
        picture.width = static_cast<int>(tile.picture_width);
        picture.height = static_cast<int>(tile.picture_height);
        picture.pixels.resize(static_cast<std::size_t>(picture.width) * tile.picture_height);
    }
    if (sources.size() != tile.count || picture.width != static_cast<int>(tile.picture_width) ||
        picture.height != static_cast<int>(tile.picture_height)) {
        return complain("'" + path + "' belongs to another picture than '" + sources.front() + "'");
    }
    std::string& source = sources[tile.index];
    if (!source.empty()) return complain("'" + path + "' and '" + source + "' are the same tile");
    source = path;
    for (std::size_t y = 0; y < tile.height; ++y) {
        for (std::size_t x = 0; x < tile.width; ++x) {
            const std::size_t at = (tile.y + y) * tile.picture_width + tile.x + x;
            picture.pixels[at] = tile.pixels[y * tile.width + x];
        }
    }
    return true;
}

bool check_complete(const std::vector<std::string>& sources) {
    std::string missing;
    std::size_t count = 0;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (!sources[i].empty()) continue;
        if (++count <= 10) missing += (count > 1 ? ", " : "") + std::to_string(i);
    }
    if (count == 0) return true;
    return complain(std::to_string(count) + " of " + std::to_string(sources.size()) +
                    " tiles are missing: " + missing + (count > 10 ? ", ..." : ""));
}

bool write_png(const std::string& path, const Picture& picture,
               const std::vector<unsigned char>& rgb) {
    png_image image;
    std::memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(picture.width);
    image.height = static_cast<png_uint_32>(picture.height);
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, rgb.data(), 0, nullptr) != 0) return true;
    return complain("cannot write '" + path + "': " + image.message);
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--raw") {
            options.round_count = 0;
        } else if (word == "--exposure") {
            char* end = nullptr;
            options.exposure = i + 1 < argc ? std::strtod(argv[i + 1], &end) : 0.0;
            if (end == nullptr || *end != '\0' || !(options.exposure > 0))
                return complain("--exposure takes a number above 0");
            ++i;
        } else if (word.size() > 1 && word[0] == '-') {
            return complain("unknown option '" + word + "'");
        } else if (options.out.empty()) {
            options.out = word;
        } else {
            options.tiles.push_back(word);
        }
    }
    if (!options.tiles.empty()) return true;
    return complain("usage: render-assemble [--raw] [--exposure X] OUT.png TILES...");
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) return 2;
    Picture picture;
    std::vector<std::string> sources;
    for (const std::string& path : options.tiles) {
        if (!place(path, picture, sources)) return 1;
    }
    if (!check_complete(sources)) return 1;
    if (options.round_count > 0) render::smooth(picture, options.round_count);
    if (!write_png(options.out, picture, render::develop(picture, options.exposure))) return 1;
    std::printf("%s: %d x %d pixels from %zu tiles\n", options.out.c_str(), picture.width,
                picture.height, sources.size());
    return 0;
}
