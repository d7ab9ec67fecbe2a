// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// test/transcript/pool_*.txt (base/transcript_testing.hpp).
//
//   send a 0 fee 100 tip 10 [value 5] [size 200]     account a's transaction with nonce 0
//   block a 3 500                                    account a now has nonce 3 and balance 500
//   remove a 0 fee 100 tip 10 · choose 50 (base fee) · status
//
// Accounts are letters and begin with nonce 0 and balance 10000; gas is 1. The pool holds 5.

#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/transcript_testing.hpp"
#include "mempool/sample_transactions.hpp"

namespace millrace::mempool {
namespace {

class Scribe {
  public:
    std::string carry_out(const std::string& line) {
        std::istringstream words{line};
        std::string verb;
        words >> verb;
        if (verb == "send") return send(words);
        if (verb == "block") return block(words);
        if (verb == "remove")
            return pool_.remove(sample(parse(words)).hash) ? "    gone\n" : "    not here\n";
        if (verb == "choose") return choose(words);
        const Pool::Status status = pool_.status();
        return "    " + std::to_string(status.pending) + " pending, " +
               std::to_string(status.queued) + " queued, " + std::to_string(status.bytes) +
               " bytes\n";
    }

  private:
    static Sample parse(std::istringstream& words) {
        Sample wanted;
        char account = 'a';
        words >> account >> wanted.nonce;
        wanted.sender = static_cast<std::uint8_t>(account);
        for (std::string name; words >> name;) {
            std::uint64_t number = 0;
            words >> number;
            if (name == "fee") wanted.fee = number;
            if (name == "tip") wanted.tip = number;
            if (name == "value") wanted.value = number;
            if (name == "size") wanted.size = static_cast<std::uint32_t>(number);
        }
        return wanted;
    }

    SenderState& state_of(std::uint8_t account) {
        return states_.try_emplace(account, SenderState{0, U256{10'000}}).first->second;
    }

    static std::string named(const PooledTransaction& pooled) {
        const types::Transaction& transaction = pooled.transaction.transaction;
        return std::string{static_cast<char>(pooled.sender.bytes.back())} + " " +
               std::to_string(transaction.nonce) + " fee " +
               to_decimal(transaction.max_fee_per_gas) + " tip " +
               to_decimal(transaction.max_priority_fee_per_gas);
    }

    std::string send(std::istringstream& words) {
        const Sample wanted = parse(words);
        const auto added = pool_.add(sample(wanted), state_of(wanted.sender));
        if (!added) return "    refused: " + std::string{to_text(added.error())} + "\n";
        std::string text = added->pending ? "    pending\n" : "    queued\n";
        for (const PooledPtr& gone : added->evicted)
            text += "    went for it: " + named(*gone) + "\n";
        return text;
    }

    std::string block(std::istringstream& words) {
        char account = 'a';
        std::uint64_t balance = 0;
        words >> account;
        SenderState& state = state_of(static_cast<std::uint8_t>(account));
        words >> state.nonce >> balance;
        state.balance = U256{balance};
        std::string text;
        for (const PooledPtr& gone :
             pool_.update(sample_address(static_cast<std::uint8_t>(account)), state))
            text += "    left: " + named(*gone) + "\n";
        return text;
    }

    std::string choose(std::istringstream& words) {
        std::uint64_t base_fee = 0;
        words >> base_fee;
        std::string text;
        auto selection = pool_.select(U256{base_fee});
        while (const PooledPtr next = selection.next())
            text += "    " + named(*next) + "\n";
        return text;
    }

    Pool pool_{{.count_max = 5, .bytes_max = 1'000, .sender_count_max = 4, .nonce_gap_max = 8}};
    std::map<std::uint8_t, SenderState> states_;
};

TEST(PoolTranscript, every_file_reads_as_it_did) {
    expect_transcripts<Scribe>("pool_");
}

}  // namespace
}  // namespace millrace::mempool
