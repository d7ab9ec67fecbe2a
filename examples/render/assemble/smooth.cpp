// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "smooth.hpp"

#include <initializer_list>

namespace render {
namespace {

constexpr double albedo_min = 0.02;
constexpr double kernel[3] = {0.375, 0.25, 0.0625};  // B3 spline: centre, one step, two steps
constexpr double tolerance = 3.0;  // brightness edges in standard deviations of the noise

struct Light {
    Vec color;  // light / albedo
    double variance = 0;
};

Vec floor_albedo(const Vec& a) {
    return {max_of(a.x, albedo_min), max_of(a.y, albedo_min), max_of(a.z, albedo_min)};
}
Vec divide(const Vec& a, const Vec& b) {
    return {a.x / b.x, a.y / b.y, a.z / b.z};
}

int reach_of(int offset) {
    return offset < 0 ? -offset : offset;
}

// The variance around a pixel, blurred: a single estimate from few samples is itself noise.
double local_variance(const std::vector<Light>& light, int width, int height, int x, int y) {
    double sum = 0;
    double weights = 0;
    for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) {
            const int qx = x + dx;
            const int qy = y + dy;
            if (qx < 0 || qy < 0 || qx >= width || qy >= height) continue;
            const double w = (dx == 0 ? 2.0 : 1.0) * (dy == 0 ? 2.0 : 1.0);
            sum += w * light[static_cast<std::size_t>(qy * width + qx)].variance;
            weights += w;
        }
    }
    return sum / weights;
}

double likeness(const Pixel& p, const Pixel& q, int distance) {
    if ((p.depth <= 0) != (q.depth <= 0)) return 0;
    // An average of unlike normals (an edge, a scene behind glass) is short, and says little.
    const double pp = dot(p.normal, p.normal);
    const double qq = dot(q.normal, q.normal);
    double normals = 1.0;
    if (pp > 0.01 && qq > 0.01) {
        const double facing = clamp_of(dot(p.normal, q.normal) / sqrt_of(pp * qq), 0.0, 1.0);
        const double f4 = facing * facing * facing * facing;
        const double f16 = f4 * f4 * f4 * f4;
        normals = min_of(pp, qq) > 0.9 ? f16 * f16 : f4 * f4;
    } else if (max_of(pp, qq) > 0.25) {
        normals = 0.0;
    }
    const double slope = abs_of(p.depth - q.depth) / (0.02 * distance * max_of(p.depth, 1e-3));
    const Vec da = p.albedo - q.albedo;
    const double paint = dot(da, da) * 12.0;
    return normals / (1.0 + slope * slope) / (1.0 + paint * paint);
}

void one_round(const Picture& picture, const std::vector<Light>& in, std::vector<Light>& out,
               int step) {
    const int width = picture.width;
    const int height = picture.height;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const auto at = static_cast<std::size_t>(y * width + x);
            const Pixel& p = picture.pixels[at];
            const double center = luminance(in[at].color);
            const double allowed =
                tolerance * sqrt_of(local_variance(in, width, height, x, y)) + 1e-3;
            Vec sum;
            double weights = 0;
            double variance = 0;
            for (int dy = -2; dy <= 2; ++dy) {
                for (int dx = -2; dx <= 2; ++dx) {
                    const int qx = x + dx * step;
                    const int qy = y + dy * step;
                    if (qx < 0 || qy < 0 || qx >= width || qy >= height) continue;
                    const auto other = static_cast<std::size_t>(qy * width + qx);
                    double w = kernel[reach_of(dx)] * kernel[reach_of(dy)];
                    if (other != at) {
                        const double off = abs_of(luminance(in[other].color) - center) / allowed;
                        const int reach = reach_of(dx) > reach_of(dy) ? reach_of(dx) : reach_of(dy);
                        w *= exp_of(-off) * likeness(p, picture.pixels[other], step * reach);
                    }
                    sum += in[other].color * w;
                    variance += in[other].variance * w * w;
                    weights += w;
                }
            }
            out[at] = {sum * (1.0 / weights), variance / (weights * weights)};
        }
    }
}

