// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// From noisy light to a picture: an edge-avoiding filter, then exposure, tone curve and sRGB.
//
// The filter is the a-trous wavelet of Dammertz et al. (2010) with the variance weights of Schied
// et al. (SVGF, 2017). It works on light divided by albedo, so textures are untouched, and stops at
// edges of normal, depth and brightness. It uses only + - * / and sqrt: equal tiles give equal
// pixels on every machine.
#pragma once

#include "../tracer.hpp"

namespace render {

struct Picture {
    int width = 0, height = 0;
    std::vector<Pixel> pixels;
};

void smooth(Picture& picture, int round_count);

// 8-bit sRGB, three bytes a pixel.
std::vector<unsigned char> develop(const Picture& picture, double exposure);

}  // namespace render
