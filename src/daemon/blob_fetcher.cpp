// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/blob_fetcher.hpp"

#include "base/overload.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

BlobFetcher::BlobFetcher(io::EventLoop& loop, store::BlobStore& blobs, io::Transport& transport)
    : loop_{loop}, blobs_{blobs}, transport_{transport} {}

BlobFetcher::~BlobFetcher() {
    *alive_ = false;
    if (timer_ != 0) loop_.cancel(timer_);
}

void BlobFetcher::fetch(const crypto::BlobId& sealed, const std::vector<io::PeerId>& sources,
                        Done done) {
    waiting_[sealed].push_back(std::move(done));
    if (blobs_.has(sealed)) {
        loop_.post([this, alive = alive_, sealed] {
            if (*alive) finish(sealed, {});
        });
        return;
    }
    const auto begun = blobs_.begin(sealed);
    if (!begun) {
        loop_.post([this, alive = alive_, sealed, why = begun.error()] {
            if (*alive) finish(sealed, Err{why});
        });
        return;
    }
    blobs::Want want{.blob = sealed, .sources = sources, .present = {}};
    const std::uint64_t total = blobs::leaf_total(sealed);
    want.present.assign(total, true);
    for (auto missing = blobs_.next_missing_leaf(sealed, 0); missing;
         missing = blobs_.next_missing_leaf(sealed, *missing + 1)) {
        want.present[*missing] = false;
        if (*missing + 1 >= total) break;
    }
    step(want);
}

void BlobFetcher::on_data(io::PeerId peer, types::BlobData data) {
    step(blobs::DataReceived{.source = peer, .data = std::move(data)});
}

void BlobFetcher::on_peer_gone(io::PeerId peer) {
    step(blobs::SourceGone{.source = peer});
}

void BlobFetcher::serve(io::PeerId peer, const types::BlobRequest& request, bool allowed) {
    types::BlobData answer{
        .sealed_root = request.sealed.root, .offset = request.offset, .content = {}, .proof = {}};
    if (allowed && blobs_.has(request.sealed) && request.size <= types::blob_chunk_max) {
        auto chunk = blobs_.read_chunk(request.sealed, request.offset, request.size);
        if (chunk) {
            answer.content = std::move(chunk->content);
            answer.proof = std::move(chunk->proof);
        } else {
            io::log_limited("serve", io::LogLevel::warn, "cannot serve a blob",
                            {{"why", chunk.error().text()}});
        }
    }
    if (!transport_.send(peer, answer)) {
        io::log_limited("serve", io::LogLevel::warn, "a peer asks faster than it reads",
                        {{"peer", transport_.address_of(peer)}});
    }
}

void BlobFetcher::step(const blobs::Event& event) {
    blobs::Effects effects;
    downloader_.step(event, loop_.now(), effects);
    for (const auto& effect : effects)
        carry_out(effect);
    arm_timer();
}

void BlobFetcher::carry_out(const blobs::Effect& effect) {
    std::visit(
        Overload{[&](const blobs::SendRequest& send) {
                     if (!transport_.send(send.source, send.request)) {
                         loop_.post([this, alive = alive_, source = send.source] {
                             if (*alive) on_peer_gone(source);
                         });
                     }
                 },
                 [&](const blobs::WriteChunk& chunk) {
                     const auto written =
                         blobs_.write_chunk(chunk.blob, chunk.offset, chunk.content, chunk.proof);
                     if (written && *written) return;
                     const Failure why =
                         written ? Failure{"a proven chunk does not fit its blob", "blob store", ""}
                                 : written.error();
                     loop_.post([this, alive = alive_, blob = chunk.blob, why] {
                         if (!*alive) return;
                         step(blobs::Cancel{blob});
                         finish(blob, Err{why});
                     });
                 },
                 [&](const blobs::Completed& completed) {
                     auto outcome = blobs_.complete(completed.blob);
                     loop_.post([this, alive = alive_, blob = completed.blob, outcome] {
                         if (*alive) finish(blob, outcome);
                     });
                 },
                 [&](const blobs::Failed& failed) {
                     blobs_.abandon(failed.blob);
                     const Failure why{"no source delivers a blob", failed.why, ""};
                     loop_.post([this, alive = alive_, blob = failed.blob, why] {
                         if (*alive) finish(blob, Err{why});
                     });
                 },
                 [&](const blobs::SourceDropped& dropped) {
                     if (dropped.fault == blobs::SourceFault::missing) return;
                     io::log_limited(
                         "source", io::LogLevel::warn, "a source is not asked any more",
                         {{"peer", transport_.address_of(dropped.source)},
                          {"fault", dropped.fault == blobs::SourceFault::bad_proof ? "wrong bytes"
                                                                                   : "stalled"}});
                 }},
        effect);
}

void BlobFetcher::finish(const crypto::BlobId& blob, Outcome<void> outcome) {
    const auto found = waiting_.find(blob);
    if (found == waiting_.end()) return;
    const std::vector<Done> done = std::move(found->second);
    waiting_.erase(found);
    for (const auto& call : done)
        call(outcome);
}

void BlobFetcher::arm_timer() {
    if (timer_ != 0) loop_.cancel(timer_);
    timer_ = 0;
    if (const auto due = downloader_.next_deadline()) {
        timer_ = loop_.call_at(*due, [this] {
            timer_ = 0;
            step(blobs::TimerFired{});
        });
    }
}

}  // namespace millrace::daemon
