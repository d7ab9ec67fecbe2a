// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "shape.hpp"

#include <initializer_list>

namespace render {
namespace {

double sphere_hit(const Shape& s, const Ray& ray, double near, double far) {
    const Vec o = ray.origin - s.center;
    const double b = dot(o, ray.direction);
    const double c = dot(o, o) - s.extent.x * s.extent.x;
    const double d = b * b - c;
    if (d <= 0) return far;
    const double root = sqrt_of(d);
    const double first = -b - root;
    if (first > near) return first < far ? first : far;
    const double second = root - b;
    return second > near && second < far ? second : far;
}

double box_hit(const Shape& s, const Ray& ray, double near, double far) {
    const Vec o = s.frame.to_local(ray.origin - s.center);
    const Vec d = s.frame.to_local(ray.direction);
    double enter = -1e30;
    double leave = 1e30;
    const double origins[3] = {o.x, o.y, o.z};
    const double directions[3] = {d.x, d.y, d.z};
    const double halves[3] = {s.extent.x, s.extent.y, s.extent.z};
    for (int i = 0; i < 3; ++i) {
        if (abs_of(directions[i]) < 1e-12) {
            if (abs_of(origins[i]) > halves[i]) return far;
            continue;
        }
        const double inverse = 1.0 / directions[i];
        const double reach = abs_of(inverse) * halves[i];
        const double middle = -origins[i] * inverse;
        enter = max_of(enter, middle - reach);
        leave = min_of(leave, middle + reach);
    }
    if (enter > leave || leave <= near) return far;
    const double t = enter > near ? enter : leave;
    return t > near && t < far ? t : far;
}

double tube_hit(const Shape& s, const Ray& ray, double near, double far) {
    const Vec o = s.frame.to_local(ray.origin - s.center);
    const Vec d = s.frame.to_local(ray.direction);
    const double half = s.extent.z;
    double best = far;
    const double a = d.x * d.x + d.y * d.y;
    const double b = o.x * d.x + o.y * d.y;
    const double r = o.x * o.x + o.y * o.y;
    if (a > 1e-14) {
        const double outer_disc = b * b - a * (r - s.extent.x * s.extent.x);
        if (outer_disc <= 0) return far;  // misses the whole tube, caps included
        const double inverse = 1.0 / a;
        const auto consider = [&](double root) {
            for (const double t : {(-b - root) * inverse, (-b + root) * inverse}) {
                if (t > near && t < best && abs_of(o.z + t * d.z) <= half) best = t;
            }
        };
        consider(sqrt_of(outer_disc));
        const double inner_disc = b * b - a * (r - s.extent.y * s.extent.y);
        if (s.extent.y > 0 && inner_disc > 0) consider(sqrt_of(inner_disc));
    } else if (r > s.extent.x * s.extent.x) {
        return far;
    }
    if (abs_of(d.z) > 1e-12) {
        const double inverse = 1.0 / d.z;
        for (const double cap : {-half, half}) {
            const double t = (cap - o.z) * inverse;
            if (t <= near || t >= best) continue;
            const double x = o.x + t * d.x;
            const double y = o.y + t * d.y;
            const double q = x * x + y * y;
            if (q <= s.extent.x * s.extent.x && q >= s.extent.y * s.extent.y) best = t;
        }
    }
    return best;
}

// Moeller and Trumbore, "Fast, minimum storage ray/triangle intersection", 1997.
double triangle_hit(const Shape& s, const Ray& ray, double near, double far) {
    const Vec p = cross(ray.direction, s.frame.v);
    const double det = dot(s.frame.u, p);
    if (abs_of(det) < 1e-14) return far;
    const double inverse = 1.0 / det;
    const Vec q = ray.origin - s.center;
    const double u = dot(q, p) * inverse;
    if (u < 0 || u > 1) return far;
    const Vec r = cross(q, s.frame.u);
    const double v = dot(ray.direction, r) * inverse;
    if (v < 0 || (s.extent.x > 0 ? v : u + v) > 1) return far;
    const double t = dot(s.frame.v, r) * inverse;
    return t > near && t < far ? t : far;
}

// Bends a box's normal within `bevel` of an edge, so that edges catch the light as rounded ones do.
Vec box_normal(const Shape& s, const Vec& p) {
    const Vec h = s.extent;
    const double x = abs_of(p.x) / h.x;
    const double y = abs_of(p.y) / h.y;
    const double z = abs_of(p.z) / h.z;
    const double bevel = min_of(0.03, 0.4 * min_of(h.x, min_of(h.y, h.z)));
    const auto bend = [bevel](double at, double half) {
        const double t = max_of(0.0, abs_of(at) - (half - bevel)) / bevel;
        return (at < 0 ? -0.7 : 0.7) * t * t;
    };
    Vec n{bend(p.x, h.x), bend(p.y, h.y), bend(p.z, h.z)};
    if (x >= y && x >= z) {
        n.x = p.x < 0 ? -1.0 : 1.0;
    } else if (y >= z) {
        n.y = p.y < 0 ? -1.0 : 1.0;
    } else {
        n.z = p.z < 0 ? -1.0 : 1.0;
    }
    return normalized(n);
}

Vec tube_normal(const Shape& s, const Vec& p) {
    const double q = sqrt_of(p.x * p.x + p.y * p.y);
    const double to_outer = abs_of(s.extent.x - q);
    const double to_inner = s.extent.y > 0 ? abs_of(q - s.extent.y) : 1e30;
    const double to_cap = abs_of(s.extent.z - abs_of(p.z));
    if (to_cap < to_outer && to_cap < to_inner) return {0, 0, p.z < 0 ? -1.0 : 1.0};
    const double sign = to_outer <= to_inner ? 1.0 : -1.0;
    return q > 0 ? Vec{p.x * sign / q, p.y * sign / q, 0} : Vec{1, 0, 0};
}

}  // namespace

void Bounds::add(const Vec& p) {
    low = {min_of(low.x, p.x), min_of(low.y, p.y), min_of(low.z, p.z)};
    high = {max_of(high.x, p.x), max_of(high.y, p.y), max_of(high.z, p.z)};
}

void Bounds::add(const Bounds& b) {
    add(b.low);
    add(b.high);
}

double Bounds::half_area() const {
    const Vec d = high - low;
    return d.x < 0 ? 0.0 : d.x * d.y + d.y * d.z + d.z * d.x;
}

Bounds bounds_of(const Shape& s) {
    Bounds bounds;
    const auto add_block = [&](const Vec& half) {
        const auto reach = [&](double u, double v, double w) {
            return abs_of(u) * half.x + abs_of(v) * half.y + abs_of(w) * half.z;
        };
        const Vec r{reach(s.frame.u.x, s.frame.v.x, s.frame.w.x),
                    reach(s.frame.u.y, s.frame.v.y, s.frame.w.y),
                    reach(s.frame.u.z, s.frame.v.z, s.frame.w.z)};
        bounds.add(s.center - r);
        bounds.add(s.center + r);
    };
    switch (s.kind) {
        case ShapeKind::sphere:
            add_block({s.extent.x, s.extent.x, s.extent.x});
            break;
        case ShapeKind::box:
            add_block(s.extent);
            break;
        case ShapeKind::tube:
            add_block({s.extent.x, s.extent.x, s.extent.z});
            break;
        case ShapeKind::triangle:
            bounds.add(s.center);
            bounds.add(s.center + s.frame.u);
            bounds.add(s.center + s.frame.v);
            if (s.extent.x > 0) bounds.add(s.center + s.frame.u + s.frame.v);
            break;
        case ShapeKind::plane:
            break;
    }
    const Vec margin{1e-6, 1e-6, 1e-6};
    bounds.low = bounds.low - margin;
    bounds.high = bounds.high + margin;
    return bounds;
}

double intersect(const Shape& s, const Ray& ray, double near, double far) {
    switch (s.kind) {
        case ShapeKind::sphere:
            return sphere_hit(s, ray, near, far);
        case ShapeKind::box:
            return box_hit(s, ray, near, far);
        case ShapeKind::tube:
            return tube_hit(s, ray, near, far);
        case ShapeKind::triangle:
            return triangle_hit(s, ray, near, far);
        case ShapeKind::plane: {
            const double slope = dot(ray.direction, s.frame.w);
            if (abs_of(slope) < 1e-9) return far;
            const double t = dot(s.center - ray.origin, s.frame.w) / slope;
            return t > near && t < far ? t : far;
        }
    }
    return far;
}

Vec normal_at(const Shape& s, const Vec& point) {
    switch (s.kind) {
        case ShapeKind::sphere:
            return (point - s.center) * (1.0 / s.extent.x);
        case ShapeKind::box:
            return s.frame.to_world(box_normal(s, s.frame.to_local(point - s.center)));
        case ShapeKind::tube:
            return s.frame.to_world(tube_normal(s, s.frame.to_local(point - s.center)));
        case ShapeKind::triangle:
        case ShapeKind::plane:
            return s.frame.w;
    }
    return s.frame.w;
}

Vec texture_point(const Shape& s, const Vec& point) {
    if (s.kind == ShapeKind::plane || s.kind == ShapeKind::triangle) return point;
    const Vec p = s.frame.to_local(point - s.center);
    if (s.kind == ShapeKind::tube) return {p.z, p.x, p.y};
    if (s.kind == ShapeKind::sphere) return p;
    if (s.extent.y > s.extent.x && s.extent.y >= s.extent.z) return {p.y, p.z, p.x};
    if (s.extent.z > s.extent.x) return {p.z, p.x, p.y};
    return p;
}

}  // namespace render
