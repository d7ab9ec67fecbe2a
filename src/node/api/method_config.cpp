// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// eth_config (EIP-7910): by which rules the chain goes now, and by which it will.

#include <array>
#include <set>

#include "evm/precompiles.hpp"
#include "ledger/system_calls.hpp"
#include "ledger/transition.hpp"
#include "node/api/method.hpp"

namespace millrace::node {
namespace {

using evm::Revision;
using ledger::ChainConfig;

/// CRC-32 (IEEE 802.3), continued from `crc`.
std::uint32_t crc32(std::uint32_t crc, ByteView data) noexcept {
    constexpr std::uint32_t polynomial = 0xedb8'8320;
    crc = ~crc;
    for (const std::uint8_t byte : data) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    }
    return ~crc;
}

std::set<std::uint64_t> fork_times(const ChainConfig& config) {
    std::set<std::uint64_t> times;
    for (const auto& time :
         {config.shanghai_time, config.cancun_time, config.prague_time, config.osaka_time})
        if (time) times.insert(*time);
    for (const auto& [time, schedule] : config.blob_schedules)
        times.insert(time);
    return times;
}

/// EIP-2124 and 6122, with every upgrade by height and those by time up to `time`. What begins with
/// the genesis block does not count.
FixedBytes<struct ForkIdTag, 4> fork_id(const ChainView& view, std::uint64_t time) {
    const ChainConfig& config = view.config();
    std::set<std::uint64_t> heights;
    for (const auto& height :
         {config.homestead_block, config.dao_fork_block, config.tangerine_whistle_block,
          config.spurious_dragon_block, config.byzantium_block, config.constantinople_block,
          config.petersburg_block, config.istanbul_block, config.muir_glacier_block,
          config.berlin_block, config.london_block, config.arrow_glacier_block,
          config.gray_glacier_block, config.paris_block})
        if (height && *height > 0) heights.insert(*height);
    std::uint32_t crc = crc32(0, view.genesis_hash().view());
    const auto add = [&crc](std::uint64_t fork) {
        std::array<std::uint8_t, 8> bytes;
        for (std::size_t index = 0; index < bytes.size(); ++index)
            bytes[index] = static_cast<std::uint8_t>(fork >> (8 * (7 - index)));
        crc = crc32(crc, bytes);
    };
    for (const std::uint64_t height : heights)
        add(height);
    const auto genesis = view.header(Height{0});
    const std::uint64_t begin = genesis ? genesis->timestamp : 0;
    for (const std::uint64_t fork : fork_times(config))
        if (fork > begin && fork <= time) add(fork);
    FixedBytes<struct ForkIdTag, 4> id;
    for (std::size_t index = 0; index < id.bytes.size(); ++index)
        id.bytes[index] = static_cast<std::uint8_t>(crc >> (8 * (3 - index)));
    return id;
}

/// EIP-7910's names, by number of the contract.
std::string_view precompile_name(const Address& address) noexcept {
    constexpr std::array<std::string_view, 17> names = {"ECREC",
                                                        "SHA256",
                                                        "RIPEMD160",
                                                        "ID",
                                                        "MODEXP",
                                                        "BN254_ADD",
                                                        "BN254_MUL",
                                                        "BN254_PAIRING",
                                                        "BLAKE2F",
                                                        "KZG_POINT_EVALUATION",
                                                        "BLS12_G1ADD",
                                                        "BLS12_G1MSM",
                                                        "BLS12_G2ADD",
                                                        "BLS12_G2MSM",
                                                        "BLS12_PAIRING_CHECK",
                                                        "BLS12_MAP_FP_TO_G1",
                                                        "BLS12_MAP_FP2_TO_G2"};
    const std::size_t low = address.bytes[19];
    if (address.bytes[18] == 1 && low == 0) return "P256VERIFY";
    return low >= 1 && low <= names.size() ? names[low - 1] : "";
}

void write_rules(JsonWriter& out, const ChainView& view, std::uint64_t time) {
    const ChainConfig& config = view.config();
    const ledger::Rules rules = ledger::rules_at(config, ~std::uint64_t{0}, time);
    const auto genesis = view.header(Height{0});
    out.begin('{').key("activationTime");
    out.number(genesis && genesis->timestamp >= time ? 0 : time);
    out.key("blobSchedule");
    if (rules.revision >= Revision::cancun) {
        out.begin('{').key("target").number(rules.blobs.target);
        out.key("max").number(rules.blobs.max);
        out.key("baseFeeUpdateFraction").number(rules.blobs.base_fee_update_fraction).end('}');
    } else {
        out.null();
    }
    out.key("chainId").quantity(config.chain_id).key("forkId").data(fork_id(view, time));
    out.key("precompiles").begin('{');
    for (const Address& address : evm::precompile_addresses(rules.revision))
        out.key(precompile_name(address)).data(address);
    out.end('}').key("systemContracts").begin('{');
    using Contracts = ledger::SystemContracts;
    if (rules.revision >= Revision::cancun)
        out.key("BEACON_ROOTS_ADDRESS").data(Contracts::beacon_roots);
    if (rules.revision >= Revision::prague) {
        out.key("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS").data(Contracts::consolidation_requests);
        out.key("DEPOSIT_CONTRACT_ADDRESS").data(config.deposit_contract);
        out.key("HISTORY_STORAGE_ADDRESS").data(Contracts::block_hashes);
        out.key("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS").data(Contracts::withdrawal_requests);
    }
    out.end('}').end('}');
}

/// Before the first upgrade by time there is nothing that EIP-7910 could tell: null.
Answer chain_config(const Call& call) {
    const ChainView& view = *call.view;
    const std::set<std::uint64_t> times = fork_times(view.config());
    const auto next = times.upper_bound(view.head().header.timestamp);
    JsonWriter out;
    const auto member = [&](std::string_view name, bool is_there, std::uint64_t time) {
        out.key(name);
        if (is_there)
            write_rules(out, view, time);
        else
            out.null();
    };
    out.begin('{');
    const bool begun = next != times.begin();
    member("current", begun, begun ? *std::prev(next) : 0);
    const bool goes_on = next != times.end();
    member("next", goes_on, goes_on ? *next : 0);
    member("last", goes_on, goes_on ? *times.rbegin() : 0);
    return std::move(out.end('}')).take();
}

constexpr Method methods[] = {
    {.name = "eth_config",
     .now = chain_config,
     .summary = "the rules of the chain now and of its coming upgrades (EIP-7910)"},
};

}  // namespace

std::span<const Method> config_methods() {
    return methods;
}

}  // namespace millrace::node
