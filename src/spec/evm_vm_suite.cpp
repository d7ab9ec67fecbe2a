// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/evm_vm_suite.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codec/rlp.hpp"
#include "crypto/hash.hpp"
#include "evm/machine.hpp"
#include "evm/memory_host.hpp"
#include "evm/opcodes.hpp"
#include "io/fixture_json.hpp"
#include "types/block.hpp"

namespace millrace::spec {
namespace {

namespace fs = std::filesystem;
using evm::CallResult;
using evm::MemoryHost;
using evm::Message;
using evm::Revision;
using evm::Status;
using io::fixture::read_bytes;
using io::fixture::read_fixed;
using io::fixture::read_number;
using io::fixture::read_u64;
using nlohmann::json;

Hash32 hash_of(const std::vector<types::Log>& logs) {
    codec::RlpWriter writer;
    types::write_logs(writer, logs);
    return crypto::keccak256(writer.view());
}

/// Where the code of "exec" lies: it need not be the account's.
constexpr Address code_address = [] {
    Address address;
    address.bytes.fill(0xee);
    return address;
}();

void read_world(const json& pre, MemoryHost& host) {
    for (const auto& [key, fields] : pre.items()) {
        const Address address = read_fixed<Address>(key);
        MemoryHost::Account& account = host.account(address);
        account.balance = read_number(fields.at("balance"));
        account.nonce = read_u64(fields.at("nonce"));
        host.put_code(address, read_bytes(fields.at("code")));
        for (const auto& [slot, value] : fields.at("storage").items())
            host.put_storage(address, read_number(json(slot)), read_number(value));
    }
}

/// Empty when the world is as `post` has it, otherwise the first difference.
std::string compare_world(const json& post, const MemoryHost& host) {
    std::size_t expected_count = 0;
    for (const auto& [key, fields] : post.items()) {
        ++expected_count;
        const auto found = host.accounts().find(read_fixed<Address>(key));
        if (found == host.accounts().end() || !found->second.exists) return key + " is missing";
        const MemoryHost::Account& account = found->second;
        if (account.is_destroyed) return key + " was destroyed";
        if (account.balance != read_number(fields.at("balance")))
            return key + " has balance " + to_decimal(account.balance);
        if (account.nonce != read_u64(fields.at("nonce"))) return key + " has another nonce";
        if (to_bytes(account.code->view()) != read_bytes(fields.at("code")))
            return key + " has other code";
        std::size_t slot_count = 0;
        for (const auto& [slot, value] : account.storage)
            if (!value.current.is_zero()) ++slot_count;
        if (slot_count != fields.at("storage").size()) return key + " has other slots";
        for (const auto& [slot, value] : fields.at("storage").items()) {
            const auto entry = account.storage.find(read_number(json(slot)));
            if (entry == account.storage.end() || entry->second.current != read_number(value))
                return key + " has another value in slot " + slot;
        }
    }
    std::size_t count = 0;
    for (const auto& [address, account] : host.accounts())
        if (account.exists && !account.is_destroyed && address != code_address) ++count;
    return count == expected_count ? "" : "there are other accounts";
}

/// Empty when the case passes.
std::string run_frame_case(const json& test) {
    const json& env = test.at("env");
    const json& exec = test.at("exec");
    evm::BlockContext block;
    block.number = read_u64(env.at("currentNumber"));
    block.timestamp = read_u64(env.at("currentTimestamp"));
    block.gas_limit = read_u64(env.at("currentGasLimit"));
    block.coinbase = read_fixed<Address>(env.at("currentCoinbase"));
    block.difficulty = read_number(env.at("currentDifficulty"));
    evm::TransactionContext transaction;
    transaction.origin = read_fixed<Address>(exec.at("origin"));
    transaction.gas_price = read_number(exec.at("gasPrice"));
    MemoryHost host;
    read_world(test.at("pre"), host);
    host.put_code(code_address, read_bytes(exec.at("code")));
    host.begin_transaction();

    const Bytes input = read_bytes(exec.at("data"));
    Message message;
    message.kind = evm::CallKind::call_code;  // the value is there already
    message.gas = static_cast<std::int64_t>(std::min(
        read_u64(exec.at("gas")), std::uint64_t{std::numeric_limits<std::int64_t>::max()}));
    message.sender = read_fixed<Address>(exec.at("caller"));
    message.recipient = read_fixed<Address>(exec.at("address"));
    message.code_address = code_address;
    message.value = read_number(exec.at("value"));
    message.input = input;
    const auto arena = evm::make_arena();
    evm::Machine machine{Revision::frontier, block, transaction, host, *arena};
    const CallResult result = machine.call(message);

    if (!test.contains("post")) {
        return result.status == Status::success ? "succeeded, but must fail" : "";
    }
    if (result.status != Status::success)
        return "failed: " + std::string{evm::to_text(result.status)};
    if (static_cast<std::uint64_t>(result.gas_left) != read_u64(test.at("gas")))
        return "gas left is " + std::to_string(result.gas_left);
    if (result.output != read_bytes(test.at("out"))) return "output is " + to_hex0x(result.output);
    if (hash_of(host.logs()) != read_fixed<Hash32>(test.at("logs"))) return "other logs";
    return compare_world(test.at("post"), host);
}

struct Operation {
    std::string_view name;  ///< as in the file's name
    evm::Opcode opcode;
};
constexpr Operation operations[] = {
    {"add", evm::Opcode::add},   {"mul", evm::Opcode::mul},   {"sub", evm::Opcode::sub},
    {"div", evm::Opcode::div},   {"sdiv", evm::Opcode::sdiv}, {"mod", evm::Opcode::mod},
    {"smod", evm::Opcode::smod}, {"exp", evm::Opcode::exp},   {"signext", evm::Opcode::signextend},
    {"lt", evm::Opcode::lt},     {"gt", evm::Opcode::gt},     {"slt", evm::Opcode::slt},
    {"sgt", evm::Opcode::sgt},   {"eq", evm::Opcode::eq},     {"and", evm::Opcode::and_},
    {"or", evm::Opcode::or_},    {"xor", evm::Opcode::xor_},  {"byte", evm::Opcode::byte},
    {"shl", evm::Opcode::shl},   {"shr", evm::Opcode::shr},   {"sar", evm::Opcode::sar},
};

/// PUSH32 x PUSH32 y OP, the result to memory and returned: y is on top, as go-ethereum's
/// testTwoOperandOp pushes them.
std::string run_operation_case(evm::Opcode opcode, const json& test) {
    Bytes code;
    const auto push_word = [&code](const Hash32& word) {
        code.push_back(static_cast<std::uint8_t>(evm::Opcode::push32));
        code.insert(code.end(), word.bytes.begin(), word.bytes.end());
    };
    push_word(read_fixed<Hash32>(test.at("X")));
    push_word(read_fixed<Hash32>(test.at("Y")));
    code.push_back(static_cast<std::uint8_t>(opcode));
    constexpr std::uint8_t store_and_return[] = {0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3};
    code.insert(code.end(), std::begin(store_and_return), std::end(store_and_return));
    MemoryHost host;
    host.put_code(code_address, std::move(code));
    Message message;
    message.gas = 1'000'000;
    message.recipient = message.code_address = code_address;
    const evm::BlockContext block;
    const evm::TransactionContext transaction;
    const auto arena = evm::make_arena();
    evm::Machine machine{Revision::osaka, block, transaction, host, *arena};
    const CallResult result = machine.call(message);
    if (result.status != Status::success)
        return "failed: " + std::string{evm::to_text(result.status)};
    if (result.output != read_bytes(test.at("Expected"))) return "gives " + to_hex0x(result.output);
    return "";
}

void run_file(const fs::path& file, SuiteTally& tally) {
    const auto count = [&tally](const std::string& name, std::string difference) {
        if (difference.empty())
            ++tally.passed;
        else
            tally.fail(name, std::move(difference));
    };
    const std::string path = file.generic_string();
    const std::string stem = file.stem().string();
    constexpr std::string_view prefix = "testcases_";
    if (path.find("/VMTests/") != std::string::npos) {
        std::ifstream stream{file};
        const json cases = json::parse(stream);
        for (const auto& [name, test] : cases.items())
            count(name, run_frame_case(test));
    } else if (stem.starts_with(prefix)) {
        const std::string_view name = std::string_view{stem}.substr(prefix.size());
        const auto* const found = std::ranges::find(operations, name, &Operation::name);
        if (found == std::end(operations)) return tally.skip("an unknown operation");
        std::ifstream stream{file};
        std::size_t index = 0;
        for (const json& test : json::parse(stream)) {
            count(std::string{name} + " " + std::to_string(index),
                  run_operation_case(found->opcode, test));
            ++index;
        }
    }
}

}  // namespace

int run_evm_vm_suite(const fs::path& folder, const SuiteOptions& options) {
    return run_files(folder, options, run_file);
}

}  // namespace millrace::spec
