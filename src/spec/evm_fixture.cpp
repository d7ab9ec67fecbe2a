// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/evm_fixture.hpp"

#include <array>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "evm/code.hpp"

namespace millrace::spec {
namespace {

using evm::Revision;

struct NamedRevision {
    std::string_view name;
    Revision revision;
};
constexpr NamedRevision revisions[] = {
    {"Frontier", Revision::frontier},
    {"Homestead", Revision::homestead},
    {"EIP150", Revision::tangerine_whistle},
    {"EIP158", Revision::spurious_dragon},
    {"Byzantium", Revision::byzantium},
    {"Constantinople", Revision::constantinople},
    {"ConstantinopleFix", Revision::petersburg},
    {"Istanbul", Revision::istanbul},
    {"Berlin", Revision::berlin},
    {"London", Revision::london},
    {"Paris", Revision::paris},
    {"Shanghai", Revision::shanghai},
    {"Cancun", Revision::cancun},
    {"Prague", Revision::prague},
    {"Osaka", Revision::osaka},
    {"BPO1", Revision::osaka},
    {"BPO2", Revision::osaka},
    {"BPO3", Revision::osaka},
    {"BPO4", Revision::osaka},
};

/// Lets `revision` and all before it begin; those that go by time begin at `time`.
void begin(ledger::ChainConfig& config, Revision revision, std::uint64_t time) {
    const std::array<std::pair<Revision, std::optional<std::uint64_t>*>, 10> by_number{{
        {Revision::homestead, &config.homestead_block},
        {Revision::tangerine_whistle, &config.tangerine_whistle_block},
        {Revision::spurious_dragon, &config.spurious_dragon_block},
        {Revision::byzantium, &config.byzantium_block},
        {Revision::constantinople, &config.constantinople_block},
        {Revision::petersburg, &config.petersburg_block},
        {Revision::istanbul, &config.istanbul_block},
        {Revision::berlin, &config.berlin_block},
        {Revision::london, &config.london_block},
        {Revision::paris, &config.paris_block},
    }};
    const std::array<std::pair<Revision, std::optional<std::uint64_t>*>, 4> by_time{{
        {Revision::shanghai, &config.shanghai_time},
        {Revision::cancun, &config.cancun_time},
        {Revision::prague, &config.prague_time},
        {Revision::osaka, &config.osaka_time},
    }};
    for (const auto& [known, begins] : by_number)
        if (revision >= known) *begins = 0;
    for (const auto& [known, begins] : by_time)
        if (revision >= known && !*begins) *begins = time;
}

void add_schedule(ledger::ChainConfig& config, const json& settings, const std::string& fork,
                  std::uint64_t time) {
    const auto schedules = settings.find("blobSchedule");
    if (schedules == settings.end() || !schedules->contains(fork)) return;
    const json& schedule = (*schedules)[fork];
    config.blob_schedules[time] = {
        .target = read_u64(schedule.at("target")),
        .max = read_u64(schedule.at("max")),
        .base_fee_update_fraction = read_u64(schedule.at("baseFeeUpdateFraction"))};
}

}  // namespace

json read_json(const std::filesystem::path& file) {
    std::ifstream stream{file};
    return json::parse(stream);
}

std::optional<Address> destination_of(const json& text) {
    const Bytes bytes = read_bytes(text);
    if (bytes.empty()) return std::nullopt;
    return read_fixed<Address>(text);
}

state::StateDiff state_of(const json& accounts) {
    state::StateDiff diff;
    for (const auto& [name, entry] : accounts.items()) {
        state::AccountDiff& account = diff.accounts[read_fixed<Address>(name)];
        account.account.emplace();
        account.account->nonce = read_u64(entry.at("nonce"));
        account.account->balance = read_number(entry.at("balance"));
        Bytes bytes = read_bytes(entry.at("code"));
        if (!bytes.empty()) {
            const evm::CodePtr code = evm::Code::make(std::move(bytes));
            account.account->code_hash = code->hash();
            diff.codes.emplace(code->hash(), code);
        }
        for (const auto& [key, value] : entry.at("storage").items()) {
            const U256 word = read_number(value);
            if (!word.is_zero()) account.storage.emplace(read_number(key), word);
        }
    }
    return diff;
}

std::string difference(const json& accounts, const state::StateDiff& state) {
    const state::StateDiff expected = state_of(accounts);
    for (const auto& [address, entry] : expected.accounts) {
        const std::string name = to_hex0x(address.view());
        const auto found = state.accounts.find(address);
        if (found == state.accounts.end() || !found->second.account) return name + " is missing";
        const state::Account& account = *found->second.account;
        if (account.nonce != entry.account->nonce) {
            return name + " has nonce " + std::to_string(account.nonce) + ", not " +
                   std::to_string(entry.account->nonce);
        }
        if (account.balance != entry.account->balance) {
            return name + " has balance " + to_rpc_quantity(account.balance) + ", not " +
                   to_rpc_quantity(entry.account->balance);
        }
        if (account.code_hash != entry.account->code_hash) return name + " has other code";
        for (const auto& [key, value] : entry.storage) {
            const auto slot = found->second.storage.find(key);
            const U256 actual = slot == found->second.storage.end() ? U256{} : slot->second;
            if (actual != value) {
                return name + " slot " + to_rpc_quantity(key) + " has " + to_rpc_quantity(actual) +
                       ", not " + to_rpc_quantity(value);
            }
        }
        for (const auto& [key, value] : found->second.storage) {
            if (!value.is_zero() && !entry.storage.contains(key)) {
                return name + " slot " + to_rpc_quantity(key) + " is not empty";
            }
        }
    }
    for (const auto& [address, entry] : state.accounts) {
        if (entry.account && !expected.accounts.contains(address)) {
            return to_hex0x(address.view()) + " is too much";
        }
    }
    return {};
}

std::optional<Revision> revision_of(const std::string& name) {
    for (const NamedRevision& known : revisions)
        if (known.name == name) return known.revision;
    return std::nullopt;
}

std::optional<ledger::ChainConfig> chain_config_of(const std::string& network,
                                                   const json& settings) {
    constexpr std::string_view suffix = "AtTime15k";
    constexpr std::uint64_t transition_time = 15'000;
    ledger::ChainConfig config;
    config.chain_id = read_u64(settings.at("chainid"));
    // Of Ethereum's main network, as the fixtures assume.
    config.deposit_contract = *fixed_from_hex<Address>("00000000219ab540356cbb839cbe05303d7705fa");
    std::string first = network;
    std::string second;
    if (network.ends_with(suffix)) {
        const std::size_t middle = network.find("To");
        if (middle == std::string::npos) return std::nullopt;
        first = network.substr(0, middle);
        second = network.substr(middle + 2, network.size() - suffix.size() - middle - 2);
    }
    const auto revision = revision_of(first);
    if (!revision) return std::nullopt;
    begin(config, *revision, 0);
    add_schedule(config, settings, first, 0);
    if (!second.empty()) {
        const auto later = revision_of(second);
        if (!later) return std::nullopt;
        begin(config, *later, transition_time);
        add_schedule(config, settings, second, transition_time);
    }
    return config;
}

}  // namespace millrace::spec
