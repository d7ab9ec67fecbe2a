// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// A bounding volume hierarchy over a scene's finite shapes.
#pragma once

#include "scene.hpp"

namespace render {

struct Hit {
    double distance = 1e30;
    const Shape* shape = nullptr;
};

class Tree {
  public:
    // Sorts scene.shapes into leaves and fills scene.lights; the scene must outlive the tree
    // unchanged.
    explicit Tree(Scene& scene);

    Hit first_hit(const Ray& ray, double near) const;

    // How much light passes along the ray over `far`: black behind something solid, tinted through
    // glass. `blocker` remembers what was in the way, to be tried first next time: it saves walks
    // and never changes an answer.
    Vec light_through(const Ray& ray, double near, double far, const Shape*& blocker) const;

  private:
    struct Node {
        double box[6] = {};  // low x y z, high x y z
        std::uint32_t first =
            0;  // leaf: first shape; inner: the second child (the first one follows the node)
        std::uint16_t count = 0;  // 0: inner
        std::uint16_t axis = 0;
    };

    void build(std::size_t first, std::size_t last, std::vector<Bounds>& bounds, int depth);

    template <typename Visit>
    void walk(const Ray& ray, double& far, Visit visit) const;

    Scene& scene_;
    std::vector<Node> nodes_;
};

}  // namespace render
