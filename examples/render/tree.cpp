// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "tree.hpp"

#include <utility>

namespace render {
namespace {

constexpr int bin_count = 12;
constexpr int depth_max = 48;  // also the bound of the stack in walk()

double component(const Vec& v, int axis) {
    return axis == 0 ? v.x : axis == 1 ? v.y : v.z;
}

// The larger and the smaller of two finite numbers, in one WebAssembly instruction. (That one knows
// about NaN and signed zero; no comparison in walk() does.)
double later(double a, double b) {
#ifdef __wasm__
    return __builtin_wasm_max_f64(a, b);
#else
    return max_of(a, b);
#endif
}
double sooner(double a, double b) {
#ifdef __wasm__
    return __builtin_wasm_min_f64(a, b);
#else
    return min_of(a, b);
#endif
}

struct Split {
    double cost = 1e300;
    int axis = -1;
    int bin = 0;
};

int bin_of(const Bounds& b, const Bounds& centers, int axis) {
    const double low = component(centers.low, axis);
    const double size = component(centers.high, axis) - low;
    const double at = (component(b.low, axis) + component(b.high, axis)) * 0.5 - low;
    const int bin = static_cast<int>(at / size * bin_count);
    return bin < 0 ? 0 : bin >= bin_count ? bin_count - 1 : bin;
}

// The cheapest cut by the surface area heuristic over bins (Wald, 2007).
Split best_split(const std::vector<Bounds>& bounds, std::size_t first, std::size_t last,
                 const Bounds& centers) {
    Split best;
    for (int axis = 0; axis < 3; ++axis) {
        if (component(centers.high, axis) - component(centers.low, axis) < 1e-9) continue;
        Bounds bins[bin_count];
        int counts[bin_count] = {};
        for (std::size_t i = first; i < last; ++i) {
            const int bin = bin_of(bounds[i], centers, axis);
            bins[bin].add(bounds[i]);
            ++counts[bin];
        }
        double right_cost[bin_count] = {};
        Bounds side;
        int count = 0;
        for (int i = bin_count - 1; i > 0; --i) {
            side.add(bins[i]);
            count += counts[i];
            right_cost[i] = count > 0 ? side.half_area() * count : 1e200;
        }
        side = Bounds{};
        count = 0;
        for (int i = 1; i < bin_count; ++i) {
            side.add(bins[i - 1]);
            count += counts[i - 1];
            if (count == 0) continue;
            const double cost = side.half_area() * count + right_cost[i];
            if (cost < best.cost) best = {cost, axis, i};
        }
    }
    return best;
}

}  // namespace

Tree::Tree(Scene& scene) : scene_(scene) {
    std::vector<Bounds> bounds;
    for (const Shape& shape : scene.shapes)
        bounds.push_back(bounds_of(shape));
    nodes_.reserve(scene.shapes.size() * 2 + 1);
    if (!scene.shapes.empty()) build(0, scene.shapes.size(), bounds, 0);
    for (std::size_t i = 0; i < scene.shapes.size(); ++i) {
        Shape& s = scene.shapes[i];
        const bool samplable =
            s.kind == ShapeKind::sphere || (s.kind == ShapeKind::triangle && s.extent.x > 0);
        if (!samplable || scene.materials[s.material].kind != MaterialKind::light) continue;
        s.light = static_cast<std::int32_t>(scene.lights.size());
        scene.lights.push_back(static_cast<std::uint32_t>(i));
    }
}

void Tree::build(std::size_t first, std::size_t last, std::vector<Bounds>& bounds, int depth) {
    const std::size_t index = nodes_.size();
    nodes_.emplace_back();
    Bounds all;
    Bounds centers;
    for (std::size_t i = first; i < last; ++i) {
        all.add(bounds[i]);
        centers.add((bounds[i].low + bounds[i].high) * 0.5);
    }
    const double box[6] = {all.low.x, all.low.y, all.low.z, all.high.x, all.high.y, all.high.z};
    for (int i = 0; i < 6; ++i)
        nodes_[index].box[i] = box[i];
    const std::size_t count = last - first;
    Split split;
    if (count > 1 && depth < depth_max) split = best_split(bounds, first, last, centers);
    const bool worth =
        split.axis >= 0 &&
        (count > 4 || split.cost + all.half_area() < all.half_area() * static_cast<double>(count));
    if (!worth && (count <= 0xffff)) {
        nodes_[index].first = static_cast<std::uint32_t>(first);
        nodes_[index].count = static_cast<std::uint16_t>(count);
        return;
    }
    std::size_t middle = first;
    for (std::size_t i = first; i < last; ++i) {
        if (bin_of(bounds[i], centers, split.axis) >= split.bin) continue;
        std::swap(bounds[i], bounds[middle]);
        std::swap(scene_.shapes[i], scene_.shapes[middle]);
        ++middle;
    }
    build(first, middle, bounds, depth + 1);
    nodes_[index].first = static_cast<std::uint32_t>(nodes_.size());
    nodes_[index].axis = static_cast<std::uint16_t>(split.axis);
    build(middle, last, bounds, depth + 1);
}

// Calls visit(shape) for each shape whose leaf the ray enters before `far`; visit returns false to
// stop.
template <typename Visit>
void Tree::walk(const Ray& ray, double& far, Visit visit) const {
    if (nodes_.empty()) return;
    const Vec d = ray.direction;
    const auto inverse_of = [](double x) { return abs_of(x) > 1e-18 ? 1.0 / x : 1e18; };
    const Vec inverse{inverse_of(d.x), inverse_of(d.y), inverse_of(d.z)};
    const Vec start{ray.origin.x * inverse.x, ray.origin.y * inverse.y, ray.origin.z * inverse.z};
    // Where in Node::box the planes lie that the ray meets first and last, for each axis.
    const bool backward[3] = {inverse.x < 0, inverse.y < 0, inverse.z < 0};
    const std::size_t x_first = backward[0] ? 3 : 0;
    const std::size_t y_first = backward[1] ? 4 : 1;
    const std::size_t z_first = backward[2] ? 5 : 2;
    const std::size_t x_last = 3 - x_first;
    const std::size_t y_last = 5 - y_first;
    const std::size_t z_last = 7 - z_first;
    std::uint32_t stack[depth_max + 2];
    int top = 0;
    std::uint32_t at = 0;
    for (;;) {
        const Node& node = nodes_[at];
        const double* box = node.box;
        const double enter =
            later(later(box[x_first] * inverse.x - start.x, box[y_first] * inverse.y - start.y),
                  box[z_first] * inverse.z - start.z);
        const double leave =
            sooner(sooner(box[x_last] * inverse.x - start.x, box[y_last] * inverse.y - start.y),
                   box[z_last] * inverse.z - start.z);
        if (enter <= leave && leave > 0 && enter < far) {
            if (node.count == 0) {
                const bool swap = backward[node.axis];
                stack[top++] = swap ? at + 1 : node.first;
                at = swap ? node.first : at + 1;
                continue;
            }
            for (std::uint32_t i = 0; i < node.count; ++i) {
                if (!visit(scene_.shapes[node.first + i])) return;
            }
        }
        if (top == 0) return;
        at = stack[--top];
    }
}

Hit Tree::first_hit(const Ray& ray, double near) const {
    Hit hit;
    const auto visit = [&](const Shape& shape) {
        const double t = intersect(shape, ray, near, hit.distance);
        if (t < hit.distance) hit = {t, &shape};
        return true;
    };
    for (const Shape& plane : scene_.planes)
        visit(plane);
    walk(ray, hit.distance, visit);
    return hit;
}

Vec Tree::light_through(const Ray& ray, double near, double far, const Shape*& blocker) const {
    if (blocker != nullptr && intersect(*blocker, ray, near, far) < far) return {};
    Vec light{1, 1, 1};
    const auto visit = [&](const Shape& shape) {
        const double t = intersect(shape, ray, near, far);
        if (t >= far) return true;
        const Material& m = scene_.materials[shape.material];
        if (m.kind != MaterialKind::glass) {
            light = Vec{};
            blocker = &shape;
            return false;
        }
        // A stand-in for the caustic: light that meets glass squarely passes and gathers, grazing
        // light is lost.
        const double c =
            abs_of(dot(normal_at(shape, ray.origin + ray.direction * t), ray.direction));
        const bool round = shape.kind == ShapeKind::sphere;
        const double pass = round ? 1.75 * c * c * c : 0.9 * c;
        light = light * m.color.first * pass;
        return true;
    };
    for (const Shape& plane : scene_.planes) {
        if (!visit(plane)) return light;
    }
    walk(ray, far, visit);
    return light;
}

}  // namespace render
