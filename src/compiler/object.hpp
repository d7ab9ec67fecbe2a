// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/failure.hpp"

/// Between code generation and the image: machine code of one unit in ELF, and the linker that lays
/// all units' code and constants in one block and resolves what they say of each other. What needs
/// the process (a library function, a writable section, an absolute address) is refused: generated
/// code must not have it.
namespace millrace::compiler {

struct LinkedCode {
    Bytes code;
    std::map<std::string, std::uint32_t> symbols;      ///< offsets of functions
    std::map<std::string, std::uint64_t> frame_bytes;  ///< native stack of functions
};

Outcome<LinkedCode> link_objects(const std::vector<Bytes>& objects);

}  // namespace millrace::compiler
