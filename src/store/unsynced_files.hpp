// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>

namespace rocksdb {
class Env;
}

namespace millrace::store {

/// RocksDB's files as a loss of power leaves them: what is appended to an open file stays in this
/// process until it is synced or the file is closed, so a SIGKILL takes it away. Costs the memory
/// of what is not synced. Renames are durable at once.
std::unique_ptr<rocksdb::Env> make_unsynced_files();

}  // namespace millrace::store
