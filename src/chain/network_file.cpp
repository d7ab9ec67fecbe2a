// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/network_file.hpp"

#include <functional>
#include <set>

#include "chain/deploy.hpp"
#include "crypto/secp256k1.hpp"
#include "io/config.hpp"
#include "io/files.hpp"
#include "io/toml.hpp"

namespace millrace::chain {
namespace {

constexpr std::uint64_t file_size_max = 64 * 1024;
constexpr std::size_t name_size_max = 64;
constexpr std::uint64_t finality_depth_max = 100'000;

/// Fills a NetworkFile key by key; every complaint names file, line and key.
class Reader {
  public:
    Reader(const std::string& where, NetworkFile& network) : where_{where}, network_{network} {}

    Outcome<void> read(const toml::table& table) {
        for (const auto& [key, node] : table) {
            if (key.str() == "contracts") {
                const toml::table* const inner = node.as_table();
                if (inner == nullptr) return wrong(node, key.str(), "is no table");
                MILLRACE_TRY_VOID(read_contracts(*inner));
            } else {
                MILLRACE_TRY_VOID(read_top(key.str(), node));
            }
        }
        for (const char* required :
             {"version", "name", "rpc_url", "chain_id", "genesis", "contracts.capabilities",
              "contracts.providers", "contracts.deposits", "contracts.jobs"}) {
            if (seen_.contains(required)) continue;
            return Err{Failure{std::string{"the network file lacks "} + required, where_,
                               "write it again with the command that deployed the contracts"}};
        }
        return {};
    }

  private:
    Err<Failure> wrong(const toml::node& node, std::string_view key, const char* what) const {
        return Err{Failure{std::string{key} + " " + what,
                           where_ + ":" + std::to_string(node.source().begin.line),
                           "see docs/formats or write the file again"}};
    }

    Err<Failure> unknown(const toml::node& node, const std::string& key,
                         const std::vector<std::string>& known) const {
        const std::string nearest = io::nearest_name(key, known);
        return Err{Failure{"unknown key " + key,
                           where_ + ":" + std::to_string(node.source().begin.line),
                           nearest.empty() ? "remove it" : "did you mean " + nearest + "?"}};
    }

    Outcome<std::string> text(const toml::node& node, std::string_view key) const {
        const auto value = node.value_exact<std::string>();
        if (!value) return wrong(node, key, "is no text in quotes");
        return *value;
    }

    Outcome<void> read_top(std::string_view key, const toml::node& node) {
        seen_.insert(std::string{key});
        if (key == "version") return read_version(node);
        if (key == "name") {
            MILLRACE_TRY(network_.name, text(node, key));
            if (network_.name.empty() || network_.name.size() > name_size_max) {
                return wrong(node, key, "is empty or longer than 64 bytes");
            }
            return {};
        }
        if (key == "rpc_url") {
            MILLRACE_TRY(network_.rpc_url, text(node, key));
            return {};
        }
        if (key == "chain_id") {
            const auto id = node.value_exact<std::int64_t>();
            if (!id || *id <= 0) return wrong(node, key, "is no positive number");
            network_.domain.chain_id = U256{static_cast<std::uint64_t>(*id)};
            return {};
        }
        if (key == "genesis") {
            MILLRACE_TRY(const std::string digits, text(node, key));
            const auto hash = fixed_from_hex<Hash32>(digits);
            if (!hash) return wrong(node, key, "is no hash of 64 hexadecimal digits");
            network_.domain.genesis = *hash;
            return {};
        }
        if (key == "dev") {
            const auto flag = node.value_exact<bool>();
            if (!flag) return wrong(node, key, "is neither true nor false");
            network_.dev = *flag;
            return {};
        }
        if (key == "finality") return read_finality(node);
        return unknown(
            node, std::string{key},
            {"version", "name", "rpc_url", "chain_id", "genesis", "dev", "finality", "contracts"});
    }

    Outcome<void> read_version(const toml::node& node) {
        const auto version = node.value_exact<std::int64_t>();
        if (!version || *version < 1) return wrong(node, "version", "is no positive number");
        if (*version > NetworkFile::version) {
            return Err{Failure{"the network file has version " + std::to_string(*version) +
                                   ", newer than this program knows",
                               where_, "use a newer millrace"}};
        }
        return {};
    }

    Outcome<void> read_finality(const toml::node& node) {
        if (const auto depth = node.value_exact<std::int64_t>()) {
            if (*depth < 0 || static_cast<std::uint64_t>(*depth) > finality_depth_max) {
                return wrong(node, "finality", "is not between 0 and 100000 blocks");
            }
            network_.finality = {.use_tag = false, .depth = static_cast<std::uint64_t>(*depth)};
            return {};
        }
        if (node.value_exact<std::string>() == "finalized") {
            network_.finality = Finality{};
            return {};
        }
        return wrong(node, "finality", "is neither \"finalized\" nor a number of blocks");
    }

