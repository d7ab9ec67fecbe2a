// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "blobs/downloader.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace millrace::blobs {

void Downloader::step(const Event& event, Instant now, Effects& out) {
    std::visit([&](const auto& happened) { on(happened, now, out); }, event);
}

std::optional<Instant> Downloader::next_deadline() const noexcept {
    std::optional<Instant> earliest;
    for (const auto& [id, source] : sources_) {
        if (source.requests.empty()) continue;
        const Instant stalled = source.active + config_.stall_time;
        if (!earliest || stalled < *earliest) earliest = stalled;
    }
    return earliest;
}

std::optional<Downloader::Progress> Downloader::progress(const BlobId& blob) const {
    const auto found = wants_.find(blob);
    if (found == wants_.end()) return std::nullopt;
    return Progress{found->second.present_count, found->second.leaves.size()};
}

std::size_t Downloader::in_flight(SourceId source) const noexcept {
    const auto found = sources_.find(source);
    return found == sources_.end() ? 0 : found->second.requests.size();
}

void Downloader::on(const Want& event, Instant now, Effects& out) {
    if (event.blob.size == 0) {
        out.push_back(Completed{event.blob});
        return;
    }
    if (event.blob.size > types::blob_size_max) {
        out.push_back(Failed{event.blob, "the blob is larger than 4 GiB"});
        return;
    }
    if (!wants_.contains(event.blob)) {
        if (wants_.size() == wants_max) {
            out.push_back(Failed{event.blob, "too many downloads at one time"});
            return;
        }
        Wanted wanted;
        wanted.leaves.assign(leaf_total(event.blob), Leaf::missing);
        const std::size_t known = std::min(event.present.size(), wanted.leaves.size());
        for (std::size_t leaf = 0; leaf < known; ++leaf) {
            if (!event.present[leaf]) continue;
            wanted.leaves[leaf] = Leaf::present;
            ++wanted.present_count;
        }
        wants_.emplace(event.blob, std::move(wanted));
    }
    Wanted& wanted = wants_.at(event.blob);
    if (wanted.present_count == wanted.leaves.size()) {
        forget(event.blob);
        out.push_back(Completed{event.blob});
        return;
    }
    for (const SourceId source : event.sources) {
        if (wanted.sources.size() == sources_per_blob_max) break;
        wanted.sources.insert(source);
        sources_[source].blobs.insert(event.blob);
    }
    if (wanted.sources.empty()) {
        forget(event.blob);
        out.push_back(Failed{event.blob, "nobody is known to have it"});
        return;
    }
    fill_all(std::set<SourceId>{wanted.sources}, now, out);
}

void Downloader::on(const Cancel& event, Instant now, Effects& out) {
    const auto found = wants_.find(event.blob);
    if (found == wants_.end()) return;
    const std::set<SourceId> freed = found->second.sources;
    forget(event.blob);
    fill_all(freed, now, out);
}

void Downloader::on(const DataReceived& event, Instant now, Effects& out) {
    const auto found = sources_.find(event.source);
    if (found == sources_.end()) return;
    Source& source = found->second;
    const auto asked = std::ranges::find_if(source.requests, [&](const Request& request) {
        return request.blob.root == event.data.sealed_root &&
               request.leaf_first * crypto::blob_leaf_size == event.data.offset;
    });
    if (asked == source.requests.end()) return;  // nobody asked: late, or made up
    const BlobId blob = asked->blob;
    if (event.data.content.empty()) return drop(event.source, blob, SourceFault::missing, now, out);
    const auto leaves = verify_chunk(blob, event.data);
    if (!leaves || *leaves > asked->leaf_count)
        return drop(event.source, blob, SourceFault::bad_proof, now, out);

    const Request request = *asked;
    source.requests.erase(asked);
    source.bytes_in_flight -= request.size;
    source.active = now;
    Wanted& wanted = wants_.at(blob);
    for (std::uint64_t leaf = request.leaf_first; leaf < request.leaf_first + *leaves; ++leaf) {
        MILLRACE_ASSERT(wanted.leaves[leaf] == Leaf::asked);
        wanted.leaves[leaf] = Leaf::present;
    }
    wanted.present_count += *leaves;
    release(wanted, request.leaf_first + *leaves, request.leaf_count - *leaves);
    out.push_back(WriteChunk{blob, event.data.offset, event.data.content, event.data.proof});
    if (wanted.present_count == wanted.leaves.size()) {
        const std::set<SourceId> freed = wanted.sources;
        forget(blob);
        out.push_back(Completed{blob});
        return fill_all(freed, now, out);
    }
    fill(event.source, now, out);
}

void Downloader::on(const SourceGone& event, Instant now, Effects& out) {
    const auto found = sources_.find(event.source);
    if (found == sources_.end()) return;
    const std::set<BlobId> blobs = found->second.blobs;
    for (const BlobId& blob : blobs)
        drop(event.source, blob, std::nullopt, now, out);
}

void Downloader::on(const TimerFired&, Instant now, Effects& out) {
    std::vector<std::pair<SourceId, std::set<BlobId>>> stalled;
    for (const auto& [id, source] : sources_) {
        if (source.requests.empty() || now < source.active + config_.stall_time) continue;
        std::set<BlobId> blobs;
        for (const Request& request : source.requests)
            blobs.insert(request.blob);
        stalled.emplace_back(id, std::move(blobs));
    }
    for (const auto& [id, blobs] : stalled) {
        for (const BlobId& blob : blobs)
            drop(id, blob, SourceFault::stalled, now, out);
    }
}

