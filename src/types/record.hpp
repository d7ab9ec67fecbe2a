// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string>

#include "base/bytes.hpp"

namespace millrace::types {

/// One durable fact of a machine: a row of a table. A machine's Persist effects write rows, its
/// Erase effects remove them, and after a crash all rows together are handed to its restore().
///
/// Contract of one step's effects (after etcd raft's Ready): first every Persist and Erase of the
/// step is committed in ONE durable transaction, in order; only then are the other effects carried
/// out, in order. So nothing is sent or paid that a crash could make the machine forget, and a
/// machine never sees half of a step.
///
/// `table` is a short lower-case word (at most 32 characters of a-z and '_') that the machine's
/// header lists. `key` has 1 to 128 bytes; rows of a table sort by it as bytes. `value` is RLP of a
/// list whose first item is the format's version; a machine refuses a newer version by name.
struct Record {
    std::string table;
    Bytes key;
    Bytes value;
    bool operator==(const Record&) const = default;
};

inline constexpr std::size_t record_table_size_max = 32;
inline constexpr std::size_t record_key_size_max = 128;
inline constexpr std::size_t record_value_size_max = 16u << 20;

}  // namespace millrace::types
