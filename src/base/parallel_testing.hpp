// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <thread>
#include <vector>

#include "base/parallel_for.hpp"

namespace millrace {

/// A thread for each body, the last one first: what must not depend on order or threads shows it.
inline ParallelFor a_thread_each() {
    return [](std::size_t count, const std::function<void(std::size_t)>& body) {
        std::vector<std::thread> all;
        for (std::size_t index = count; index > 0; --index)
            all.emplace_back(body, index - 1);
        for (std::thread& thread : all)
            thread.join();
    };
}

}  // namespace millrace