/// Asks `id` for more as long as its window and its blobs allow.
void Downloader::fill(SourceId id, Instant now, Effects& out) {
    const auto found = sources_.find(id);
    if (found == sources_.end()) return;
    Source& source = found->second;
    while (source.requests.size() < config_.requests_per_source &&
           source.bytes_in_flight < config_.bytes_per_source) {
        const std::uint64_t bytes_max = config_.bytes_per_source - source.bytes_in_flight;
        std::optional<Request> request = next_request(source, bytes_max);
        if (!request) return;
        if (source.requests.empty()) source.active = now;
        source.bytes_in_flight += request->size;
        out.push_back(SendRequest{id,
                                  {.sealed = request->blob,
                                   .offset = request->leaf_first * crypto::blob_leaf_size,
                                   .size = request->size}});
        source.requests.push_back(std::move(*request));
    }
}

void Downloader::fill_all(const std::set<SourceId>& sources, Instant now, Effects& out) {
    for (const SourceId source : sources)
        fill(source, now, out);
}

/// The largest aligned run of missing leaves at the front of the first blob that has one.
std::optional<Downloader::Request> Downloader::next_request(Source& source,
                                                            std::uint64_t bytes_max) {
    for (const BlobId& blob : source.blobs) {
        Wanted& wanted = wants_.at(blob);
        const std::uint64_t total = wanted.leaves.size();
        std::uint64_t& first = wanted.missing_first;
        while (first < total && wanted.leaves[first] != Leaf::missing)
            ++first;
        if (first == total) continue;
        std::uint64_t span = 1;
        const auto all_missing = [&](std::uint64_t count) {
            const std::uint64_t end = std::min(first + count, total);
            return std::all_of(wanted.leaves.begin() + static_cast<std::ptrdiff_t>(first),
                               wanted.leaves.begin() + static_cast<std::ptrdiff_t>(end),
                               [](Leaf leaf) { return leaf == Leaf::missing; });
        };
        while (span < chunk_leaves_max && first % (span * 2) == 0 && first + span < total &&
               span * 2 * crypto::blob_leaf_size <= bytes_max && all_missing(span * 2)) {
            span *= 2;
        }
        const std::uint64_t count = std::min(span, total - first);
        for (std::uint64_t leaf = first; leaf < first + count; ++leaf)
            wanted.leaves[leaf] = Leaf::asked;
        return Request{.blob = blob,
                       .leaf_first = first,
                       .leaf_count = count,
                       .size = chunk_request(blob, first, span).size};
    }
    return std::nullopt;
}

/// Leaves that were asked for and did not come are missing again.
void Downloader::release(Wanted& wanted, std::uint64_t leaf_first, std::uint64_t leaf_count) {
    for (std::uint64_t leaf = leaf_first; leaf < leaf_first + leaf_count; ++leaf) {
        MILLRACE_ASSERT(wanted.leaves[leaf] == Leaf::asked);
        wanted.leaves[leaf] = Leaf::missing;
    }
    if (leaf_count > 0) wanted.missing_first = std::min(wanted.missing_first, leaf_first);
}

void Downloader::remove_requests(Source& source, const BlobId& blob) {
    std::erase_if(source.requests, [&](const Request& request) {
        if (request.blob != blob) return false;
        source.bytes_in_flight -= request.size;
        return true;
    });
}

/// The source is out for this blob; what it was working on goes to the others.
void Downloader::drop(SourceId id, const BlobId& blob, std::optional<SourceFault> fault,
                      Instant now, Effects& out) {
    const auto wanted = wants_.find(blob);
    const auto source = sources_.find(id);
    if (wanted == wants_.end() || source == sources_.end()) return;
    for (const Request& request : source->second.requests) {
        if (request.blob == blob) release(wanted->second, request.leaf_first, request.leaf_count);
    }
    remove_requests(source->second, blob);
    source->second.blobs.erase(blob);
    if (source->second.blobs.empty()) sources_.erase(source);
    wanted->second.sources.erase(id);
    if (fault) out.push_back(SourceDropped{blob, id, *fault});
    if (wanted->second.sources.empty()) {
        forget(blob);
        std::string_view why = "the connection was lost";
        if (fault == SourceFault::missing) why = "the source does not have it";
        if (fault == SourceFault::bad_proof) why = "the source sent bytes that do not belong to it";
        if (fault == SourceFault::stalled) why = "the source did not answer in time";
        out.push_back(Failed{blob, std::string{why}});
    } else {
        fill_all(std::set<SourceId>{wanted->second.sources}, now, out);
    }
    fill(id, now, out);
}

void Downloader::forget(const BlobId& blob) {
    const auto wanted = wants_.find(blob);
    MILLRACE_ASSERT(wanted != wants_.end());
    for (const SourceId id : wanted->second.sources) {
        const auto source = sources_.find(id);
        if (source == sources_.end()) continue;
        remove_requests(source->second, blob);
        source->second.blobs.erase(blob);
        if (source->second.blobs.empty()) sources_.erase(source);
    }
    wants_.erase(wanted);
}

}  // namespace millrace::blobs
