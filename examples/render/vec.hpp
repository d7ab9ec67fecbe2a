// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Vectors and the few transcendental functions the path tracer needs.
//
// Every result must be the same to the last bit in a WebAssembly engine and in a native build, so
// only
// + - * / and sqrt are taken from the hardware (IEEE 754 defines them exactly); sine, cosine,
// exponential and logarithm are polynomials written here. Build with -ffp-contract=off.
#pragma once

#include <cstdint>

namespace render {

constexpr double pi = 3.14159265358979323846;

inline double floor_of(double x) {
    return __builtin_floor(x);
}
inline double sqrt_of(double x) {
    return x > 0 ? __builtin_sqrt(x) : 0.0;
}
inline double abs_of(double x) {
    return x < 0 ? -x : x;
}
inline double min_of(double a, double b) {
    return a < b ? a : b;
}
inline double max_of(double a, double b) {
    return a > b ? a : b;
}
inline double clamp_of(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}
inline double mix_of(double a, double b, double t) {
    return a + (b - a) * t;
}
inline double smooth_step(double low, double high, double x) {
    const double t = clamp_of((x - low) / (high - low), 0.0, 1.0);
    return t * t * (3.0 - 2.0 * t);
}

// Sine of a turn count: sin(2 pi x). The error is below 1e-9, far under what a picture shows.
inline double sin_turn(double x) {
    x -= floor_of(x + 0.5);  // [-0.5, 0.5)
    if (x > 0.25) x = 0.5 - x;
    if (x < -0.25) x = -0.5 - x;
    const double y = x * (2.0 * pi);
    const double z = y * y;
    return y * (1.0 + z * (-1.0 / 6 +
                           z * (1.0 / 120 +
                                z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800 +
                                                                            z / 6227020800.0))))));
}
inline double cos_turn(double x) {
    return sin_turn(x + 0.25);
}
inline double sin_of(double radians) {
    return sin_turn(radians * (1.0 / (2.0 * pi)));
}
inline double cos_of(double radians) {
    return cos_turn(radians * (1.0 / (2.0 * pi)));
}

// e^x for |x| < 700, by squaring a short series.
inline double exp_of(double x) {
    if (x < -40.0) return 0.0;
    if (x > 700.0) x = 700.0;
    const double y = x * (1.0 / 1024);
    double r = 1.0 + y * (1.0 + y * (0.5 + y * (1.0 / 6 + y * (1.0 / 24 + y * (1.0 / 120)))));
    for (int i = 0; i < 10; ++i)
        r *= r;
    return r;
}

struct Vec {
    double x = 0, y = 0, z = 0;

    friend Vec operator+(const Vec& a, const Vec& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
    friend Vec operator-(const Vec& a, const Vec& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
    friend Vec operator*(const Vec& a, const Vec& b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
    friend Vec operator*(const Vec& a, double s) { return {a.x * s, a.y * s, a.z * s}; }
    friend Vec operator*(double s, const Vec& a) { return {a.x * s, a.y * s, a.z * s}; }
    Vec operator-() const { return {-x, -y, -z}; }
    Vec& operator+=(const Vec& b) {
        x += b.x;
        y += b.y;
        z += b.z;
        return *this;
    }
};

inline double dot(const Vec& a, const Vec& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline Vec cross(const Vec& a, const Vec& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline double length(const Vec& a) {
    return sqrt_of(dot(a, a));
}
inline Vec normalized(const Vec& a) {
    const double l = length(a);
    return l > 0 ? a * (1.0 / l) : Vec{0, 0, 1};
}
inline Vec mix(const Vec& a, const Vec& b, double t) {
    return a + (b - a) * t;
}
inline double luminance(const Vec& c) {
    return 0.2126 * c.x + 0.7152 * c.y + 0.0722 * c.z;
}
inline double max_component(const Vec& c) {
    return max_of(c.x, max_of(c.y, c.z));
}
inline Vec reflect(const Vec& d, const Vec& n) {
    return d - n * (2.0 * dot(d, n));
}

// Three perpendicular unit vectors: the rows of a rotation from the world to a local frame.
struct Frame {
    Vec u{1, 0, 0}, v{0, 1, 0}, w{0, 0, 1};

    Vec to_local(const Vec& a) const { return {dot(a, u), dot(a, v), dot(a, w)}; }
    Vec to_world(const Vec& a) const { return u * a.x + v * a.y + w * a.z; }
};

// A frame whose w is the unit vector n (Duff et al., "Building an Orthonormal Basis, Revisited",
// 2017).
inline Frame frame_around(const Vec& n) {
    const double sign = n.z < 0 ? -1.0 : 1.0;
    const double a = -1.0 / (sign + n.z);
    const double b = n.x * n.y * a;
    return {
        {1.0 + sign * n.x * n.x * a, sign * b, -sign * n.x}, {b, sign + n.y * n.y * a, -n.y}, n};
}

struct Ray {
    Vec origin, direction;
};

}  // namespace render
