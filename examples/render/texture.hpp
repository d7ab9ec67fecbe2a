// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Colours that vary over space: solid textures, evaluated at a point of the object's own frame.
#pragma once

#include "vec.hpp"

namespace render {

enum class TextureKind : std::uint8_t { solid, checker, marble, wood, swirl, speckle };

struct Texture {
    TextureKind kind = TextureKind::solid;
    Vec first{0.5, 0.5, 0.5};
    Vec second{0.5, 0.5, 0.5};
    double scale = 1;  // size of one feature in scene units
};

// `seed` moves the pattern so that two objects of one material differ; checkers ignore it.
Vec texture_color(const Texture& texture, const Vec& point, std::uint32_t seed);

// About the average over space.
Vec texture_mean(const Texture& texture);

// Smooth noise in about [-1, 1], one feature per unit.
double noise(const Vec& point);

}  // namespace render
