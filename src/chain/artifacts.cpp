// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/artifacts.hpp"

#include <nlohmann/json.hpp>

#include "base/assert.hpp"

namespace millrace::chain {

Bytes creation_code(std::string_view name) {
    for (const Artifact& artifact : artifacts()) {
        if (artifact.name != name) continue;
        const auto document = nlohmann::json::parse(artifact.json);
        const auto code = from_hex(document.at("bytecode").get_ref<const std::string&>());
        MILLRACE_ASSERT(code.has_value());
        MILLRACE_ASSERT(!code->empty());
        return *code;
    }
    assertion_failed("the name is of a built-in contract", __FILE__, __LINE__);
}

}  // namespace millrace::chain
