// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// millrace wallet new | import | list | balance | send

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "chain/chain_client.hpp"
#include "chain/network_file.hpp"
#include "chain/transaction_sender.hpp"
#include "chain/wallet_store.hpp"
#include "cli/commands.hpp"
#include "io/files.hpp"
#include "io/home.hpp"
#include "market/contract_calls.hpp"

namespace millrace::cli {
namespace {

using nlohmann::json;

constexpr std::size_t import_size_max = 64 * 1024;

/// What the flags of all wallet commands may say.
struct WalletFlags {
    std::string home;
    std::string name = "default";
    std::string keystore;
    std::string password_file;
    std::string rpc;
    std::string network;
    std::string address;
    std::string source;  ///< of import: a file, or "-"
    std::string to;
    std::string amount;
    double wait_seconds = 120;
    bool light = false;
    bool as_json = false;
};

/// Echo off while it lives, so that a password stays off the screen.
class SilentTerminal {
  public:
    SilentTerminal() {
        known_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }

  private:
    termios before_{};
    bool known_ = false;
};

std::string prompt(const char* question) {
    const SilentTerminal silent;
    std::fprintf(stderr, "%s", question);
    std::string line;
    std::getline(std::cin, line);
    std::fprintf(stderr, "\n");
    return line;
}

/// --password-file, MILLRACE_PASSWORD, or a question on the terminal, in this order.
Outcome<std::string> password_of(const WalletFlags& flags, bool is_new) {
    if (!flags.password_file.empty()) return chain::read_password_file(flags.password_file);
    if (const char* given = std::getenv("MILLRACE_PASSWORD")) return std::string{given};
    if (::isatty(STDIN_FILENO) == 0 || flags.source == "-") {
        return Err{
            Failure{"no password given", "", "use --password-file FILE or set MILLRACE_PASSWORD"}};
    }
    std::string password = prompt("Password: ");
    if (is_new && prompt("Password again: ") != password) {
        return Err{Failure{"the two passwords differ", "", "try again"}};
    }
    return password;
}

Outcome<std::string> file_of(const WalletFlags& flags) {
    if (!flags.keystore.empty()) return flags.keystore;
    MILLRACE_TRY(const std::string home, io::home_root(flags.home));
    return chain::wallet_path(home, flags.name);
}

void print(const WalletFlags& flags, const json& object, const std::string& text) {
    const std::string line = flags.as_json ? object.dump() : text;
    std::printf("%s\n", line.c_str());
}

Outcome<void> report_key(const WalletFlags& flags, const std::string& path,
                         const Address& address) {
    const std::string shown = crypto::checksum_address(address);
    print(flags, {{"address", shown}, {"keystore", path}},
          fmt::format("address   {}\nkeystore  {}", shown, path));
    return {};
}

crypto::ScryptCost cost_of(const WalletFlags& flags) {
    return flags.light ? crypto::scrypt_light : crypto::ScryptCost{};
}

/// Refused early, before anybody is asked for a password.
Outcome<std::string> free_path(const WalletFlags& flags) {
    MILLRACE_TRY(std::string path, file_of(flags));
    if (io::file_exists(path)) {
        return Err{Failure{"there is a key here already", path,
                           "choose another --name; keys are never overwritten"}};
    }
    return path;
}

Outcome<void> new_wallet(const WalletFlags& flags) {
    MILLRACE_TRY(const std::string path, free_path(flags));
    MILLRACE_TRY(const std::string password, password_of(flags, true));
    MILLRACE_TRY(const crypto::SecretKey key, chain::create_key(path, password, cost_of(flags)));
    return report_key(flags, path, crypto::address_of(key));
}

Outcome<std::string> read_source(const std::string& source) {
    if (source != "-") return io::read_text_file(source, import_size_max);
    std::string text;
    char buffer[4096];
    while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, stdin)) {
        text.append(buffer, size);
        if (text.size() > import_size_max) {
            return Err{Failure{"the key on standard input is too long", "", ""}};
        }
    }
    return text;
}

std::optional<crypto::SecretKey> hex_key(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return std::nullopt;
    text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
    auto bytes = from_hex(text);
    if (!bytes) return std::nullopt;
    auto key = crypto::SecretKey::from(*bytes);
    OPENSSL_cleanse(bytes->data(), bytes->size());
    return key;
}

/// A raw key in hexadecimal, or a keystore that opens with the password given.
Outcome<void> import_wallet(const WalletFlags& flags) {
    MILLRACE_TRY(const std::string path, free_path(flags));
    MILLRACE_TRY(std::string text, read_source(flags.source));
    std::optional<crypto::SecretKey> key = hex_key(text);
    const bool is_keystore = text.find('{') != std::string::npos;
    if (!key && !is_keystore) {
        return Err{Failure{"this holds neither a key of 64 hexadecimal digits nor a keystore",
                           flags.source, "give a file with one of them, or - for standard input"}};
    }
    MILLRACE_TRY(const std::string password, password_of(flags, !is_keystore));
    if (is_keystore) {
        const auto opened = crypto::decrypt_keystore(text, password);
        if (!opened.has_value()) {
            const bool wrong = opened.error() == crypto::KeystoreError::wrong_password;
            return Err{Failure{
                wrong ? "the password does not open this keystore"
                      : "this is no keystore that can be opened here",
                flags.source,
                wrong ? "try another password" : "it must be Web3 Secret Storage version 3"}};
        }
        key = *opened;
    }
    OPENSSL_cleanse(text.data(), text.size());
    MILLRACE_TRY_VOID(chain::store_key(path, *key, password, cost_of(flags)));
    return report_key(flags, path, crypto::address_of(*key));
}

