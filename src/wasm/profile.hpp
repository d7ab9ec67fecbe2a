// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <string_view>

/// The bounds of profile det-1 (docs/formats/profile.md). They are part of validity: every engine
/// of the profile refuses what exceeds them, so changing one is a new profile.
namespace millrace::wasm {

constexpr std::string_view profile_name = "det-1";

constexpr std::uint64_t module_bytes_max = 64ULL << 20;
constexpr std::uint32_t types_max = 100'000;
constexpr std::uint32_t imports_max = 100'000;
constexpr std::uint32_t functions_max = 200'000;  ///< imported ones included
constexpr std::uint32_t tables_max = 100;         ///< imported ones included
constexpr std::uint32_t memories_max = 1;
constexpr std::uint32_t globals_max = 100'000;  ///< imported ones included
constexpr std::uint32_t exports_max = 100'000;
constexpr std::uint32_t element_segments_max = 100'000;
constexpr std::uint32_t data_segments_max = 100'000;
constexpr std::uint32_t elements_max = 10'000'000;  ///< of all segments together
constexpr std::uint32_t memory_pages_max = 65'536;
constexpr std::uint32_t name_bytes_max = 100'000;

constexpr std::uint32_t params_max = 1'000;
constexpr std::uint32_t results_max = 1'000;
constexpr std::uint32_t locals_max = 50'000;  ///< per function, parameters included
constexpr std::uint32_t body_bytes_max = 8U << 20;
constexpr std::uint32_t nesting_max = 65'536;         ///< open blocks in one function
constexpr std::uint32_t branch_targets_max = 65'536;  ///< of one br_table
/// Locals and the highest reachable operand stack of one function together.
constexpr std::uint32_t frame_slots_max = 65'535;
/// Sum over all instructions of the operands beyond 16 that one of them takes and gives.
constexpr std::uint64_t wide_operands_max = 1ULL << 28;

}  // namespace millrace::wasm
