// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Instructions outside the loop that read the world, copy and hash. Storage is in storage.cpp,
// calls and creations in calls.cpp.

#include <algorithm>

#include "crypto/hash.hpp"
#include "evm/frame.hpp"

namespace millrace::evm {
namespace {

constexpr std::int64_t word_copy_gas = 3;

/// EIP-2929: what a cold account costs beyond the instruction's price.
bool pay_access(Frame& frame, const Address& address) {
    constexpr std::int64_t cold_more = 2600 - 100;
    if (frame.revision < Revision::berlin) return true;
    return frame.host().access_account(address) == AccessStatus::warm || frame.pay(cold_more);
}

/// Copies source[offset, offset + size) to memory; zeros where the source ends.
Status copy_to_memory(Frame& frame, ByteView source, const U256& target, const U256& offset,
                      const U256& size) {
    if (!frame.touch(target, size) || !frame.pay_words(word_copy_gas, size.words[0]))
        return Status::out_of_gas;
    if (size.is_zero()) return Status::success;
    const std::size_t first = offset.fits_u64() && offset.words[0] < source.size()
                                  ? static_cast<std::size_t>(offset.words[0])
                                  : source.size();
    const std::size_t count =
        std::min(static_cast<std::size_t>(size.words[0]), source.size() - first);
    std::uint8_t* const to = frame.memory + target.words[0];
    if (count != 0) std::memcpy(to, source.data() + first, count);
    std::memset(to + count, 0, size.words[0] - count);
    return Status::success;
}

}  // namespace

bool Frame::reach(std::uint64_t end) noexcept {
    const auto price = [](std::uint64_t words) {
        return static_cast<std::int64_t>(3 * words + words * words / 512);
    };
    const std::uint64_t words_old = memory_size / 32;
    const std::uint64_t words_new = (end + 31) / 32;
    if (!pay(price(words_new) - price(words_old))) return false;
    memory = arena().grow_memory(memory, memory_size, 32 * words_new);
    memory_size = 32 * words_new;
    return true;
}

Status do_keccak256(Frame& frame, U256* top) {
    const U256& size = top[-1];
    if (!frame.touch(top[0], size) || !frame.pay_words(6, size.words[0])) return Status::out_of_gas;
    top[-1] = from_word(crypto::keccak256(frame.memory_view(top[0], size)));
    return Status::success;
}

Status do_exp(Frame& frame, U256* top) {
    const std::int64_t byte_gas = frame.revision >= Revision::spurious_dragon ? 50 : 10;
    if (!frame.pay(byte_gas * byte_length(top[-1]))) return Status::out_of_gas;
    top[-1] = wrapping_pow(top[0], top[-1]);
    return Status::success;
}

Status do_balance(Frame& frame, U256* top) {
    const Address address = to_address(*top);
    if (!pay_access(frame, address)) return Status::out_of_gas;
    *top = frame.host().balance(address);
    return Status::success;
}

Status do_extcodesize(Frame& frame, U256* top) {
    const Address address = to_address(*top);
    if (!pay_access(frame, address)) return Status::out_of_gas;
    *top = U256{frame.host().code(address)->size()};
    return Status::success;
}

Status do_extcodehash(Frame& frame, U256* top) {
    const Address address = to_address(*top);
    if (!pay_access(frame, address)) return Status::out_of_gas;
    // EIP-1052: an account that is dead by EIP-161 has no hash.
    Host& host = frame.host();
    *top = host.is_empty(address) ? U256{} : from_word(host.code_hash(address));
    return Status::success;
}

Status do_extcodecopy(Frame& frame, U256* top) {
    const Address address = to_address(*top);
    if (!pay_access(frame, address)) return Status::out_of_gas;
    const CodePtr code = frame.host().code(address);
    return copy_to_memory(frame, code->view(), top[-1], top[-2], top[-3]);
}

Status do_calldatacopy(Frame& frame, U256* top) {
    return copy_to_memory(frame, frame.message.input, top[0], top[-1], top[-2]);
}

Status do_codecopy(Frame& frame, U256* top) {
    return copy_to_memory(frame, frame.code.view(), top[0], top[-1], top[-2]);
}

Status do_returndatacopy(Frame& frame, U256* top) {
    // EIP-211: unlike other copies, never past the end.
    const U256& offset = top[-1];
    const U256& size = top[-2];
    const std::size_t available = frame.return_data.size();
    if (!offset.fits_u64() || !size.fits_u64() || offset.words[0] > available ||
        size.words[0] > available - offset.words[0])
        return Status::return_data_out_of_bounds;
    return copy_to_memory(frame, frame.return_data, top[0], offset, size);
}

Status do_mcopy(Frame& frame, U256* top) {
    // EIP-5656.
    const U256& size = top[-2];
    if (!frame.touch(std::max(top[0], top[-1]), size) ||
        !frame.pay_words(word_copy_gas, size.words[0]))
        return Status::out_of_gas;
    if (!size.is_zero()) {
        std::memmove(frame.memory + top[0].words[0], frame.memory + top[-1].words[0],
                     size.words[0]);
    }
    return Status::success;
}

Status do_blockhash(Frame& frame, U256* top) {
    const std::uint64_t current = frame.block().number;
    const std::uint64_t number = top->words[0];
    const bool known = top->fits_u64() && number < current && current - number <= 256;
    *top = known ? from_word(frame.host().block_hash(number)) : U256{};
    return Status::success;
}

Status do_blobhash(Frame& frame, U256* top) {
    const auto& hashes = frame.transaction().blob_hashes;
    const bool known = top->fits_u64() && top->words[0] < hashes.size();
    *top = known ? from_word(hashes[static_cast<std::size_t>(top->words[0])]) : U256{};
    return Status::success;
}

Status do_log(Frame& frame, U256* top, unsigned topic_count) {
    if (frame.message.is_static) return Status::static_violation;
    const U256& size = top[-1];
    if (!frame.touch(top[0], size) || !frame.pay(8 * static_cast<std::int64_t>(size.words[0])))
        return Status::out_of_gas;
    Log log;
    log.address = frame.message.recipient;
    log.topics.reserve(topic_count);
    for (unsigned index = 0; index < topic_count; ++index)
        log.topics.push_back(to_word(*(top - 2 - index)));
    log.data = to_bytes(frame.memory_view(top[0], size));
    frame.host().add_log(std::move(log));
    return Status::success;
}

Status do_finish(Frame& frame, U256* top, Status status) {
    if (!frame.touch(top[0], top[-1])) return Status::out_of_gas;
    frame.output = frame.memory_view(top[0], top[-1]);
    return status;
}

}  // namespace millrace::evm
