// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any text gets one answer at most, which is JSON; what our parser takes, nlohmann/json takes too,
// and the other way round within the bounds.

#include <memory>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "node/api.hpp"
#include "node/json_value.hpp"
#include "node/sample_chain.hpp"
#include "node/still_backend.hpp"

namespace {

using namespace millrace;
using namespace millrace::node;

struct World {
    state::MemoryStore store;
    std::unique_ptr<Chain> chain;
    std::unique_ptr<StillBackend> backend;
    std::unique_ptr<Api> api;

    World() {
        auto opened = Chain::open(store, sample_genesis(), {});
        MILLRACE_ASSERT(opened.has_value());
        chain = std::move(opened).value();
        backend = std::make_unique<StillBackend>(*chain);
        backend->keys = {sample_key(1)};
        api = std::make_unique<Api>(*backend, Api::Limits{.call_gas_max = 200'000}, "fuzz");
    }
};

/// Levels of nesting, so that the twin's recursion is not what ends us.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (const char letter : text) {
        if (letter == '[' || letter == '{') deepest = std::max(deepest, ++depth);
        if ((letter == ']' || letter == '}') && depth > 0) --depth;
    }
    return deepest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 65'536) return 0;
    const std::string text{reinterpret_cast<const char*>(data), size};
    JsonDocument document;
    const auto parsed = document.parse(text, 64);
    if (depth_of(text) <= 64) {
        const bool twin = nlohmann::json::accept(text);
        MILLRACE_ASSERT((parsed == JsonDocument::Error::none) == twin);
    }
    // A world of its own: an input means the same whichever came before.
    World world;
    int answers = 0;
    world.api->handle({}, text, [&answers](const std::string& answer) {
        ++answers;
        MILLRACE_ASSERT(answer.empty() || nlohmann::json::accept(answer));
    });
    MILLRACE_ASSERT(answers == 1);
    return 0;
}
