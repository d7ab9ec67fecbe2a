// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <mutex>

#include "state/lru_cache.hpp"
#include "state/state_view.hpp"

namespace millrace::state {

/// Analysed code by hash, shared by all views of a database; any thread. A leaf: under its lock
/// nothing is called but the cache's own container, so it cannot take part in a circle of locks,
/// and what leaves it are shared_ptr to immutable code. Tested under the thread sanitizer.
class CodeCache {
  public:
    explicit CodeCache(std::size_t size_max) : codes_{size_max} {}

    /// Null when it is not there.
    [[nodiscard]] evm::CodePtr find(const Hash32& hash) {
        const std::lock_guard lock{mutex_};
        const evm::CodePtr* found = codes_.find(hash);
        return found == nullptr ? nullptr : *found;
    }

    void put(evm::CodePtr code) {
        const std::size_t size = code->size() + code->size() / 8 + overhead_size;
        const Hash32 hash = code->hash();
        const std::lock_guard lock{mutex_};
        codes_.put(hash, std::move(code), size);
    }

  private:
    /// Beside the bytes and a bit for each: padding, containers, counters.
    static constexpr std::size_t overhead_size = 512;

    std::mutex mutex_;
    LruCache<Hash32, evm::CodePtr, FixedBytesHash> codes_;
};

}  // namespace millrace::state
