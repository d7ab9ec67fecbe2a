// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <map>
#include <vector>

#include "store/blob_store.hpp"

namespace millrace::daemon {

/// Which blobs stay in the store for which job: its module and inputs while providers may fetch
/// them, its outputs until it is over. Afterwards they are cached like any other, so that the
/// store's bound holds however long the agent lives. As many entries as open jobs name blobs.
class JobPins {
  public:
    explicit JobPins(store::BlobStore& blobs) : blobs_{blobs} {}

    void pin(const Hash32& job, const store::BlobId& blob);
    /// One pin less; nothing when the job has been released.
    void unpin(const Hash32& job, const store::BlobId& blob);
    /// All pins of the job.
    void release(const Hash32& job);

  private:
    store::BlobStore& blobs_;
    std::map<Hash32, std::vector<store::BlobId>> pins_;
};

}  // namespace millrace::daemon
