// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "assemble/smooth.hpp"
#include "tile.hpp"

namespace render {
namespace {

constexpr const char* small_scene = R"(
picture 24 18 2 4
camera 0 1 5  0 0.5 0  40  0.05
sky 0.2 0.4 0.8  0.8 0.9 1.0  0.01
sun 1 2 1  3 3 2  1.5
texture tiles checker 0.9 0.9 0.9  0.1 0.1 0.1  0.5
material floor polished tiles
material glass glass 0.9 1 0.9 1.5
material gold metal 0.9 0.7 0.3 0.3
material lamp light 9 9 9
plane floor 0 0 0 0 1 0
ring 3 0 1 0
  sphere glass 1 0.5 0 0.4
  box gold 0 0.3 1.2  0.3 0.6 0.3
end
sphere lamp 0 2 0 0.2
)";

class RenderTest : public testing::Test {
  protected:
    std::string write(const std::string& name, const std::string& text) {
        const std::string path = testing::TempDir() + "render_test_" + name;
        std::ofstream(path) << text;
        written_.push_back(path);
        return path;
    }

    std::string error_of(const std::string& text) {
        Scene scene;
        std::string error;
        const std::string path = write("bad.txt", text);
        EXPECT_FALSE(read_scene(path, scene, error));
        EXPECT_EQ(error.find('\n'), std::string::npos);
        const std::string where = path.substr(0, path.rfind('/') + 1);
        for (std::size_t at = error.find(where); at != std::string::npos; at = error.find(where)) {
            error.erase(at, where.size());
        }
        return error;
    }

    Tile render(std::uint32_t index, std::uint32_t count) {
        Scene scene;
        std::string error;
        EXPECT_TRUE(read_scene(write("small.txt", small_scene), scene, error)) << error;
        Tile tile;
        EXPECT_TRUE(place_tile(static_cast<std::uint32_t>(scene.width),
                               static_cast<std::uint32_t>(scene.height), index, count, tile));
        Tracer tracer(scene);
        for (std::uint32_t y = 0; y < tile.height; ++y) {
            for (std::uint32_t x = 0; x < tile.width; ++x) {
                tile.pixels.push_back(
                    tracer.pixel(static_cast<int>(tile.x + x), static_cast<int>(tile.y + y)));
            }
        }
        return tile;
    }

    void TearDown() override {
        for (const std::string& path : written_)
            std::remove(path.c_str());
    }

