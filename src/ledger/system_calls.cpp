// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "ledger/system_calls.hpp"

#include <algorithm>
#include <array>

#include "crypto/hash.hpp"

namespace millrace::ledger {
namespace {

constexpr std::int64_t system_gas = 30'000'000;

constexpr Address system_address = [] {
    Address address;
    address.bytes.fill(0xff);
    address.bytes[19] = 0xfe;
    return address;
}();

/// keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)").
constexpr Hash32 deposit_topic = {{0x64, 0x9b, 0xbc, 0x62, 0xd0, 0xe3, 0x13, 0x42, 0xaf, 0xea, 0x4e,
                                   0x5c, 0xd8, 0x2d, 0x40, 0x49, 0xe7, 0xe1, 0xee, 0x91, 0x2f, 0xc0,
                                   0x88, 0x9a, 0xa7, 0x90, 0x80, 0x3b, 0xe3, 0x90, 0x38, 0xc5}};

/// The five parts of a deposit: where their length stands, and what it must be. The contract writes
/// them in this one way (EIP-6110, is_valid_deposit_event_data).
struct DepositPart {
    std::uint64_t offset;
    std::uint64_t size;
};
constexpr std::array<DepositPart, 5> deposit_parts = {
    {{160, 48}, {256, 32}, {320, 8}, {384, 96}, {512, 8}}};
constexpr std::size_t deposit_data_size = 576;

U256 word_at(ByteView data, std::size_t offset) noexcept {
    return load_word(data.data() + offset);
}

}  // namespace

const Address SystemContracts::beacon_roots = {{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80,
                                                0x7e, 0xf1, 0x31, 0x9f, 0xb7, 0xb8, 0xbb,
                                                0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}};
const Address SystemContracts::block_hashes = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5,
                                                0x3a, 0x10, 0xcb, 0x7a, 0x02, 0x33, 0x5b,
                                                0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
const Address SystemContracts::withdrawal_requests = {{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e,
                                                       0xb5, 0x5e, 0x80, 0xd1, 0x9a, 0xd8, 0x35,
                                                       0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}};
const Address SystemContracts::consolidation_requests = {{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48,
                                                          0x86, 0x42, 0xfb, 0x57, 0x9f, 0x8b, 0x00,
                                                          0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}};

std::optional<SystemCallResult> call_system(
    const Rules& rules, const BlockEnvironment& environment, const Address& contract,
    ByteView input, const state::StateView& view, state::StateDiff& diff,
    const state::TransactionState::BlockHashes& block_hashes, evm::Arena& arena) {
    const state::OverlayView current{view, diff};
    state::TransactionState state{current, rules.revision, block_hashes};
    if (state.code(contract)->size() == 0) return std::nullopt;
    evm::TransactionContext context;
    context.origin = system_address;
    evm::Machine machine{rules.revision, environment.context, context, state, arena};
    evm::Message message;
    message.gas = system_gas;
    message.sender = system_address;
    message.recipient = message.code_address = contract;
    message.input = input;
    evm::CallResult outcome = machine.call(message);
    SystemCallResult result{.status = outcome.status, .output = std::move(outcome.output)};
    if (machine.met_unsupported()) result.status = evm::Status::not_supported;
    diff.merge(std::move(state).finish().diff);
    return result;
}

bool read_deposit(const Address& deposit_contract, const types::Log& log, Bytes& deposits) {
    if (log.address != deposit_contract) return true;
    if (log.topics.empty() || log.topics[0] != deposit_topic) return true;
    if (log.data.size() != deposit_data_size) return false;
    for (std::size_t index = 0; index < deposit_parts.size(); ++index) {
        const DepositPart& part = deposit_parts[index];
        if (word_at(log.data, 32 * index) != U256{part.offset}) return false;
        if (word_at(log.data, part.offset) != U256{part.size}) return false;
    }
    for (const DepositPart& part : deposit_parts) {
        const ByteView bytes = ByteView{log.data}.subspan(part.offset + 32, part.size);
        deposits.insert(deposits.end(), bytes.begin(), bytes.end());
    }
    return true;
}

Hash32 requests_hash(const std::vector<Bytes>& requests_by_type) {
    crypto::Sha256 hash;
    for (std::size_t type = 0; type < requests_by_type.size(); ++type) {
        if (requests_by_type[type].empty()) continue;
        Bytes request = {static_cast<std::uint8_t>(type)};
        request.insert(request.end(), requests_by_type[type].begin(), requests_by_type[type].end());
        hash.update(crypto::sha256(request).view());
    }
    return hash.finish();
}

}  // namespace millrace::ledger