Outcome<void> list_wallets(const WalletFlags& flags) {
    MILLRACE_TRY(const std::string home, io::home_root(flags.home));
    const std::filesystem::path folder{home + "/wallets"};
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{folder, error}) {
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    json list = json::array();
    for (const auto& file : files) {
        const auto address = chain::address_of_file(file.string());
        const std::string shown =
            address.has_value() ? crypto::checksum_address(*address) : "(no keystore)";
        list.push_back({{"name", file.stem().string()}, {"address", shown}});
        if (!flags.as_json) std::printf("%-20s %s\n", file.stem().c_str(), shown.c_str());
    }
    if (flags.as_json) std::printf("%s\n", list.dump().c_str());
    if (!flags.as_json && files.empty()) {
        std::fprintf(stderr, "no wallets in %s; make one with: millrace wallet new\n",
                     folder.c_str());
    }
    return {};
}

Outcome<std::unique_ptr<chain::ChainClient>> chain_of(const WalletFlags& flags) {
    if (!flags.rpc.empty()) return chain::ChainClient::connect(flags.rpc);
    if (flags.network.empty()) {
        return Err{Failure{"no chain given", "", "use --rpc URL or --network NAME"}};
    }
    MILLRACE_TRY(const std::string home, io::home_root(flags.home));
    MILLRACE_TRY(const chain::NetworkFile network,
                 chain::read_network_file(chain::network_file_path(home, flags.network)));
    return chain::connect_to_network(network);
}

Outcome<Address> given_address(const std::string& text) {
    const auto address = crypto::parse_address(text);
    if (!address) {
        return Err{Failure{"this is no address, or its checksum is wrong", text,
                           "an address is 0x and 40 hexadecimal digits"}};
    }
    return *address;
}

Outcome<void> show_balance(const WalletFlags& flags) {
    Address address;
    if (!flags.address.empty()) {
        MILLRACE_TRY(address, given_address(flags.address));
    } else {
        MILLRACE_TRY(const std::string path, file_of(flags));
        MILLRACE_TRY(address, chain::address_of_file(path));
    }
    MILLRACE_TRY(const auto client, chain_of(flags));
    MILLRACE_TRY(const Amount balance, client->balance(address));
    const std::string shown = crypto::checksum_address(address);
    print(flags,
          {{"address", shown},
           {"wei", to_decimal(balance.wei)},
           {"balance", format_amount(balance)},
           {"chain_id", client->chain_id()}},
          fmt::format("{}  {}", shown, format_amount(balance)));
    return {};
}

Outcome<Amount> given_amount(const std::string& text) {
    const auto amount = parse_amount(text);
    if (!amount) {
        return Err{Failure{"this is no amount", text,
                           "write coins (1.25), or a whole number of \"gwei\" or \"wei\""}};
    }
    return *amount;
}

/// Signs with the wallet's key, sends, and waits for the receipt.
Outcome<void> transact(const WalletFlags& flags, chain::ChainClient& client,
                       const chain::TransactionSender::Request& request, const char* verb) {
    MILLRACE_TRY(const std::string path, file_of(flags));
    MILLRACE_TRY(const std::string password, password_of(flags, false));
    MILLRACE_TRY(const crypto::SecretKey key, chain::load_key(path, password));
    chain::TransactionSender sender{client, key};
    MILLRACE_TRY(const Hash32 hash, sender.submit(request));
    // Known from here on, also to whoever interrupts the wait.
    if (!flags.as_json) {
        std::printf("transaction %s\n", to_hex0x(hash.view()).c_str());
        std::fflush(stdout);
    }
    const Duration wait{static_cast<std::int64_t>(flags.wait_seconds * 1000)};
    MILLRACE_TRY(const chain::TransactionReceipt receipt, sender.wait(hash, wait));
    print(flags,
          {{"transaction", to_hex0x(receipt.transaction.view())},
           {"from", crypto::checksum_address(sender.account())},
           {"to", crypto::checksum_address(*request.to)},
           {"wei", to_decimal(request.value.wei)},
           {"block", receipt.block},
           {"gas_used", receipt.gas_used}},
          fmt::format("{} {} in block {}", verb, format_amount(request.value), receipt.block));
    return {};
}

