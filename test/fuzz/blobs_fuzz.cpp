// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// A download from sources that obey the fuzzer: honest, wrong, silent, gone, chatty. Whatever they
// do, only true bytes are written, each leaf once, and a blob ends complete or failed, once.

#include <map>

#include "base/assert.hpp"
#include "base/prng.hpp"
#include "blobs/downloader.hpp"
#include "script.hpp"

using namespace millrace;
using namespace millrace::blobs;

namespace {

constexpr std::size_t sources = 3;

struct Truth {
    Bytes content;
    BlobId id;
    std::vector<bool> written;
    int ends = 0;
    bool wanted = false;
};

class Run {
  public:
    explicit Run(ByteView script) : script_{script} {
        for (const std::size_t size : {std::size_t{1}, std::size_t{40'000}, std::size_t{700'000}}) {
            Truth truth;
            truth.content = Bytes(size, 0);
            Prng prng{size};
            for (std::size_t at = 0; at < size; at += 97)
                truth.content[at] = static_cast<std::uint8_t>(prng.next());
            truth.id = crypto::blob_id(truth.content);
            truth.written.assign(leaf_total(truth.id), false);
            truths_[truth.id] = std::move(truth);
        }
    }

    void go() {
        while (!script_.empty()) {
            act(take());
            MILLRACE_ASSERT(downloader_.in_flight(1) <= 16);
        }
    }

  private:
    std::uint8_t take() { return script_.take(); }
    Truth& some_truth(std::uint8_t choice) {
        return std::next(truths_.begin(), choice % static_cast<int>(truths_.size()))->second;
    }

    void act(std::uint8_t choice) {
        now_.ms += choice;
        const SourceId source = 1 + (choice >> 4) % sources;
        switch (choice % 8) {
            case 0: {
                Truth& truth = some_truth(take());
                if (!truth.wanted) {
                    truth.wanted = true;
                    truth.ends = 0;
                }
                const std::uint8_t have = take();
                std::vector<bool> present(truth.written.size());
                for (std::size_t leaf = 0; leaf < present.size(); ++leaf)
                    present[leaf] = truth.written[leaf] && (have >> (leaf % 8) & 1) != 0;
                if (downloader_.progress(truth.id)) return step(Want{truth.id, {source}, {}});
                truth.written = present;
                return step(Want{truth.id, {source}, std::move(present)});
            }
            case 1: {
                Truth& truth = some_truth(take());
                truth.wanted = false;
                return step(Cancel{truth.id});
            }
            case 2:
                return step(SourceGone{source});
            case 3:
                now_.ms += 70'000;
                return step(TimerFired{});
            default:
                return answer(choice, take());
        }
    }

    void answer(std::uint8_t choice, std::uint8_t how) {
        if (asked_.empty()) return;
        const std::size_t which = how % asked_.size();
        const SendRequest request = asked_[which];
        if (choice % 8 != 7) asked_.erase(asked_.begin() + static_cast<std::ptrdiff_t>(which));
        const Truth& truth = truths_.at(request.request.sealed);
        auto data = answer_from(truth.content, request.request);
        MILLRACE_ASSERT(data.has_value());
        if (choice % 8 == 5) data->content[how % data->content.size()] ^= 1;
        if (choice % 8 == 6) data->content.clear();
        step(DataReceived{request.source, std::move(*data)});
    }

    void step(const Event& event) {
        Effects effects;
        downloader_.step(event, now_, effects);
        for (const Effect& effect : effects)
            carry_out(effect);
    }

    void carry_out(const Effect& effect) {
        if (const auto* send = std::get_if<SendRequest>(&effect)) {
            MILLRACE_ASSERT(truths_.at(send->request.sealed).wanted);
            asked_.push_back(*send);
        } else if (const auto* write = std::get_if<WriteChunk>(&effect)) {
            Truth& truth = truths_.at(write->blob);
            MILLRACE_ASSERT(truth.wanted);
            MILLRACE_ASSERT(
                std::equal(write->content.begin(), write->content.end(),
                           truth.content.begin() + static_cast<std::ptrdiff_t>(write->offset)));
            for (std::size_t at = 0; at < write->content.size(); at += crypto::blob_leaf_size) {
                const std::size_t leaf = (write->offset + at) / crypto::blob_leaf_size;
                MILLRACE_ASSERT(!truth.written[leaf]);
                truth.written[leaf] = true;
            }
        } else if (const auto* done = std::get_if<Completed>(&effect)) {
            Truth& truth = truths_.at(done->blob);
            MILLRACE_ASSERT(truth.wanted && ++truth.ends == 1);
            for (const bool leaf : truth.written)
                MILLRACE_ASSERT(leaf);
            truth.wanted = false;
        } else if (const auto* failed = std::get_if<Failed>(&effect)) {
            Truth& truth = truths_.at(failed->blob);
            MILLRACE_ASSERT(truth.wanted && ++truth.ends == 1);
            truth.wanted = false;
        }
    }

    Script script_;
    std::map<BlobId, Truth> truths_;
    Downloader downloader_;
    std::vector<SendRequest> asked_;
    Instant now_{1'000};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t script_max = 400;
    Run{ByteView{data, std::min(size, script_max)}}.go();
    return 0;
}
