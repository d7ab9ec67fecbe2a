// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The five solids of a scene and where a ray meets them.
#pragma once

#include "vec.hpp"

namespace render {

enum class ShapeKind : std::uint8_t { sphere, box, tube, triangle, plane };

// One solid, placed. What the numbers mean depends on the kind:
//   sphere    center, extent.x = radius
//   box       center, frame = its axes, extent = half sizes
//   tube      center, frame.w = its axis, extent.x = outer radius, .y = inner radius (0: solid), .z
//   = half length triangle  center = first corner, frame.u and frame.v = edges, frame.w = unit
//   normal;
//             extent.x = 1 makes it a parallelogram with the same edges
//   plane     center = a point, frame.w = unit normal
struct Shape {
    ShapeKind kind = ShapeKind::sphere;
    std::uint32_t material = 0;
    std::uint32_t seed = 0;   // moves the texture
    std::int32_t light = -1;  // index in Scene::lights of an emitter
    Vec center;
    Frame frame;
    Vec extent{1, 1, 1};
};

struct Bounds {
    Vec low{1e30, 1e30, 1e30}, high{-1e30, -1e30, -1e30};

    void add(const Vec& p);
    void add(const Bounds& b);
    double half_area() const;
};

Bounds bounds_of(const Shape& shape);  // a plane has none: do not ask

// Distance to the first meeting in (near, far), or `far` if there is none.
double intersect(const Shape& shape, const Ray& ray, double near, double far);

// The outward unit normal at a point of the surface. `bevel` rounds the edges of a box for shading
// only.
Vec normal_at(const Shape& shape, const Vec& point);

// The point in the frame that textures use: boxes and tubes have their longest axis along x.
Vec texture_point(const Shape& shape, const Vec& point);

}  // namespace render
