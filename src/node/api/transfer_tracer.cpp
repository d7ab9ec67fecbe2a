// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api/transfer_tracer.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "evm/create_address.hpp"

namespace millrace::node {
namespace {

constexpr std::uint8_t log_first = 0xa0;
constexpr std::uint8_t log_last = 0xa4;
constexpr std::uint8_t self_destruct = 0xff;

constexpr Address transfer_address = [] {
    Address address;
    address.bytes.fill(0xee);
    return address;
}();

const Hash32& transfer_topic() {
    static const Hash32 topic =
        crypto::keccak256(as_bytes(std::string_view{"Transfer(address,address,uint256)"}));
    return topic;
}

Hash32 word_of(const Address& address) {
    Hash32 word;
    std::ranges::copy(address.bytes, word.bytes.begin() + 12);
    return word;
}

Address address_of(const U256& word) {
    return *Address::from(to_word(word).view().last(Address::size));
}

}  // namespace

void TransferTracer::begin_block(bool notes_transfers) noexcept {
    notes_transfers_ = notes_transfers;
    index_next_ = 0;
}

void TransferTracer::begin(evm::Host& host) {
    host_ = &host;
    frames_.clear();
    entries_.clear();
}

void TransferTracer::transfer(const Address& from, const Address& to, const U256& value) {
    const Hash32 amount = to_word(value);
    entries_.push_back(
        {.index = index_next_++,
         .transfer = evm::Log{.address = transfer_address,
                              .topics = {transfer_topic(), word_of(from), word_of(to)},
                              .data = to_bytes(amount.view())}});
}

void TransferTracer::on_enter(const evm::Message& message) {
    using evm::CallKind;
    Frame frame{.self = message.recipient, .first = entries_.size()};
    bool pays = message.kind == CallKind::call;
    if (message.kind == CallKind::create) {
        // The machine raises the nonce when it creates: here it is the one that counts.
        frame.self = evm::create_address(message.sender, host_->nonce(message.sender));
        pays = true;
    } else if (message.kind == CallKind::create2) {
        frame.self = evm::create2_address(message.sender, to_word(message.salt),
                                          crypto::keccak256(message.input));
        pays = true;
    }
    if (pays && notes_transfers_ && !message.value.is_zero())
        transfer(message.sender, frame.self, message.value);
    frames_.push_back(frame);
}

void TransferTracer::on_step(const Step& step) {
    Frame& frame = frames_.back();
    const std::uint64_t before = index_next_;
    if (step.opcode >= log_first && step.opcode <= log_last) {
        entries_.push_back({.index = index_next_++, .transfer = {}});
    } else if (step.opcode == self_destruct && step.stack_count >= 1 && notes_transfers_) {
        const U256 balance = host_->balance(frame.self);
        if (!balance.is_zero()) transfer(frame.self, address_of(*step.stack_top), balance);
    }
    frame.is_open = index_next_ != before;
}

void TransferTracer::on_leave(const evm::CallResult& result) {
    const Frame& frame = frames_.back();
    if (result.status != evm::Status::success) {
        // The instruction that failed has left nothing.
        if (frame.is_open && result.status != evm::Status::revert) --index_next_;
        entries_.resize(frame.first);
    }
    frames_.pop_back();
}

std::vector<TransferTracer::NumberedLog> TransferTracer::merged(
    const std::vector<evm::Log>& logs) const {
    std::vector<NumberedLog> all;
    all.reserve(entries_.size());
    auto own = logs.begin();
    for (const Entry& entry : entries_) {
        if (entry.transfer) {
            all.push_back({entry.index, *entry.transfer});
        } else if (own != logs.end()) {
            all.push_back({entry.index, *own++});
        }
    }
    return all;
}

}  // namespace millrace::node
