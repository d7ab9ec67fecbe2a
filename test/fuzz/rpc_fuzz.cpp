// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any text gets one answer at most, which is JSON; what our parser takes, nlohmann/json takes too,
// and the other way round within the bounds.

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

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
        api =
            std::make_unique<Api>(*backend, Api::Limits{.call_gas_max = 200'000}, "fuzz", Hash32{});
    }
};

/// What nlohmann/json takes, but for three of its habits: it ends at a NUL, passes over a byte
/// order mark, and refuses numbers that no double can hold. Null: such a number.
struct Twin : nlohmann::json_sax<nlohmann::json> {
    bool no_double = false;
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t&) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::json::exception& error) override {
        no_double = error.id == 406;
        return false;
    }
};

std::optional<bool> twin_takes(const std::string& text) {
    if (text.find('\0') != std::string::npos || text.starts_with("\xef\xbb\xbf")) return false;
    Twin twin;
    const bool taken = nlohmann::json::sax_parse(text, &twin);
    if (twin.no_double) return std::nullopt;
    return taken;
}

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
        const auto twin = twin_takes(text);
        MILLRACE_ASSERT(!twin || (parsed == JsonDocument::Error::none) == *twin);
    }
    // A world of its own: an input means the same whichever came before.
    World world;
    int answers = 0;
    world.api->handle({}, text, [&answers](const std::string& answer) {
        ++answers;
        MILLRACE_ASSERT(answer.empty() || twin_takes(answer).value_or(true));
    });
    MILLRACE_ASSERT(answers == 1);
    return 0;
}
