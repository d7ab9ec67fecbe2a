// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// render --scene FILE --tile I --tiles N --out FILE: renders one tile of a scene. See README.md.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tile.hpp"

namespace {

struct Options {
    std::string scene, out;
    std::uint32_t tile = 0, tiles = 1;
};

constexpr const char* usage = "usage: render --scene FILE --tile INDEX --tiles COUNT --out FILE\n";

bool parse_count(const char* text, std::uint32_t& value) {
    char* end = nullptr;
    const unsigned long n = std::strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || n > 1'000'000) return false;
    value = static_cast<std::uint32_t>(n);
    return true;
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; i += 2) {
        const char* name = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
        if (value == nullptr) {
            std::fprintf(stderr, "render: %s needs a value\n%s", name, usage);
            return false;
        }
        bool good = true;
        if (std::strcmp(name, "--scene") == 0)
            options.scene = value;
        else if (std::strcmp(name, "--out") == 0)
            options.out = value;
        else if (std::strcmp(name, "--tile") == 0)
            good = parse_count(value, options.tile);
        else if (std::strcmp(name, "--tiles") == 0)
            good = parse_count(value, options.tiles);
        else {
            std::fprintf(stderr, "render: unknown option '%s'\n%s", name, usage);
            return false;
        }
        if (!good) {
            std::fprintf(stderr, "render: %s takes a whole number up to 1000000, not '%s'\n", name,
                         value);
            return false;
        }
    }
    if (!options.scene.empty() && !options.out.empty()) return true;
    std::fputs(usage, stderr);
    return false;
}

bool write_file(const std::string& path, const std::string& bytes) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return false;
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    return std::fclose(file) == 0 && written;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace render;
    Options options;
    if (!parse(argc, argv, options)) return 2;
    Scene scene;
    std::string error;
    if (!read_scene(options.scene, scene, error)) {
        std::fprintf(stderr, "render: %s\n", error.c_str());
        return 1;
    }
    Tile tile;
    if (!place_tile(static_cast<std::uint32_t>(scene.width),
                    static_cast<std::uint32_t>(scene.height), options.tile, options.tiles, tile)) {
        std::fprintf(stderr, "render: there is no tile %u of %u in a picture of %d x %d\n",
                     options.tile, options.tiles, scene.width, scene.height);
        return 2;
    }
    Tracer tracer(scene);
    tile.pixels.reserve(static_cast<std::size_t>(tile.width) * tile.height);
    for (std::uint32_t y = 0; y < tile.height; ++y) {
        for (std::uint32_t x = 0; x < tile.width; ++x) {
            tile.pixels.push_back(
                tracer.pixel(static_cast<int>(tile.x + x), static_cast<int>(tile.y + y)));
        }
    }
    if (!write_file(options.out, encode_tile(tile))) {
        std::fprintf(stderr, "render: cannot write '%s'\n", options.out.c_str());
        return 1;
    }
    std::printf("tile %u of %u: %u x %u pixels at %u,%u, %llu samples, %llu rays\n", tile.index,
                tile.count, tile.width, tile.height, tile.x, tile.y,
                static_cast<unsigned long long>(tracer.sample_count()),
                static_cast<unsigned long long>(tracer.ray_count()));
    return 0;
}
