// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstddef>
#include <functional>

namespace millrace {

/// Calls body(0) … body(count - 1), on several threads and in any order if it likes, and returns
/// when all have returned. Code without threads of its own is handed one; empty: one after another.
/// Bodies touch nothing that another one writes, so what comes out is the same either way.
using ParallelFor = std::function<void(std::size_t count, const std::function<void(std::size_t)>&)>;

template <typename Body>
void for_each_index(const ParallelFor& parallel_for, std::size_t count, const Body& body) {
    if (parallel_for && count > 1) {
        parallel_for(count, std::cref(body));
        return;
    }
    for (std::size_t index = 0; index < count; ++index)
        body(index);
}

/// The same with `part_count` bodies of neighbours each: body(first, last).
template <typename Body>
void for_each_part(const ParallelFor& parallel_for, std::size_t count, std::size_t part_count,
                   const Body& body) {
    for_each_index(parallel_for, part_count, [&](std::size_t part) {
        body(count * part / part_count, count * (part + 1) / part_count);
    });
}

}  // namespace millrace