  private:
    std::vector<std::string> written_;
};

TEST_F(RenderTest, a_scene_error_names_file_line_and_remedy) {
    EXPECT_EQ(
        error_of("picture 8 8 1 1\nsphere wod 0 0 0 1\n"),
        "render_test_bad.txt:2: unknown material 'wod': define it above with 'material wod ...'");
    EXPECT_EQ(
        error_of("material m lambert oka\n"),
        "render_test_bad.txt:1: unknown texture 'oka': define it above with 'texture oka ...'");
    EXPECT_EQ(
        error_of("include nowhere.txt\n"),
        "render_test_bad.txt:1: cannot open 'nowhere.txt': is it listed among the job's files?");
    EXPECT_EQ(
        error_of("picture 8 8\n"),
        "render_test_bad.txt:1: something is missing; write: picture WIDTH HEIGHT SAMPLES DEPTH");
    EXPECT_EQ(
        error_of("picture 8 8 x 1\n"),
        "render_test_bad.txt:1: 'x' is not a number; write: picture WIDTH HEIGHT SAMPLES DEPTH");
    EXPECT_EQ(error_of("\n\nring 4 0 1 0\n"), "render_test_bad.txt:3: this 'ring' has no 'end'");
    EXPECT_EQ(error_of("end\n"),
              "render_test_bad.txt:1: 'end' without a 'group' or 'ring' above it");
    EXPECT_EQ(error_of("material m lambert 1 1 1\nsphere m 0 0 0 -1\n"),
              "render_test_bad.txt:2: a radius is above 0");
    EXPECT_EQ(error_of("# nothing\n"),
              "render_test_bad.txt: the scene is empty: add at least one shape");
}

TEST_F(RenderTest, every_beginning_of_a_scene_is_read_or_refused_in_one_line) {
    const std::string text = small_scene;
    for (std::size_t size = 0; size < text.size(); size += 3) {
        Scene scene;
        std::string error;
        const bool good = read_scene(write("cut.txt", text.substr(0, size)), scene, error);
        EXPECT_EQ(good, error.empty());
    }
}

TEST_F(RenderTest, an_include_of_itself_is_refused) {
    const std::string path = write("loop.txt", "include render_test_loop.txt\n");
    Scene scene;
    std::string error;
    EXPECT_FALSE(read_scene(path, scene, error));
    EXPECT_NE(error.find("nested more than 8 deep"), std::string::npos) << error;
}

TEST_F(RenderTest, tiles_do_not_depend_on_how_the_picture_is_cut) {
    const Tile whole = render(0, 1);
    for (std::uint32_t index = 0; index < 12; ++index) {
        const Tile part = render(index, 12);
        for (std::uint32_t y = 0; y < part.height; ++y) {
            for (std::uint32_t x = 0; x < part.width; ++x) {
                const Pixel& a = part.pixels[y * part.width + x];
                const Pixel& b = whole.pixels[(part.y + y) * whole.width + part.x + x];
                EXPECT_EQ(a.color.x, b.color.x);
                EXPECT_EQ(a.color.y, b.color.y);
                EXPECT_EQ(a.color.z, b.color.z);
                EXPECT_EQ(a.variance, b.variance);
            }
        }
    }
}

TEST_F(RenderTest, tiles_cover_every_pixel_once) {
    for (const std::uint32_t count : {1U, 7U, 48U, 60U}) {
        std::vector<int> seen(64 * 40);
        for (std::uint32_t index = 0; index < count; ++index) {
            Tile tile;
            ASSERT_TRUE(place_tile(64, 40, index, count, tile));
            for (std::uint32_t y = 0; y < tile.height; ++y) {
                for (std::uint32_t x = 0; x < tile.width; ++x)
                    ++seen[(tile.y + y) * 64 + tile.x + x];
            }
        }
        EXPECT_EQ(seen, std::vector<int>(64 * 40, 1)) << count;
    }
    Tile tile;
    EXPECT_FALSE(place_tile(64, 40, 48, 48, tile));
    EXPECT_FALSE(place_tile(64, 40, 0, 0, tile));
    EXPECT_FALSE(place_tile(4, 4, 0, 97, tile));
}

TEST_F(RenderTest, a_tile_survives_its_encoding_and_no_other_length_is_read) {
    const Tile tile = render(3, 12);
    const std::string bytes = encode_tile(tile);
    Tile again;
    std::string error;
    ASSERT_TRUE(decode_tile(bytes, again, error)) << error;
    EXPECT_EQ(encode_tile(again), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode_tile(bytes.substr(0, size), again, error)) << size;
    }
    EXPECT_FALSE(decode_tile(bytes + '\0', again, error));
    for (std::size_t at = 0; at < 40; ++at) {
        std::string bent = bytes;
        bent[at] = static_cast<char>(bent[at] ^ 0x55);
        EXPECT_FALSE(decode_tile(bent, again, error)) << at;
    }
}

TEST_F(RenderTest, smoothing_keeps_an_even_picture_even) {
    Picture picture;
    picture.width = 16;
    picture.height = 16;
    Pixel pixel;
    pixel.color = {0.25, 0.25, 0.25};
    pixel.albedo = {0.5, 0.5, 0.5};
    pixel.normal = {0, 1, 0};
    pixel.depth = 3;
    picture.pixels.assign(256, pixel);
    smooth(picture, 4);
    for (const Pixel& p : picture.pixels)
        EXPECT_NEAR(p.color.x, 0.25, 1e-9);
    const std::vector<unsigned char> rgb = develop(picture, 1.0);
    EXPECT_EQ(rgb.size(), 768U);
    EXPECT_EQ(rgb, std::vector<unsigned char>(768, rgb[0]));
}

TEST_F(RenderTest, the_own_functions_are_close_to_the_true_ones) {
    for (double x = -3.0; x < 3.0; x += 0.0137) {
        EXPECT_NEAR(sin_turn(x), __builtin_sin(2 * pi * x), 1e-6);
        EXPECT_NEAR(cos_turn(x), __builtin_cos(2 * pi * x), 1e-6);
        EXPECT_NEAR(exp_of(x) / __builtin_exp(x), 1.0, 1e-9);
    }
}

TEST_F(RenderTest, the_shipped_scenes_are_read) {
    for (const char* name : {"/scene.txt", "/scene-quick.txt"}) {
        Scene scene;
        std::string error;
        EXPECT_TRUE(read_scene(std::string(RENDER_EXAMPLE_DIR) + name, scene, error)) << error;
    }
}

}  // namespace
}  // namespace render
