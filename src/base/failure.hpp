// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>

#include "base/result.hpp"

namespace millrace {

/// An error a person will read: what happened, where, and what to do about it. Used where the
/// caller is a command or a start-up step; machines and decoders use their own enums.
struct Failure {
    std::string what;    ///< "the module imports env.log, which no Millrace task may use"
    std::string where;   ///< file, key, address or position; may be empty
    std::string remedy;  ///< what to do; may be empty

    /// One line: `what (where); remedy`.
    [[nodiscard]] std::string text() const {
        std::string line = what;
        if (!where.empty()) line += " (" + where + ")";
        if (!remedy.empty()) line += "; " + remedy;
        return line;
    }
};

template <typename T>
using Outcome = Result<T, Failure>;

}  // namespace millrace
