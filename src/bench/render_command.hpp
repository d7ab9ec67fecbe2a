// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/failure.hpp"

namespace millrace::bench {

struct RenderOptions {
    std::filesystem::path scene_folder = "examples/render";
    std::string scene = "scene.txt";
    std::filesystem::path module;   ///< render.wasm
    std::filesystem::path program;  ///< the same program for this machine
    unsigned tile_count = 48;
    std::filesystem::path out;  ///< keeps the tiles when not empty
};

struct RenderReport {
    unsigned tile_count = 0;
    double native_seconds = 0;       ///< processor time of the whole picture in one piece
    double interpreter_seconds = 0;  ///< of all tiles, loading included
    double tile_seconds_max = 0;
    std::uint64_t fuel = 0;
};

/// Renders every tile of the example in the interpreter, and natively as well; tiles that are not
/// equal to the last bit are a failure.
Outcome<RenderReport> measure_render(const RenderOptions& options);
std::string to_markdown(const RenderReport& report);

}  // namespace millrace::bench
