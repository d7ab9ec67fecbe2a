// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The light transport: an unbiased path tracer but for three honest short cuts, each named where it
// is made (shadows of glass, caustics of the sun, the clamp of rare bright paths).
#pragma once

#include "sampler.hpp"
#include "tree.hpp"

namespace render {

// What one pixel sees, averaged over its samples. Albedo and normal are those of the first surface
// that is not a mirror or glass; the assembler's filter needs them to smooth noise without touching
// texture and edges.
struct Pixel {
    Vec color;  // linear light
    Vec albedo;
    Vec normal;
    double depth = 0;     // 0: sky
    double variance = 0;  // of the mean of color / albedo, in luminance
};

class Tracer {
  public:
    explicit Tracer(Scene& scene);

    Pixel pixel(int x, int y);

    std::uint64_t ray_count() const { return ray_count_; }
    std::uint64_t sample_count() const { return sample_count_; }

  private:
    struct Sample {
        Vec color, albedo, normal;
        double depth = 0;
        bool telling = true;  // albedo and normal describe the pixel
    };
    struct Surface {  // a point to be shaded
        Vec point, normal, albedo, to_eye;
        const Shape* shape = nullptr;
        const Material* material = nullptr;
    };
    struct Bounce {
        Vec direction, weight;
        double pdf = 0;  // 0: a mirror-like choice
    };

    Ray camera_ray(double x, double y, Pair lens) const;
    Sample trace(Ray ray, Sampler& sampler);
    Vec sky_color(const Vec& direction) const;
    Vec sun_color(const Vec& direction) const;
    double promise_of(std::size_t light, const Vec& point) const;
    Vec direct_light(const Surface& s, Sampler& sampler, bool every_light);
    Vec light_from(const Surface& s, std::size_t light, Pair u);
    double light_pdf(const Shape& shape, const Vec& point, const Vec& direction,
                     double distance) const;
    Vec scattered(const Surface& s, const Vec& to_light, double& pdf) const;
    bool bounce(Surface& s, bool entering, Sampler& sampler, Bounce& out) const;
    bool bounce_metal(const Surface& s, Pair u, Bounce& out) const;
    bool bounce_glass(const Surface& s, bool entering, Pair u, Bounce& out) const;

    Scene& scene_;
    Tree tree_;
    std::vector<const Shape*> blockers_;  // per light, the sun first
    Frame view_;
    double view_half_ = 1;
    double sun_solid_angle_ = 0;
    std::uint64_t ray_count_ = 0;
    std::uint64_t sample_count_ = 0;
};

}  // namespace render
