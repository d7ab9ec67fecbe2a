// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "tracer.hpp"

namespace render {
namespace {

constexpr double near_min = 1e-5;
constexpr double indirect_max = 6.0;   // brightest contribution of a path after a diffuse bounce
constexpr double promise_min = 0.025;  // a light that could not matter more is passed over
constexpr int settled_samples = 4;     // a pixel whose first samples all see plain sky is done
constexpr int effort_max = 4;          // a noisy pixel gets up to this many times the samples
constexpr double error_max = 0.12;  // noisy: the standard error of the mean above this share of it

// Fresnel reflectance of a smooth dielectric; eta = n_incident / n_transmitted.
double fresnel_dielectric(double cos_in, double eta) {
    const double sin2 = eta * eta * (1.0 - cos_in * cos_in);
    if (sin2 >= 1.0) return 1.0;
    const double cos_out = sqrt_of(1.0 - sin2);
    const double parallel = (cos_in - eta * cos_out) / (cos_in + eta * cos_out);
    const double across = (eta * cos_in - cos_out) / (eta * cos_in + cos_out);
    return 0.5 * (parallel * parallel + across * across);
}

// Schlick's approximation.
Vec fresnel_metal(const Vec& facing, double cos_in) {
    const double m = clamp_of(1.0 - cos_in, 0.0, 1.0);
    const double m2 = m * m;
    return mix(facing, {1, 1, 1}, m2 * m2 * m);
}

// GGX with alpha = roughness squared (Walter et al. 2007); masking after Smith.
double ggx_density(double cos_half, double a2) {
    const double d = cos_half * cos_half * (a2 - 1.0) + 1.0;
    return a2 / (pi * d * d);
}
double ggx_masking(double cos_theta, double a2) {
    return 2.0 * cos_theta / (cos_theta + sqrt_of(a2 + (1.0 - a2) * cos_theta * cos_theta));
}

// A clear coat over paint: what it mirrors, and the odds of following that. Dark paint returns
// little, so there the mirror image deserves more of the samples than its share of the light.
struct Coat {
    double reflected, odds;
};
Coat coat_of(const Vec& albedo, double cos_eye) {
    const double reflected = fresnel_dielectric(clamp_of(cos_eye, 0.0, 1.0), 1.0 / 1.5);
    const double below = (1.0 - reflected) * (0.6 * luminance(albedo) + 0.02);
    return {reflected, clamp_of(reflected / (reflected + below), 0.05, 0.95)};
}

double alpha_of(const Material& m) {
    return max_of(m.roughness * m.roughness, 1e-4);
}
bool is_mirror(const Material& m) {
    return m.kind == MaterialKind::metal && m.roughness < 0.08;
}

// Weight of one of two ways to find the same light (Veach's power heuristic).
double weigh(double own, double other) {
    return own * own / (own * own + other * other);
}

Vec cosine_direction(Pair u) {
    const double r = sqrt_of(u.x);
    return {r * cos_turn(u.y), r * sin_turn(u.y), sqrt_of(1.0 - u.x)};
}

// A direction within the cone around w whose cosine is at least cos_size.
Vec cone_direction(const Vec& w, double cos_size, Pair u) {
    const double c = 1.0 - u.x * (1.0 - cos_size);
    const double s = sqrt_of(1.0 - c * c);
    return frame_around(w).to_world({s * cos_turn(u.y), s * sin_turn(u.y), c});
}

Vec clamp_light(const Vec& c) {
    const double m = max_component(c);
    return m > indirect_max ? c * (indirect_max / m) : c;
}

}  // namespace

Tracer::Tracer(Scene& scene) : scene_(scene), tree_(scene) {
    const Camera& c = scene.camera;
    view_.w = normalized(c.target - c.eye);
    const Vec up = abs_of(view_.w.y) > 0.999 ? Vec{0, 0, 1} : Vec{0, 1, 0};
    view_.u = normalized(cross(view_.w, up));
    view_.v = cross(view_.u, view_.w);
    view_half_ = sin_turn(c.degrees / 720.0) / cos_turn(c.degrees / 720.0);
    blockers_.resize(scene.lights.size() + 1);
    sun_solid_angle_ = 2.0 * pi * (1.0 - scene.sun.cos_size);
}

Ray Tracer::camera_ray(double x, double y, Pair lens) const {
    const Camera& c = scene_.camera;
    const double half_width = scene_.width * 0.5;
    const double half_height = scene_.height * 0.5;
    const Vec toward = view_.w + view_.u * ((x - half_width) / half_height * view_half_) +
                       view_.v * ((half_height - y) / half_height * view_half_);
    if (c.aperture <= 0) return {c.eye, normalized(toward)};
    const double r = c.aperture * sqrt_of(lens.x);
    const Vec from = c.eye + view_.u * (r * cos_turn(lens.y)) + view_.v * (r * sin_turn(lens.y));
    return {from, normalized(c.eye + toward * c.focus - from)};
}

Vec Tracer::sky_color(const Vec& d) const {
    const double up = clamp_of(d.y, 0.0, 1.0);
    const double t = 1.0 - (1.0 - up) * (1.0 - up) * (1.0 - up);
    Vec c = mix(scene_.sky.horizon, scene_.sky.zenith, t);
    // A broad glow around the sun.
    const double near_sun = max_of(0.0, dot(d, scene_.sun.direction));
    const double n4 = near_sun * near_sun * near_sun * near_sun;
    c += scene_.sun.color * (0.035 * n4 + 0.09 * n4 * n4 * n4 * n4);
    return c;
}

Vec Tracer::sun_color(const Vec& d) const {
    if (sun_solid_angle_ <= 0 || dot(d, scene_.sun.direction) < scene_.sun.cos_size) return {};
    return scene_.sun.color * (1.0 / sun_solid_angle_);
}

double Tracer::light_pdf(const Shape& s, const Vec& point, const Vec& direction,
                         double distance) const {
    if (s.kind == ShapeKind::sphere) {
        const Vec d = s.center - point;
        const double sin2 = s.extent.x * s.extent.x / dot(d, d);
        return sin2 < 1.0 ? 1.0 / (2.0 * pi * (1.0 - sqrt_of(1.0 - sin2))) : 0.0;
    }
    const double area = length(cross(s.frame.u, s.frame.v));
    const double c = abs_of(dot(s.frame.w, direction));
    return c > 1e-6 ? distance * distance / (c * area) : 0.0;
}

// What the surface scatters from `to_light` to the eye, times the cosine; and how likely bounce()
// is to go there.
Vec Tracer::scattered(const Surface& s, const Vec& to_light, double& pdf) const {
    const double c = dot(s.normal, to_light);
    if (s.material->kind == MaterialKind::metal) {
        const double c_eye = dot(s.normal, s.to_eye);
        pdf = 0;
        if (c <= 0 || c_eye <= 0) return {};
        const Vec half = normalized(to_light + s.to_eye);
        const double a = alpha_of(*s.material);
        const double a2 = a * a;
        const double density = ggx_density(dot(s.normal, half), a2);
        const double g_eye = ggx_masking(c_eye, a2);
        pdf = g_eye * density / (4.0 * c_eye);
        return fresnel_metal(s.albedo, dot(half, to_light)) * (pdf * ggx_masking(c, a2));
    }
    if (s.material->kind == MaterialKind::wax) {
        // Light wraps around the edge as it does in wax and skin; normalised to lose no energy.
        constexpr double wrap = 0.45;
        pdf = max_of(0.0, c) / pi;
        const double w = (c + wrap) / (1.0 + wrap);
        return w > 0 ? s.albedo * (w * w / pi) : Vec{};
    }
    pdf = max_of(0.0, c) / pi;
    if (s.material->kind == MaterialKind::polished) {
        const Coat coat = coat_of(s.albedo, dot(s.normal, s.to_eye));
        pdf *= 1.0 - coat.odds;
        return s.albedo * (max_of(0.0, c) / pi * (1.0 - coat.reflected));
    }
    return s.albedo * pdf;
}

// One light's share at a surface, found by aiming at it. Light 0 is the sun.
Vec Tracer::light_from(const Surface& s, std::size_t light, Pair u) {
    Vec direction;
    Vec emitted;
    double distance = 1e29;
    double pdf = 0;
    if (light == 0) {
        direction = cone_direction(scene_.sun.direction, scene_.sun.cos_size, u);
        pdf = 1.0 / sun_solid_angle_;
        emitted = scene_.sun.color * pdf;
    } else {
        const Shape& shape = scene_.shapes[scene_.lights[light - 1]];
        emitted = scene_.materials[shape.material].color.first;
        if (shape.kind == ShapeKind::sphere) {
            const Vec d = shape.center - s.point;
            const double d2 = dot(d, d);
            const double sin2 = shape.extent.x * shape.extent.x / d2;
            if (sin2 >= 1.0) return {};
            const double cos_size = sqrt_of(1.0 - sin2);
            direction = cone_direction(d * (1.0 / sqrt_of(d2)), cos_size, u);
            pdf = 1.0 / (2.0 * pi * (1.0 - cos_size));
            distance = intersect(shape, {s.point, direction}, near_min, 1e29);
        } else {
            const Vec d = shape.center + shape.frame.u * u.x + shape.frame.v * u.y - s.point;
            distance = length(d);
            if (distance < 1e-6) return {};
            direction = d * (1.0 / distance);
            if (dot(direction, shape.frame.w) >= 0) return {};  // a quad shines from its front
            pdf = light_pdf(shape, s.point, direction, distance);
        }
    }
    if (pdf <= 0) return {};
    double own_pdf = 0;
    const Vec f = scattered(s, direction, own_pdf);
    if (max_component(f) <= 1e-6) return {};
    ++ray_count_;
    const Vec passed = tree_.light_through({s.point + s.normal * near_min, direction}, near_min,
                                           distance * 0.9999, blockers_[light]);
    return f * emitted * passed * (weigh(pdf, own_pdf) / pdf);
}

// How bright a light could be at a point, nothing in between: the odds of choosing it.
double Tracer::promise_of(std::size_t light, const Vec& point) const {
    if (light == 0) return sun_solid_angle_ > 0 ? luminance(scene_.sun.color) : 0.0;
    const Shape& shape = scene_.shapes[scene_.lights[light - 1]];
    const double area = shape.kind == ShapeKind::sphere
                            ? pi * shape.extent.x * shape.extent.x
                            : length(cross(shape.frame.u, shape.frame.v));
    const Vec d = shape.center - point;
    return luminance(scene_.materials[shape.material].color.first) * area / max_of(dot(d, d), area);
}

Vec Tracer::direct_light(const Surface& s, Sampler& sampler, bool every_light) {
    const std::size_t last = scene_.lights.size() + 1;
    Vec sum;
    if (every_light) {
        for (std::size_t i = 0; i < last; ++i) {
            if (promise_of(i, s.point) > promise_min) sum += light_from(s, i, sampler.next());
        }
        return sum;
    }
    double total = 0;
    for (std::size_t i = 0; i < last; ++i)
        total += promise_of(i, s.point);
    double at = sampler.next().x * total;
    for (std::size_t i = 0; i < last; ++i) {
        const double promise = promise_of(i, s.point);
        at -= promise;
        if (promise > 0 && (at < 0 || i + 1 == last))
            return light_from(s, i, sampler.next()) * (total / promise);
    }
    return {};
}

// Heitz, "Sampling the GGX distribution of visible normals", 2018.
bool Tracer::bounce_metal(const Surface& s, Pair u, Bounce& out) const {
    if (is_mirror(*s.material)) {
        out.direction = reflect(-s.to_eye, s.normal);
        out.weight = fresnel_metal(s.albedo, dot(s.normal, s.to_eye));
        return true;
    }
    const double a = alpha_of(*s.material);
    const Frame frame = frame_around(s.normal);
    const Vec eye = frame.to_local(s.to_eye);
    const Vec stretched = normalized({a * eye.x, a * eye.y, eye.z});
    const double flat = stretched.x * stretched.x + stretched.y * stretched.y;
    const Vec t1 =
        flat > 1e-12 ? Vec{-stretched.y, stretched.x, 0} * (1.0 / sqrt_of(flat)) : Vec{1, 0, 0};
    const Vec t2 = cross(stretched, t1);
    const double r = sqrt_of(u.x);
    const double p1 = r * cos_turn(u.y);
    const double mixing = 0.5 * (1.0 + stretched.z);
    const double p2 = (1.0 - mixing) * sqrt_of(1.0 - p1 * p1) + mixing * r * sin_turn(u.y);
    const Vec n = t1 * p1 + t2 * p2 + stretched * sqrt_of(1.0 - p1 * p1 - p2 * p2);
    const Vec half = frame.to_world(normalized({a * n.x, a * n.y, max_of(0.0, n.z)}));
    out.direction = reflect(-s.to_eye, half);
    const double c = dot(out.direction, s.normal);
    if (c <= 0) return false;
    const Vec f = scattered(s, out.direction, out.pdf);
    if (out.pdf <= 0) return false;
    out.weight = f * (1.0 / out.pdf);
    return true;
}

bool Tracer::bounce_glass(const Surface& s, bool entering, Pair u, Bounce& out) const {
    const double eta = entering ? 1.0 / s.material->ior : s.material->ior;
    const double c = clamp_of(dot(s.normal, s.to_eye), 0.0, 1.0);
    const double reflected = fresnel_dielectric(c, eta);
    if (u.x < reflected) {
        out.direction = reflect(-s.to_eye, s.normal);
        out.weight = {1, 1, 1};
        return true;
    }
    const double cos_out = sqrt_of(1.0 - eta * eta * (1.0 - c * c));
    out.direction = normalized(s.to_eye * -eta + s.normal * (eta * c - cos_out));
    // The tint is that of passing one surface; a whole object tints twice.
    out.weight = {sqrt_of(s.albedo.x), sqrt_of(s.albedo.y), sqrt_of(s.albedo.z)};
    return true;
}

bool Tracer::bounce(Surface& s, bool entering, Sampler& sampler, Bounce& out) const {
    const Pair choice = sampler.next();
    switch (s.material->kind) {
        case MaterialKind::glass:
            return bounce_glass(s, entering, choice, out);
        case MaterialKind::metal:
            return bounce_metal(s, choice, out);
        case MaterialKind::polished: {
            const Coat coat = coat_of(s.albedo, dot(s.normal, s.to_eye));
            if (choice.x < coat.odds) {
                const double weight = coat.reflected / coat.odds;
                out.direction = reflect(-s.to_eye, s.normal);
                out.weight = {weight, weight, weight};
                return true;
            }
            const Vec d = cosine_direction(sampler.next());
            out.direction = frame_around(s.normal).to_world(d);
            out.weight = s.albedo * ((1.0 - coat.reflected) / (1.0 - coat.odds));
            out.pdf = max_of(1e-9, d.z * (1.0 - coat.odds) / pi);
            return true;
        }
        case MaterialKind::lambert:
        case MaterialKind::wax: {
            const Vec d = cosine_direction(choice);
            out.direction = frame_around(s.normal).to_world(d);
            out.weight = s.albedo;
            out.pdf = max_of(1e-9, d.z / pi);
            return true;
        }
        case MaterialKind::light:
            break;
    }
    return false;
}

Tracer::Sample Tracer::trace(Ray ray, Sampler& sampler) {
    Sample sample;
    Vec through{1, 1, 1};
    bool described = false;  // albedo and normal are set
    bool scattered_once = false;
    double haze = 1;
    Bounce last;
    Vec last_point = ray.origin;
    for (int depth = 0; depth < scene_.depth; ++depth) {
        sampler.jump(2 + static_cast<std::uint32_t>(depth) * 16);
        const Hit hit = tree_.first_hit(ray, near_min);
        ++ray_count_;
        const auto add = [&](const Vec& light) {
            const Vec c = through * light;
            sample.color += scattered_once ? clamp_light(c) : c;
        };
        if (hit.shape == nullptr) {
            Vec light = sky_color(ray.direction);
            // Caustics of the sun are left to light_through(): a path that scattered does not see
            // its disc again by way of glass or a mirror.
            if (last.pdf > 0) {
                light += sun_color(ray.direction) *
                         weigh(last.pdf, 1.0 / max_of(sun_solid_angle_, 1e-9));
            } else if (!scattered_once) {
                light += sun_color(ray.direction);
            }
            add(light);
            if (!described) sample.albedo = through;
            break;
        }
        Surface s;
        s.shape = hit.shape;
        s.material = &scene_.materials[hit.shape->material];
        s.point = ray.origin + ray.direction * hit.distance;
        s.to_eye = -ray.direction;
        s.normal = normal_at(*hit.shape, s.point);
        const bool entering = dot(s.normal, ray.direction) < 0;
        const bool facing = entering || hit.shape->kind == ShapeKind::triangle;
        if (!entering) s.normal = -s.normal;
        if (depth == 0) {
            sample.depth = hit.distance;
            haze = exp_of(-scene_.sky.haze * hit.distance);
        }
        if (s.material->kind == MaterialKind::light) {
            Vec light = s.material->color.first;
            if (!(hit.shape->extent.x > 0 && hit.shape->kind == ShapeKind::triangle) || entering) {
                if (last.pdf > 0 && hit.shape->light >= 0) {
                    light = light * weigh(last.pdf, light_pdf(*hit.shape, last_point, ray.direction,
                                                              hit.distance));
                } else if (scattered_once && last.pdf <= 0) {
                    light = Vec{};
                }
                add(light);
            }
            if (!described) {
                sample.albedo = Vec{1, 1, 1};
                sample.normal = s.normal;
            }
            break;
        }
        // What only lights other surfaces need not show its texture.
        s.albedo = scattered_once ? texture_mean(s.material->color)
                                  : texture_color(s.material->color,
                                                  texture_point(*s.shape, s.point), s.shape->seed);
        const bool clear = s.material->kind == MaterialKind::glass || is_mirror(*s.material);
        if (!described && (!clear || depth >= 3)) {
            sample.albedo = clear ? through : through * s.albedo;
            sample.normal = s.normal;
            described = true;
        }
        if (!facing && !clear) break;  // inside something solid
        if (!clear) add(direct_light(s, sampler, !scattered_once));
        Bounce next;
        if (!bounce(s, entering, sampler, next)) break;
        const bool mirrored = dot(next.direction, s.normal) > 0;
        // The rare glint on the outside of glass would only blur the description of what is behind.
        if (mirrored && entering && s.material->kind == MaterialKind::glass) {
            described = true;
            sample.telling = sample.telling && depth > 0;
        }
        through = through * next.weight;
        if (next.pdf > 0) scattered_once = true;
        if (depth >= 2) {  // Russian roulette
            const double keep = clamp_of(max_component(through), 0.05, 0.95);
            if (sampler.next().x >= keep) break;
            through = through * (1.0 / keep);
        }
        last = next;
        last_point = s.point;
        const double side = dot(next.direction, s.normal) < 0 ? -near_min : near_min;
        ray = {s.point + s.normal * side, next.direction};
    }
    if (haze < 1) {
        sample.color = mix(scene_.sky.horizon, sample.color, haze);
        sample.albedo = mix({1, 1, 1}, sample.albedo, haze);
    }
    return sample;
}

Pixel Tracer::pixel(int x, int y) {
    Pixel pixel;
    double sum = 0;
    double squares = 0;
    int count = 0;
    int telling_count = 0;
    int wanted = scene_.samples;
    bool plain = true;
    while (count < wanted && !(plain && count == settled_samples)) {
        Sampler sampler(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y),
                        static_cast<std::uint32_t>(count),
                        static_cast<std::uint32_t>(scene_.samples * effort_max));
        const Pair jitter = sampler.next();
        // A triangular filter of about one pixel's radius is gentler on edges than a box.
        const auto tent = [](double u) {
            return u < 0.5 ? sqrt_of(2.0 * u) - 1.0 : 1.0 - sqrt_of(2.0 - 2.0 * u);
        };
        const Ray ray = camera_ray(x + 0.5 + 0.75 * tent(jitter.x), y + 0.5 + 0.75 * tent(jitter.y),
                                   sampler.next());
        const Sample s = trace(ray, sampler);
        plain = plain && s.depth == 0;
        pixel.color += s.color;
        if (s.telling) {
            pixel.albedo += s.albedo;
            pixel.normal += s.normal;
            ++telling_count;
        }
        pixel.depth += s.depth;
        const double l = luminance(s.color);
        sum += l;
        squares += l * l;
        ++count;
        if (count == wanted && wanted < scene_.samples * effort_max) {
            const double mean = sum / count;
            const double error = sqrt_of(max_of(0.0, squares / count - mean * mean) / count);
            if (error > error_max * (mean + 0.1)) wanted *= 2;
        }
    }
    sample_count_ += static_cast<std::uint64_t>(count);
    const double scale = 1.0 / count;
    pixel.color = pixel.color * scale;
    if (telling_count == 0) pixel.albedo = {1, 1, 1};
    pixel.albedo = pixel.albedo * (1.0 / max_of(telling_count, 1));
    pixel.normal = pixel.normal * (1.0 / max_of(telling_count, 1));
    pixel.depth *= scale;
    const double mean = sum * scale;
    const double a = max_of(luminance(pixel.albedo), 0.02);
    pixel.variance = max_of(0.0, squares * scale - mean * mean) * scale / (a * a);
    return pixel;
}

}  // namespace render
