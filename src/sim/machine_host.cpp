// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "sim/machine_host.hpp"

#include "base/overload.hpp"

namespace millrace::sim {

std::optional<Host::Death> Host::draw_death() {
    if (!world_.trouble() || !world_.chance(world_.settings.crash_ppm)) return std::nullopt;
    return static_cast<Death>(world_.prng.below(3));
}

void Host::download(const blobs::Event& event) {
    if (!up_) return;
    blobs::Effects effects;
    downloader_.step(event, world_.now(), effects);
    for (const blobs::Effect& effect : effects) {
        std::visit(
            Overload{
                [this](const blobs::SendRequest& send) { ask(send.source, send.request); },
                [this](const blobs::WriteChunk& chunk) {
                    blobs_.write(chunk.blob, chunk.offset, chunk.content);
                },
                [this](const blobs::Completed& done) {
                    if (!blobs_.complete(done.blob)) world_.violated("a completed blob is whole");
                    blob_ended(done.blob, true, {});
                },
                [this](const blobs::Failed& failed) { blob_ended(failed.blob, false, failed.why); },
                [](const blobs::SourceDropped&) {},
            },
            effect);
    }
    const auto due = downloader_.next_deadline();
    if (!due || (download_wake_at_ && *download_wake_at_ <= *due)) return;
    download_wake_at_ = *due;
    later(*due - world_.now(), [this] {
        download_wake_at_.reset();
        download(blobs::TimerFired{});
    });
}

types::BlobData Host::answer_to(const types::BlobRequest& request, const Bytes* content) {
    if (content != nullptr) {
        if (auto chunk = blobs::answer_from(*content, request)) return *chunk;
    }
    return {request.sealed.root, request.offset, {}, {}};
}

types::SealedBlob Host::seal(const Bytes& plain, const crypto::JobKey& key) {
    types::SealedBlob blob;
    blob.plain = crypto::blob_id(plain);
    if (plain.empty()) return blob;
    Bytes sealed = plain;
    crypto::xor_stream(sealed, key, blob.plain.root, 0);
    blob.sealed_root = crypto::blob_id(sealed).root;
    blobs_.put(blob.sealed(), std::move(sealed));
    return blob;
}

}  // namespace millrace::sim
