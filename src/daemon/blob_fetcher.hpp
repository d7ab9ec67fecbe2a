// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "blobs/downloader.hpp"
#include "io/event_loop.hpp"
#include "io/transport.hpp"
#include "store/blob_store.hpp"

namespace millrace::daemon {

/// Moves sealed blobs between this process's store and its peers: drives the Downloader machine,
/// and answers requests from the store. Everything on the loop's thread.
class BlobFetcher {
  public:
    using Done = std::function<void(Outcome<void>)>;

    BlobFetcher(io::EventLoop& loop, store::BlobStore& blobs, io::Transport& transport);
    ~BlobFetcher();
    BlobFetcher(const BlobFetcher&) = delete;
    BlobFetcher& operator=(const BlobFetcher&) = delete;

    /// Calls `done` once, on a later turn: the blob is stored durably, or no source delivers it.
    /// Several fetches of one blob share the work.
    void fetch(const crypto::BlobId& sealed, const std::vector<io::PeerId>& sources, Done done);
    void on_data(io::PeerId peer, types::BlobData data);
    void on_peer_gone(io::PeerId peer);

    /// Sends the chunk, or "I do not have it" when `allowed` is false or it is not stored.
    void serve(io::PeerId peer, const types::BlobRequest& request, bool allowed);

  private:
    void step(const blobs::Event& event);
    void carry_out(const blobs::Effect& effect);
    void finish(const crypto::BlobId& blob, Outcome<void> outcome);
    void arm_timer();

    io::EventLoop& loop_;
    store::BlobStore& blobs_;
    io::Transport& transport_;
    blobs::Downloader downloader_;
    std::map<crypto::BlobId, std::vector<Done>> waiting_;
    io::TimerId timer_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::daemon