Outcome<void> send_coins(const WalletFlags& flags) {
    MILLRACE_TRY(const Address target, given_address(flags.to));
    MILLRACE_TRY(const Amount amount, given_amount(flags.amount));
    MILLRACE_TRY(const auto client, chain_of(flags));
    return transact(flags, *client,
                    {.to = target,
                     .value = amount,
                     .data = {},
                     .purpose = "send coins",
                     .gas_limit = std::nullopt},
                    "sent");
}

/// Pays into the Deposits contract: for this wallet's account, or for another's.
Outcome<void> deposit_coins(const WalletFlags& flags) {
    MILLRACE_TRY(const Amount amount, given_amount(flags.amount));
    MILLRACE_TRY(const std::string home, io::home_root(flags.home));
    const std::string name = flags.network.empty() ? "local" : flags.network;
    MILLRACE_TRY(const chain::NetworkFile network,
                 chain::read_network_file(chain::network_file_path(home, name)));
    MILLRACE_TRY(const auto client, chain::connect_to_network(network));
    Address payer;
    if (!flags.address.empty()) {
        MILLRACE_TRY(payer, given_address(flags.address));
    } else {
        MILLRACE_TRY(const std::string path, file_of(flags));
        MILLRACE_TRY(payer, chain::address_of_file(path));
    }
    return transact(flags, *client,
                    {.to = network.domain.deposits,
                     .value = amount,
                     .data = market::encode_deposit(payer),
                     .purpose = "deposit",
                     .gas_limit = std::nullopt},
                    "deposited");
}

/// Adds a subcommand whose outcome becomes the exit status.
CLI::App* add(CLI::App& wallet, const char* name, const char* help,
              const std::shared_ptr<WalletFlags>& flags, int& exit_status,
              Outcome<void> (*action)(const WalletFlags&)) {
    CLI::App* const command = wallet.add_subcommand(name, help);
    command->add_option("--home", flags->home, "folder of all data (default ~/.millrace)");
    command->add_flag("--json", flags->as_json, "print JSON");
    command->callback([flags, &exit_status, action] {
        const auto outcome = action(*flags);
        if (outcome.has_value()) return;
        std::fprintf(stderr, "error: %s\n", outcome.error().text().c_str());
        exit_status = 1;
    });
    return command;
}

void add_key_options(CLI::App* command, const std::shared_ptr<WalletFlags>& flags) {
    command->add_option("--name", flags->name, "which wallet (default: default)");
    command->add_option("--keystore", flags->keystore, "this keystore file instead");
}

void add_password_option(CLI::App* command, const std::shared_ptr<WalletFlags>& flags) {
    command->add_option("--password-file", flags->password_file,
                        "its first line is the password (else MILLRACE_PASSWORD, else asked)");
}

void add_chain_options(CLI::App* command, const std::shared_ptr<WalletFlags>& flags) {
    auto* const rpc = command->add_option("--rpc", flags->rpc, "JSON-RPC address of a node");
    command->add_option("--network", flags->network, "a network this home knows")->excludes(rpc);
}

}  // namespace

void add_wallet_command(CLI::App& app, int& exit_status) {
    CLI::App* const wallet = app.add_subcommand("wallet", "Keys and coins.");
    wallet->require_subcommand(1);
    const auto flags = std::make_shared<WalletFlags>();

    auto* command = add(*wallet, "new", "Make a key.", flags, exit_status, new_wallet);
    add_key_options(command, flags);
    add_password_option(command, flags);
    command->add_flag("--light", flags->light, "weaker, faster encryption: for development");

    command = add(*wallet, "import", "Take over a raw key or a keystore of another wallet.", flags,
                  exit_status, import_wallet);
    command->add_option("source", flags->source, "file with the key, or - for standard input")
        ->required();
    add_key_options(command, flags);
    add_password_option(command, flags);
    command->add_flag("--light", flags->light, "weaker, faster encryption: for development");

    add(*wallet, "list", "Show the wallets of this home.", flags, exit_status, list_wallets);

    command = add(*wallet, "balance", "Show an account's coins.", flags, exit_status, show_balance);
    add_key_options(command, flags);
    command->add_option("--address", flags->address, "of this account instead");
    add_chain_options(command, flags);

    command = add(*wallet, "send", "Send coins and wait for the receipt.", flags, exit_status,
                  send_coins);
    command->add_option("to", flags->to, "address")->required();
    command->add_option("amount", flags->amount, "1.25, \"30 gwei\" or \"7 wei\"")->required();
    add_key_options(command, flags);
    add_password_option(command, flags);
    add_chain_options(command, flags);
    command->add_option("--wait", flags->wait_seconds, "seconds to wait for the receipt");

    command = add(*wallet, "deposit", "Pay into a requestor's deposit, from which jobs are paid.",
                  flags, exit_status, deposit_coins);
    command->add_option("amount", flags->amount, "1.25, \"30 gwei\" or \"7 wei\"")->required();
    command->add_option("--for", flags->address, "the agent's account (default: the wallet's own)");
    command->add_option("--network", flags->network, "network (default: local)");
    add_key_options(command, flags);
    add_password_option(command, flags);
    command->add_option("--wait", flags->wait_seconds, "seconds to wait for the receipt");
}

}  // namespace millrace::cli
