// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/genesis_file.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "crypto/hash.hpp"
#include "node/genesis_alloc.hpp"
#include "node/genesis_values.hpp"
#include "node/json_depth.hpp"
#include "node/system_contracts.hpp"

namespace millrace::node {
namespace {

using genesis_values::Json;
using genesis_values::Reader;
using ledger::BlobSchedule;
using ledger::ChainConfig;

constexpr std::size_t depth_max = 16;

struct UpgradeName {
    const char* key;
    std::optional<std::uint64_t> ChainConfig::*field;
};

// In the order in which they must begin.
constexpr UpgradeName by_height[] = {
    {"homesteadBlock", &ChainConfig::homestead_block},
    {"eip150Block", &ChainConfig::tangerine_whistle_block},
    {"eip158Block", &ChainConfig::spurious_dragon_block},
    {"byzantiumBlock", &ChainConfig::byzantium_block},
    {"constantinopleBlock", &ChainConfig::constantinople_block},
    {"petersburgBlock", &ChainConfig::petersburg_block},
    {"istanbulBlock", &ChainConfig::istanbul_block},
    {"berlinBlock", &ChainConfig::berlin_block},
    {"londonBlock", &ChainConfig::london_block},
    {"mergeNetsplitBlock", &ChainConfig::paris_block},
};
constexpr UpgradeName by_time[] = {
    {"shanghaiTime", &ChainConfig::shanghai_time},
    {"cancunTime", &ChainConfig::cancun_time},
    {"pragueTime", &ChainConfig::prague_time},
    {"osakaTime", &ChainConfig::osaka_time},
};
constexpr UpgradeName delays[] = {
    {"muirGlacierBlock", &ChainConfig::muir_glacier_block},
    {"arrowGlacierBlock", &ChainConfig::arrow_glacier_block},
    {"grayGlacierBlock", &ChainConfig::gray_glacier_block},
};
constexpr const char* unknown_upgrades[] = {"amsterdamTime", "verkleTime", "ubtTime"};

void read_blob_schedules(Reader& reader, const Json& config, ChainConfig& out) {
    // Ethereum's own (EIP-4844, 7691); osaka changed nothing.
    struct Stage {
        const char* name;
        std::optional<std::uint64_t> time;
        std::optional<BlobSchedule> usual;
    };
    const BlobSchedule prague{.target = 6, .max = 9, .base_fee_update_fraction = 5'007'716};
    std::vector<Stage> stages = {
        {"cancun", out.cancun_time,
         BlobSchedule{.target = 3, .max = 6, .base_fee_update_fraction = 3'338'477}},
        {"prague", out.prague_time, prague},
        {"osaka", out.osaka_time, prague}};
    for (const char* name : {"bpo1", "bpo2", "bpo3", "bpo4", "bpo5"})
        stages.push_back({name, reader.optional_u64(config, std::string{name} + "Time"), {}});

    const Json* given = reader.optional_object(config, "blobSchedule");
    std::uint64_t before = 0;
    for (const Stage& stage : stages) {
        if (!stage.time || reader.failed()) continue;
        if (*stage.time < before)
            reader.fail(std::string{stage.name} + "Time", "begins before the one that precedes it",
                        "order the upgrades by time");
        before = *stage.time;
        std::optional<BlobSchedule> schedule = given == nullptr ? stage.usual : std::nullopt;
        if (given != nullptr && given->contains(stage.name)) {
            const auto scope = reader.enter("blobSchedule");
            if (const Json* entry = reader.optional_object(*given, stage.name)) {
                const auto inner = reader.enter(stage.name);
                schedule = BlobSchedule{.target = reader.required_u64(*entry, "target"),
                                        .max = reader.required_u64(*entry, "max"),
                                        .base_fee_update_fraction =
                                            reader.required_u64(*entry, "baseFeeUpdateFraction")};
                if (!reader.failed() && (schedule->base_fee_update_fraction == 0 ||
                                         schedule->target > schedule->max || schedule->max > 4096))
                    reader.fail("", "is no blob schedule",
                                "give target <= max <= 4096 and a fraction above 0");
            }
        }
        // An upgrade without an entry keeps what was before (EIP-7840).
        if (schedule) out.blob_schedules.insert_or_assign(*stage.time, *schedule);
    }
}

void check_order(Reader& reader, const ChainConfig& config) {
    const auto check = [&](const auto& names) {
        const UpgradeName* before = nullptr;
        const UpgradeName* missing = nullptr;
        for (const UpgradeName& name : names) {
            const auto& value = config.*(name.field);
            if (!value) {
                if (missing == nullptr) missing = &name;
                continue;
            }
            if (missing != nullptr)
                reader.fail(name.key, std::string{"is set, but not "} + missing->key,
                            "every upgrade contains those before it");
            if (before != nullptr && *value < *(config.*(before->field)))
                reader.fail(name.key, std::string{"begins before "} + before->key,
                            "order the upgrades");
            before = &name;
        }
    };
    check(by_height);
    check(by_time);
    if (config.shanghai_time && !config.paris_block)
        reader.fail("shanghaiTime", "is set, but the chain never leaves proof of work",
                    "set terminalTotalDifficulty to 0, or tell mergeNetsplitBlock");
}

ChainConfig read_config(Reader& reader, const Json& config) {
    ChainConfig out;
    out.chain_id = reader.required_u64(config, "chainId");
    if (out.chain_id == 0 || out.chain_id > (std::uint64_t{1} << 63) - 19)
        reader.fail("chainId", "is out of range", "take one between 1 and 2^63 - 19");
    for (const UpgradeName& name : by_height)
        out.*(name.field) = reader.optional_u64(config, name.key);
    for (const UpgradeName& name : by_time)
        out.*(name.field) = reader.optional_u64(config, name.key);
    for (const UpgradeName& name : delays)
        out.*(name.field) = reader.optional_u64(config, name.key);
    for (const char* key : unknown_upgrades)
        if (reader.optional_u64(config, key))
            reader.fail(key, "names rules this build does not know",
                        "Osaka is the newest upgrade it has");
    if (config.contains("clique"))
        reader.fail("clique", "is proof of authority, which is not supported", "remove it");
    if (!out.petersburg_block) out.petersburg_block = out.constantinople_block;
    const auto eip155 = reader.optional_u64(config, "eip155Block");
    if (eip155 && eip155 != out.spurious_dragon_block)
        reader.fail("eip155Block", "differs from eip158Block",
                    "both are Spurious Dragon: one block");
    if (!config.contains("daoForkSupport") || config["daoForkSupport"] == true)
        out.dao_fork_block = reader.optional_u64(config, "daoForkBlock");
    if (const auto total = reader.optional_word(config, "terminalTotalDifficulty")) {
        if (total->is_zero() && !out.paris_block) out.paris_block = 0;
        if (!out.paris_block)
            reader.fail("terminalTotalDifficulty", "is set, but not the block it is reached at",
                        "tell it in mergeNetsplitBlock");
    }
    if (const auto address = reader.optional_address(config, "depositContractAddress"))
        out.deposit_contract = *address;
    check_order(reader, out);
    read_blob_schedules(reader, config, out);
    return out;
}

types::Header read_header(Reader& reader, const Json& root, const ChainConfig& config) {
    types::Header header;
    if (const auto nonce = reader.optional_u64(root, "nonce"))
        for (std::size_t index = 0; index < 8; ++index)
            header.nonce[index] = static_cast<std::uint8_t>(*nonce >> (8 * (7 - index)));
    header.number = reader.optional_u64(root, "number").value_or(0);
    header.timestamp = reader.optional_u64(root, "timestamp").value_or(0);
    header.gas_limit = reader.optional_u64(root, "gasLimit").value_or(4'712'388);
    header.gas_used = reader.optional_u64(root, "gasUsed").value_or(0);
    header.extra_data = reader.optional_bytes(root, "extraData").value_or(Bytes{});
    header.coinbase = reader.optional_address(root, "coinbase").value_or(Address{});
    header.mix_hash = reader.optional_hash(root, "mixHash").value_or(Hash32{});
    header.parent_hash = reader.optional_hash(root, "parentHash").value_or(Hash32{});
    const auto revision = ledger::rules_at(config, header.number, header.timestamp).revision;
    header.difficulty = reader.optional_word(root, "difficulty")
                            .value_or(U256{revision >= evm::Revision::paris ? 0U : 131'072U});
    const auto base_fee = reader.optional_word(root, "baseFeePerGas");
    if (revision >= evm::Revision::london) header.base_fee = base_fee.value_or(U256{1'000'000'000});
    const auto excess = reader.optional_u64(root, "excessBlobGas");
    const auto used = reader.optional_u64(root, "blobGasUsed");
    if (revision >= evm::Revision::cancun) {
        header.excess_blob_gas = excess.value_or(0);
        header.blob_gas_used = used.value_or(0);
        header.parent_beacon_block_root = Hash32{};
    }
    if (header.number != 0) reader.fail("number", "is not 0", "a genesis block has number 0");
    if (header.extra_data.size() > 32)
        reader.fail("extraData", "has more than 32 bytes", "shorten it");
    return header;
}

void read_millrace(Reader& reader, const Json& object, ledger::Genesis& out) {
    static const std::vector<std::string> known = {"network", "development", "producers",
                                                   "blob_transactions"};
    for (const auto& [key, value] : object.items()) {
        if (std::ranges::find(known, key) != known.end()) continue;
        reader.fail(key, "is not known",
                    "did you mean " + genesis_values::nearest(key, known) + "?");
    }
    out.network = reader.optional_text(object, "network", genesis_text_max).value_or("");
    out.development = reader.optional_bool(object, "development").value_or(false);
    out.config.blob_transactions =
        reader.optional_bool(object, "blob_transactions").value_or(false);
    if (!object.contains("producers")) return;
    const Json& producers = object["producers"];
    if (!producers.is_array() || producers.size() > genesis_producers_max) {
        reader.fail("producers", "is no list of addresses, or too long", "give [\"0x…\"]");
        return;
    }
    const auto scope = reader.enter("producers");
    for (std::size_t index = 0; index < producers.size(); ++index)
        if (const auto address = reader.address(producers[index], std::to_string(index)))
            out.producers.push_back(*address);
}

}  // namespace

struct GenesisFile::Places {
    std::vector<genesis_values::AccountPlace> all;
};

Outcome<GenesisFile> GenesisFile::open(std::string text, std::size_t part_rows_max) {
    if (text.size() > genesis_size_max)
        return Err{Failure{"the genesis file is over 64 MiB", "", "name fewer accounts"}};
    if (!json_nests_within(text, depth_max))
        return Err{Failure{"the genesis file nests too deep", "", "it needs at most 5 levels"}};
    GenesisFile file;
    file.text_ = std::move(text);
    file.text_hash_ = crypto::sha256(as_bytes(file.text_));
    file.part_rows_max_ = part_rows_max;
    Reader reader;
    const auto document = genesis_values::read_document(reader, file.text_);
    if (reader.failed()) return Err{reader.failure()};
    file.alloc_at_ = document.alloc_at;
    const Json& root = document.rest;
    ledger::Genesis& out = file.genesis_;
    const Json* config = reader.optional_object(root, "config");
    if (config == nullptr) {
        reader.fail("config", "is missing", "tell the chain's parameters there");
        return Err{reader.failure()};
    }
    {
        const auto scope = reader.enter("config");
        out.config = read_config(reader, *config);
    }
    out.header = read_header(reader, root, out.config);
    if (const Json* millrace = reader.optional_object(root, "millrace")) {
        const auto scope = reader.enter("millrace");
        read_millrace(reader, *millrace, out);
    }
    if (reader.failed()) return Err{reader.failure()};
    return file;
}

Outcome<void> GenesisFile::check_accounts() {
    if (places_) return {};
    Reader reader;
    std::vector<const SystemContract*> missing;
    const auto rules = ledger::rules_at(genesis_.config, 1, genesis_.header.timestamp);
    for (const SystemContract& contract : system_contracts())
        if (contract.is_required_by(rules.revision)) missing.push_back(&contract);
    auto places = genesis_values::check_accounts(
        reader, text_, alloc_at_, [&](const Address& address, bool has_code) {
            if (has_code)
                std::erase_if(missing, [&](const auto* each) { return each->address == address; });
        });
    if (reader.failed()) return Err{reader.failure()};
    if (!missing.empty()) {
        const std::string name{missing.front()->name};
        return Err{Failure{"the genesis file's alloc lacks the contract of " + name +
                               ", without which its rules allow no block",
                           "alloc." + to_hex0x(missing.front()->address.view()),
                           "copy that account from the output of: millrace node genesis"}};
    }
    places_ = std::make_shared<const Places>(Places{std::move(places)});
    return {};
}

bool GenesisFile::each_part(const TakePart& take) const {
    MILLRACE_ASSERT(places_ != nullptr);
    return genesis_values::each_part(text_, places_->all, part_rows_max_, take);
}

Hash32 GenesisFile::state_root() const {
    MILLRACE_ASSERT(places_ != nullptr);
    return genesis_values::state_root(text_, places_->all);
}

Outcome<ledger::Genesis> read_genesis(std::string_view text) {
    MILLRACE_TRY(GenesisFile file, GenesisFile::open(std::string{text}, SIZE_MAX));
    MILLRACE_TRY_VOID(file.check_accounts());
    ledger::Genesis genesis = file.genesis();
    const bool whole = file.each_part([&](state::StateDiff part, bool is_last) {
        genesis.state = std::move(part);
        return is_last;
    });
    MILLRACE_ASSERT(whole);
    return genesis;
}

namespace {

using Ordered = nlohmann::ordered_json;

std::string quantity(std::uint64_t number) {
    return to_rpc_quantity(U256{number});
}

Ordered config_json(const ledger::Genesis& genesis) {
    const ChainConfig& config = genesis.config;
    Ordered out;
    out["chainId"] = config.chain_id;
    for (const UpgradeName& name : by_height)
        if (const auto& value = config.*(name.field)) out[name.key] = *value;
    if (config.spurious_dragon_block) out["eip155Block"] = *config.spurious_dragon_block;
    for (const UpgradeName& name : delays)
        if (const auto& value = config.*(name.field)) out[name.key] = *value;
    if (config.dao_fork_block) out["daoForkBlock"] = *config.dao_fork_block;
    if (config.paris_block) out["terminalTotalDifficulty"] = *config.paris_block == 0 ? 0 : 1;
    for (const UpgradeName& name : by_time)
        if (const auto& value = config.*(name.field)) out[name.key] = *value;

    const auto schedule_json = [](const BlobSchedule& schedule) {
        return Ordered{{"target", schedule.target},
                       {"max", schedule.max},
                       {"baseFeeUpdateFraction", schedule.base_fee_update_fraction}};
    };
    Ordered schedules;
    auto later = config.blob_schedules;
    const std::pair<const char*, std::optional<std::uint64_t>> named[] = {
        {"cancun", config.cancun_time},
        {"prague", config.prague_time},
        {"osaka", config.osaka_time}};
    for (const auto& [name, time] : named) {
        if (!time) continue;
        const auto entry = config.blob_schedules.upper_bound(*time);
        if (entry == config.blob_schedules.begin()) continue;
        schedules[name] = schedule_json(std::prev(entry)->second);
        later.erase(*time);
    }
    int number = 0;
    for (const auto& [time, schedule] : later) {
        const std::string name = "bpo" + std::to_string(++number);
        out[name + "Time"] = time;
        schedules[name] = schedule_json(schedule);
    }
    if (!schedules.empty()) out["blobSchedule"] = std::move(schedules);
    out["depositContractAddress"] = to_hex0x(config.deposit_contract.view());
    return out;
}

std::string account_text(const state::AccountDiff& diff, const state::StateDiff& state) {
    const state::Account account = diff.account.value_or(state::Account{});
    std::string out = "{\"balance\": \"" + to_rpc_quantity(account.balance) + "\"";
    if (account.nonce != 0) out += ", \"nonce\": \"" + quantity(account.nonce) + "\"";
    const auto code = state.codes.find(account.code_hash);
    if (code != state.codes.end()) out += ", \"code\": \"" + to_hex0x(code->second->view()) + "\"";
    if (diff.storage.empty()) return out + "}";
    std::vector<std::pair<U256, U256>> slots{diff.storage.begin(), diff.storage.end()};
    std::ranges::sort(slots);
    out += ", \"storage\": {";
    const char* comma = "";
    for (const auto& [key, value] : slots) {
        out += comma;
        out += "\"" + to_hex0x(to_word(key).view()) + "\": \"" + to_hex0x(to_word(value).view()) +
               "\"";
        comma = ", ";
    }
    return out + "}}";
}

}  // namespace

std::string write_genesis(const ledger::Genesis& genesis) {
    const types::Header& header = genesis.header;
    Ordered out;
    out["config"] = config_json(genesis);
    out["nonce"] = to_hex0x(header.nonce);
    out["timestamp"] = quantity(header.timestamp);
    out["extraData"] = to_hex0x(header.extra_data);
    out["gasLimit"] = quantity(header.gas_limit);
    out["gasUsed"] = quantity(header.gas_used);
    out["difficulty"] = to_rpc_quantity(header.difficulty);
    out["mixHash"] = to_hex0x(header.mix_hash.view());
    out["coinbase"] = to_hex0x(header.coinbase.view());
    out["number"] = quantity(header.number);
    out["parentHash"] = to_hex0x(header.parent_hash.view());
    if (header.base_fee) out["baseFeePerGas"] = to_rpc_quantity(*header.base_fee);
    if (header.excess_blob_gas) out["excessBlobGas"] = quantity(*header.excess_blob_gas);
    if (header.blob_gas_used) out["blobGasUsed"] = quantity(*header.blob_gas_used);
    Ordered producers = Ordered::array();
    for (const Address& producer : genesis.producers)
        producers.push_back(to_hex0x(producer.view()));
    out["millrace"] = {{"network", genesis.network},
                       {"development", genesis.development},
                       {"producers", std::move(producers)},
                       {"blob_transactions", genesis.config.blob_transactions}};

    std::string text = out.dump(2);
    text.resize(text.size() - 2);  // without the closing brace, for "alloc" comes last
    text += ",\n  \"alloc\": {";
    std::vector<const std::pair<const Address, state::AccountDiff>*> accounts;
    accounts.reserve(genesis.state.accounts.size());
    for (const auto& entry : genesis.state.accounts)
        accounts.push_back(&entry);
    std::ranges::sort(accounts, {}, [](const auto* entry) { return entry->first; });
    const char* comma = "\n";
    for (const auto* entry : accounts) {
        text += comma;
        text += "    \"" + to_hex0x(entry->first.view()) +
                "\": " + account_text(entry->second, genesis.state);
        comma = ",\n";
    }
    return text + "\n  }\n}\n";
}

}  // namespace millrace::node
