// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// The parts of a machine's state, each a row of pages of 4 KiB (docs/formats/checkpoint.md).
namespace millrace::wasm {

enum class Region : std::uint8_t {
    // What changes.
    memory,
    slots,    ///< 8 bytes each
    frames,   ///< {u32 instruction to go on at, u32 first slot}; zero above the calls in progress
    globals,  ///< 16 bytes each
    marks,    ///< dropped segments, a bit each: data, then from marks_elements_first elements
    // The program.
    headers,
    functions,
    instrs,
    targets,
    shuffles,
    types,
    segments,
    data,
    elements,
    // Tables follow: table i is first_table + i, 8 bytes an entry.
    first_table,
};

constexpr std::size_t tables_max = 100;
constexpr std::size_t fixed_regions = static_cast<std::size_t>(Region::first_table);
constexpr std::size_t regions_max = fixed_regions + tables_max;
constexpr Region first_program_region = Region::headers;
constexpr std::size_t program_regions =
    fixed_regions - static_cast<std::size_t>(first_program_region);

/// Levels of each region's tree: 2^depth pages hold the most that the profile allows.
constexpr unsigned depth_of(Region region) noexcept {
    constexpr std::array<std::uint8_t, fixed_regions> depths{
        20,  // memory: 4 GiB
        11,  // slots: 1,048,576
        5,   // frames: 10,000
        10,  // globals: 200,000
        4,   // marks: 2 x 131,072 bits
        11,  // headers: 262,144
        8,   // functions: 262,144
        19,  // instrs: 2^27
        18,  // targets: 2^27
        14,  // shuffles: 2^22
        7,   // types: 131,072
        9,   // segments: 2 x 131,072
        14,  // data: 64 MiB
        15,  // elements: 2^24
    };
    const auto index = static_cast<std::size_t>(region);
    return index < depths.size() ? depths[index] : 15U;  // a table: 2^24 entries
}
constexpr Region table_region(std::size_t table) noexcept {
    return static_cast<Region>(fixed_regions + table);
}
constexpr std::uint64_t bytes_max(Region region) noexcept {
    return std::uint64_t{4096} << depth_of(region);
}

constexpr std::uint32_t segment_elements_first = 131'072;
constexpr std::uint32_t marks_elements_first = 131'072;

}  // namespace millrace::wasm
