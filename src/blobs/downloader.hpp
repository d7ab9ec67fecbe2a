// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "blobs/chunk.hpp"

namespace millrace::blobs {

using SourceId = std::uint64_t;  ///< a connection; never used twice

// ---- events ------------------------------------------------------------------------------------

/// Fetch a sealed blob. Wanted again: its sources are added. `present` says per leaf what is stored
/// already (shorter: the rest is missing); it is read on the first want only.
struct Want {
    BlobId blob;
    std::vector<SourceId> sources;
    std::vector<bool> present;
};
/// Nobody needs it any more, or it cannot be stored. No effect follows for this blob.
struct Cancel {
    BlobId blob;
};
struct DataReceived {
    SourceId source = 0;
    types::BlobData data;
};
struct SourceGone {
    SourceId source = 0;
};
/// Nothing happened but time; due at next_deadline().
struct TimerFired {};
using Event = std::variant<Want, Cancel, DataReceived, SourceGone, TimerFired>;

// ---- effects, carried out in order -------------------------------------------------------------

struct SendRequest {
    SourceId source = 0;
    types::BlobRequest request;
    bool operator==(const SendRequest&) const = default;
};
/// Proven bytes of whole leaves. The proof is passed on for a store that checks by itself.
struct WriteChunk {
    BlobId blob;
    std::uint64_t offset = 0;
    Bytes content;
    std::vector<Hash32> proof;
    bool operator==(const WriteChunk&) const = default;
};
/// Every leaf has been written. Once per want that did not fail.
struct Completed {
    BlobId blob;
    bool operator==(const Completed&) const = default;
};
/// No source is left that could deliver it, or a bound is reached.
struct Failed {
    BlobId blob;
    std::string why;
    bool operator==(const Failed&) const = default;
};
enum class SourceFault : std::uint8_t {
    missing = 1,    ///< it says it does not have the blob: no fault of the protocol
    bad_proof = 2,  ///< bytes that do not belong to the blob: it lies or is broken
    stalled = 3,    ///< nothing came for stall_time
};
/// The source is not asked for this blob any more.
struct SourceDropped {
    BlobId blob;
    SourceId source = 0;
    SourceFault fault = SourceFault::missing;
    bool operator==(const SourceDropped&) const = default;
};
using Effect = std::variant<SendRequest, WriteChunk, Completed, Failed, SourceDropped>;
using Effects = std::vector<Effect>;

/// Fetches content-addressed blobs from sources nobody trusts. A pure machine.
///
/// Rules: every byte is proven against the blob's root before it is written; a source that sends a
/// wrong chunk is not asked for that blob again; a source works on at most `requests_per_source`
/// requests and `bytes_per_source` bytes at a time, over all blobs; a source that is silent for
/// stall_time with work before it is dropped for the blobs it was working on, and others take over;
/// leaves already stored are never asked for. Empty blobs complete at once.
///
/// What an attacker tries: wrong bytes (proof), endless silence (stall_time), answers nobody asked
/// for (ignored), shorter answers to cost us round trips (accepted: one leaf at least each).
///
/// docs/formats/blobs.md.
class Downloader {
  public:
    struct Config {
        std::uint32_t requests_per_source = 16;
        std::uint64_t bytes_per_source = 4 * types::blob_chunk_max;
        Duration stall_time{60'000};
    };
    static constexpr std::size_t wants_max = 65'536;         ///< blobs at one time
    static constexpr std::size_t sources_per_blob_max = 64;  ///< more are not looked at

    Downloader() : Downloader(Config{}) {}
    explicit Downloader(Config config) : config_{config} {}

    void step(const Event& event, Instant now, Effects& out);
    [[nodiscard]] std::optional<Instant> next_deadline() const noexcept;

    struct Progress {
        std::uint64_t leaves_present = 0;
        std::uint64_t leaves = 0;
    };
    /// Null when it is not wanted.
    [[nodiscard]] std::optional<Progress> progress(const BlobId& blob) const;
    [[nodiscard]] std::size_t want_count() const noexcept { return wants_.size(); }
    [[nodiscard]] std::size_t in_flight(SourceId source) const noexcept;

  private:
    enum class Leaf : std::uint8_t { missing, asked, present };
    struct Wanted {
        std::vector<Leaf> leaves;
        std::uint64_t missing_first = 0;  ///< no missing leaf before it
        std::uint64_t present_count = 0;
        std::set<SourceId> sources;
    };
    struct Request {
        BlobId blob;
        std::uint64_t leaf_first = 0;
        std::uint64_t leaf_count = 0;  ///< real leaves, the padding left out
        std::uint32_t size = 0;
    };
    struct Source {
        std::deque<Request> requests;
        std::uint64_t bytes_in_flight = 0;
        Instant active;          ///< last proven answer, or when work began
        std::set<BlobId> blobs;  ///< wanted from it
    };

    void on(const Want& event, Instant now, Effects& out);
    void on(const Cancel& event, Instant now, Effects& out);
    void on(const DataReceived& event, Instant now, Effects& out);
    void on(const SourceGone& event, Instant now, Effects& out);
    void on(const TimerFired& event, Instant now, Effects& out);

    void fill(SourceId id, Instant now, Effects& out);
    void fill_all(const std::set<SourceId>& sources, Instant now, Effects& out);
    std::optional<Request> next_request(Source& source, std::uint64_t bytes_max);
    void release(Wanted& wanted, std::uint64_t leaf_first, std::uint64_t leaf_count);
    void drop(SourceId id, const BlobId& blob, std::optional<SourceFault> fault, Instant now,
              Effects& out);
    void forget(const BlobId& blob);
    void remove_requests(Source& source, const BlobId& blob);

    Config config_;
    std::map<BlobId, Wanted> wants_;
    std::map<SourceId, Source> sources_;
};

}  // namespace millrace::blobs
