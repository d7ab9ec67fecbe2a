// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "texture.hpp"

#include "sampler.hpp"

namespace render {
namespace {

double lattice(std::int32_t x, std::int32_t y, std::int32_t z) {
    const std::uint32_t h = hash_of(static_cast<std::uint32_t>(x) * 0x8da6b343U ^
                                    static_cast<std::uint32_t>(y) * 0xd8163841U ^
                                    static_cast<std::uint32_t>(z) * 0xcb1ab31fU);
    return static_cast<double>(h) * 0x1p-31 - 1.0;
}

// A point at the horizon must not overflow the conversion.
std::int32_t whole(double x) {
    return static_cast<std::int32_t>(clamp_of(x, -1e9, 1e9));
}

double fade(double t) {
    return t * t * (3.0 - 2.0 * t);
}

// Sum of octaves, each half as large and twice as fine.
double turbulence(Vec p, int octave_count) {
    double sum = 0;
    double weight = 0.5;
    for (int i = 0; i < octave_count; ++i) {
        sum += weight * noise(p);
        p = p * 2.03 + Vec{1.7, 9.2, 5.3};
        weight *= 0.5;
    }
    return sum;
}

Vec marble(const Texture& t, const Vec& p) {
    const double warp = turbulence(p, 5);
    const double vein = abs_of(sin_turn(0.35 * p.x + 0.22 * p.z + 0.15 * p.y + 0.9 * warp));
    const double thin = 1.0 - smooth_step(0.0, 0.30, vein);
    const double cloud = 0.5 + 0.5 * turbulence(p * 0.6 + Vec{31, 7, 3}, 3);
    const double amount = clamp_of(thin * (0.25 + 0.9 * cloud) + 0.18 * (cloud - 0.4), 0.0, 1.0);
    return mix(t.first, t.second, amount);
}

// Growth rings around the local x axis, stretched along it, with fine fibre on top.
Vec wood(const Texture& t, const Vec& p) {
    const double wobble = noise({p.x * 0.25, p.y * 0.7, p.z * 0.7});
    const double y = p.y + 3.1 + 0.25 * wobble;
    const double z = p.z + 1.3 + 0.25 * noise({p.x * 0.2 + 9.0, p.y * 0.6, p.z * 0.6});
    const double radius = sqrt_of(y * y + z * z) * 2.2;
    const double ring = radius - floor_of(radius);
    const double dark = smooth_step(0.25, 0.9, ring) * (1.0 - smooth_step(0.9, 1.0, ring));
    const double fibre = noise({p.x * 1.5, p.y * 22.0, p.z * 22.0});
    const double broad = noise({p.x * 0.4 + 4.0, p.y * 3.0, p.z * 3.0});
    const double amount = clamp_of(0.12 + 0.6 * dark + 0.16 * fibre + 0.18 * broad, 0.0, 1.0);
    return mix(t.first, t.second, amount);
}

// Two colours twisted around the local y axis, as in a child's glass marble.
Vec swirl(const Texture& t, const Vec& p) {
    const double twist = 0.7 * p.y + 0.35 * turbulence(p * 1.3, 2);
    const double c = cos_turn(twist);
    const double s = sin_turn(twist);
    const double side = c * p.x + s * p.z + 0.25 * noise(p * 1.7);
    const double band = sin_turn(side * 0.75);
    return mix(t.first, t.second, smooth_step(-0.18, 0.18, band));
}

Vec speckle(const Texture& t, const Vec& p) {
    const double n = 0.6 * noise(p) + 0.4 * noise(p * 2.7);
    return mix(t.first, t.second, smooth_step(-0.15, 0.45, n));
}

}  // namespace

double noise(const Vec& point) {
    const double fx = floor_of(point.x);
    const double fy = floor_of(point.y);
    const double fz = floor_of(point.z);
    const std::int32_t x = whole(fx);
    const std::int32_t y = whole(fy);
    const std::int32_t z = whole(fz);
    const double u = fade(point.x - fx);
    const double v = fade(point.y - fy);
    const double w = fade(point.z - fz);
    const double a = mix_of(lattice(x, y, z), lattice(x + 1, y, z), u);
    const double b = mix_of(lattice(x, y + 1, z), lattice(x + 1, y + 1, z), u);
    const double c = mix_of(lattice(x, y, z + 1), lattice(x + 1, y, z + 1), u);
    const double d = mix_of(lattice(x, y + 1, z + 1), lattice(x + 1, y + 1, z + 1), u);
    return mix_of(mix_of(a, b, v), mix_of(c, d, v), w);
}

Vec texture_color(const Texture& texture, const Vec& point, std::uint32_t seed) {
    if (texture.kind == TextureKind::solid) return texture.first;
    const Vec p = point * (1.0 / texture.scale);
    if (texture.kind == TextureKind::checker) {
        const double sum = floor_of(p.x + 1e-6) + floor_of(p.y + 1e-6) + floor_of(p.z + 1e-6);
        return sum * 0.5 - floor_of(sum * 0.5) == 0.0 ? texture.first : texture.second;
    }
    const Vec moved =
        p + Vec{static_cast<double>(seed & 0xffU), static_cast<double>((seed >> 8) & 0xffU),
                static_cast<double>((seed >> 16) & 0xffU)};
    switch (texture.kind) {
        case TextureKind::marble:
            return marble(texture, moved);
        case TextureKind::wood: {
            // The rings keep the object's own axis; only the noise moves along it.
            return wood(texture, {p.x + static_cast<double>(seed & 0x3ffU),
                                  p.y + 0.01 * static_cast<double>((seed >> 10) & 0xffU),
                                  p.z + 0.01 * static_cast<double>((seed >> 18) & 0xffU)});
        }
        case TextureKind::swirl:
            return swirl(texture, p + Vec{0.0, 0.1 * static_cast<double>(seed & 0xffU), 0.0});
        case TextureKind::speckle:
            return speckle(texture, moved);
        case TextureKind::solid:
        case TextureKind::checker:
            break;
    }
    return texture.first;
}

Vec texture_mean(const Texture& texture) {
    return texture.kind == TextureKind::solid ? texture.first
                                              : mix(texture.first, texture.second, 0.4);
}

}  // namespace render
