// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// A scene: what the text file says (README.md has the language), ready to be traced.
//
// Bounds: picture side 16384, samples 4096 a pixel, depth 64, 1,000,000 shapes, 4,096 bytes a line,
// blocks and includes nested 8 deep, 16 MiB a file. Anything beyond is refused with the file, the
// line and what to do.
#pragma once

#include <string>
#include <vector>

#include "shape.hpp"
#include "texture.hpp"

namespace render {

enum class MaterialKind : std::uint8_t { lambert, polished, wax, metal, glass, light };

struct Material {
    std::string name;
    MaterialKind kind = MaterialKind::lambert;
    Texture color;
    double roughness = 0;  // metal: 0 mirror … 1 matt
    double ior = 1.5;      // glass
};

struct Camera {
    Vec eye{0, 1, 5}, target{0, 0, 0};
    double degrees = 40;  // vertical field of view
    double aperture = 0;  // lens radius in scene units; 0 keeps everything sharp
    double focus = 0;     // distance that is sharp; 0: at the target
};

struct Sky {
    Vec zenith{0.25, 0.45, 0.8}, horizon{0.8, 0.85, 0.9};
    double haze = 0;  // how fast distance turns into horizon colour, per scene unit
};

struct Sun {
    Vec direction{0, 1, 0};  // towards the sun
    Vec color{0, 0, 0};      // irradiance on a surface that faces it
    double cos_size = 1;     // cosine of its angular radius
};

struct Scene {
    int width = 320, height = 200, samples = 16, depth = 6;
    Camera camera;
    Sky sky;
    Sun sun;
    std::vector<Texture> textures;
    std::vector<std::string> texture_names;
    std::vector<Material> materials;
    std::vector<Shape> shapes;          // finite ones; the tree reorders them
    std::vector<Shape> planes;          // endless ones
    std::vector<std::uint32_t> lights;  // indices in `shapes`, set by build_tree
};

// Reads a scene file and what it includes. On failure `error` is one line: where, what, and what to
// do.
bool read_scene(const std::string& path, Scene& scene, std::string& error);

}  // namespace render
