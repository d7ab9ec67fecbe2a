// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/job_pins.hpp"

#include <algorithm>

namespace millrace::daemon {

void JobPins::pin(const Hash32& job, const store::BlobId& blob) {
    blobs_.pin(blob);
    pins_[job].push_back(blob);
}

void JobPins::unpin(const Hash32& job, const store::BlobId& blob) {
    const auto found = pins_.find(job);
    if (found == pins_.end()) return;
    // The newest first: it is an output that could not be fetched.
    const auto last = std::ranges::find(found->second.rbegin(), found->second.rend(), blob);
    if (last == found->second.rend()) return;
    found->second.erase(std::next(last).base());
    blobs_.unpin(blob);
}

void JobPins::release(const Hash32& job) {
    const auto found = pins_.find(job);
    if (found == pins_.end()) return;
    for (const auto& blob : found->second)
        blobs_.unpin(blob);
    pins_.erase(found);
}

}  // namespace millrace::daemon