// Pulls a lone pixel towards its neighbours: it may not be much brighter than the second brightest
// of them, nor much darker than the second darkest.
void remove_specks(const Picture& picture, std::vector<Light>& light) {
    const std::vector<Light> in = light;
    const int width = picture.width;
    for (int y = 0; y < picture.height; ++y) {
        for (int x = 0; x < width; ++x) {
            double brightest[2] = {0, 0};
            double darkest[2] = {1e30, 1e30};
            for (int dy = -1; dy <= 1; ++dy) {
                for (int dx = -1; dx <= 1; ++dx) {
                    const int qx = x + dx;
                    const int qy = y + dy;
                    if ((dx == 0 && dy == 0) || qx < 0 || qy < 0 || qx >= width ||
                        qy >= picture.height) {
                        continue;
                    }
                    const double l = luminance(in[static_cast<std::size_t>(qy * width + qx)].color);
                    brightest[1] = max_of(brightest[1], min_of(l, brightest[0]));
                    brightest[0] = max_of(brightest[0], l);
                    darkest[1] = min_of(darkest[1], max_of(l, darkest[0]));
                    darkest[0] = min_of(darkest[0], l);
                }
            }
            Light& own = light[static_cast<std::size_t>(y * width + x)];
            const double l = luminance(own.color);
            const double bound =
                clamp_of(l, min_of(darkest[1], 1e6) * 0.7 - 0.01, brightest[1] * 1.5 + 0.02);
            if (bound == l) continue;
            const double scale = l > 0 ? bound / l : 1.0;
            own.color = l > 1e-4 ? own.color * scale : Vec{bound, bound, bound};
            own.variance *= min_of(scale * scale, 4.0);
        }
    }
}

// Narkowicz's fit of the ACES film curve, on each channel.
double tone(double x) {
    return clamp_of(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0);
}

// x^(1/2.4) by Newton's method on y^12 = x^5: no library, no rounding that differs between
// machines.
double root_2_4(double x) {
    const double goal = x * x * x * x * x;
    double y = sqrt_of(x);  // above the root of every x in (0, 1): falls steadily
    if (y < 1) y = sqrt_of(y) * sqrt_of(sqrt_of(y)) + 0.2;
    for (int i = 0; i < 40; ++i) {
        const double y3 = y * y * y;
        const double y11 = y3 * y3 * y3 * y * y;
        const double next = y - (y11 * y - goal) / (12.0 * y11);
        if (abs_of(next - y) < 1e-12) break;
        y = next;
    }
    return y;
}

unsigned char encode(double x) {
    const double s = x <= 0.0031308 ? 12.92 * x : 1.055 * root_2_4(x) - 0.055;
    return static_cast<unsigned char>(clamp_of(s, 0.0, 1.0) * 255.0 + 0.5);
}

}  // namespace

void smooth(Picture& picture, int round_count) {
    std::vector<Light> light(picture.pixels.size());
    for (std::size_t i = 0; i < light.size(); ++i) {
        const Pixel& p = picture.pixels[i];
        light[i] = {divide(p.color, floor_albedo(p.albedo)), p.variance};
    }
    remove_specks(picture, light);
    std::vector<Light> next(light.size());
    for (int round = 0; round < round_count; ++round) {
        one_round(picture, light, next, 1 << round);
        light.swap(next);
    }
    for (std::size_t i = 0; i < light.size(); ++i) {
        Pixel& p = picture.pixels[i];
        p.color = light[i].color * floor_albedo(p.albedo);
        p.variance = light[i].variance;
    }
}

std::vector<unsigned char> develop(const Picture& picture, double exposure) {
    std::vector<unsigned char> out;
    out.reserve(picture.pixels.size() * 3);
    for (const Pixel& p : picture.pixels) {
        for (const double channel : {p.color.x, p.color.y, p.color.z})
            out.push_back(encode(tone(channel * exposure)));
    }
    return out;
}

}  // namespace render
