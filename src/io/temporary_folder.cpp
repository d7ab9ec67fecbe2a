// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/temporary_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/assert.hpp"

namespace millrace::io {

TemporaryFolder::TemporaryFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string{base != nullptr && *base == '/' ? base : "/tmp"} + "/millrace.XXXXXX";
    MILLRACE_ASSERT(::mkdtemp(path_.data()) != nullptr);
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace millrace::io