    Outcome<void> read_contracts(const toml::table& table) {
        for (const auto& [key, node] : table) {
            const std::string name = "contracts." + std::string{key.str()};
            Address* target = nullptr;
            if (key.str() == "capabilities") target = &network_.domain.capabilities;
            if (key.str() == "providers") target = &network_.domain.providers;
            if (key.str() == "deposits") target = &network_.domain.deposits;
            if (key.str() == "jobs") target = &network_.domain.jobs;
            if (target == nullptr) {
                return unknown(node, name,
                               {"contracts.capabilities", "contracts.providers",
                                "contracts.deposits", "contracts.jobs"});
            }
            MILLRACE_TRY(const std::string digits, text(node, name));
            const auto address = crypto::parse_address(digits);
            if (!address) return wrong(node, name, "is no address (0x and 40 digits)");
            *target = *address;
            seen_.insert(name);
        }
        return {};
    }

    const std::string& where_;
    NetworkFile& network_;
    std::set<std::string, std::less<>> seen_;
};

/// A TOML basic string; names and URLs are printable, so quotes and backslashes are all there is.
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char symbol : text) {
        if (symbol == '"' || symbol == '\\') result += '\\';
        result += symbol;
    }
    return result + "\"";
}

}  // namespace

Outcome<NetworkFile> parse_network_file(std::string_view text, const std::string& where) {
    auto parsed = io::parse_toml(text, where);
    if (!parsed) {
        return Err{Failure{"the network file is no TOML: " + parsed.error().what,
                           parsed.error().where, parsed.error().remedy}};
    }
    NetworkFile network;
    MILLRACE_TRY_VOID((Reader{where, network}.read(*parsed)));
    return network;
}

std::string format_network_file(const NetworkFile& network) {
    const auto& domain = network.domain;
    std::string text = "version = " + std::to_string(NetworkFile::version) + "\n";
    text += "name = " + quoted(network.name) + "\n";
    text += "rpc_url = " + quoted(network.rpc_url) + "\n";
    text += "chain_id = " + to_decimal(domain.chain_id) + "\n";
    text += "genesis = " + quoted(to_hex0x(domain.genesis.view())) + "\n";
    text += std::string{"dev = "} + (network.dev ? "true" : "false") + "\n";
    text += "finality = ";
    text += network.finality.use_tag ? "\"finalized\"" : std::to_string(network.finality.depth);
    text += "\n\n[contracts]\n";
    text += "capabilities = " + quoted(crypto::checksum_address(domain.capabilities)) + "\n";
    text += "providers = " + quoted(crypto::checksum_address(domain.providers)) + "\n";
    text += "deposits = " + quoted(crypto::checksum_address(domain.deposits)) + "\n";
    text += "jobs = " + quoted(crypto::checksum_address(domain.jobs)) + "\n";
    return text;
}

Outcome<NetworkFile> read_network_file(const std::string& path) {
    if (!io::file_exists(path)) {
        return Err{
            Failure{"there is no such network", path, "start one with: millrace up, or join one"}};
    }
    MILLRACE_TRY(const std::string text, io::read_text_file(path, file_size_max));
    return parse_network_file(text, path);
}

Outcome<void> write_network_file(const std::string& path, const NetworkFile& network) {
    const std::string text = format_network_file(network);
    return io::atomic_write_file(path, as_bytes(text));
}

std::string network_file_path(const std::string& home, const std::string& network) {
    return home + "/" + network + "/network.toml";
}

Outcome<std::unique_ptr<ChainClient>> connect_to_network(const NetworkFile& network,
                                                         Duration timeout) {
    MILLRACE_TRY(
        auto client,
        ChainClient::connect(network.rpc_url, {.timeout = timeout, .finality = network.finality}));
    const auto other_chain = [&network, &client](const std::string& what) {
        return Err{
            Failure{"the node serves another chain than network " + network.name + ": " + what,
                    client->name(), "correct rpc_url, or join the network anew"}};
    };
    if (U256{client->chain_id()} != network.domain.chain_id) {
        return other_chain("chain id " + std::to_string(client->chain_id()));
    }
    struct Named {
        const char* name;
        const Address& address;
    };
    const auto& domain = network.domain;
    for (const Named& contract :
         {Named{"Capabilities", domain.capabilities}, Named{"Providers", domain.providers},
          Named{"Deposits", domain.deposits}, Named{"Jobs", domain.jobs}}) {
        MILLRACE_TRY(const Bytes code, client->code(contract.address));
        if (code.empty()) return other_chain(std::string{"no "} + contract.name + " contract");
    }
    const auto found = read_capabilities(*client, domain.capabilities);
    if (!found) return Err{found.error()};
    if (found->genesis != domain.genesis) return other_chain("another genesis");
    if (*found != domain) return other_chain("other contracts");
    return client;
}

}  // namespace millrace::chain
