// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Values of requests, read as strictly as geth's hexutil does.

#include "node/api/method.hpp"

namespace millrace::node {

namespace {

/// The digits of "0x…" without leading zeros; null when it is no such quantity, and why.
struct Digits {
    std::string_view text;
    std::string_view problem;
};
Digits quantity_digits(JsonValueView value) {
    const auto text = value.plain_text();
    if (!text) return {{}, "a quantity is a string of hexadecimal digits with 0x"};
    if (!text->starts_with("0x") && !text->starts_with("0X")) {
        return {{}, "hex string without 0x prefix"};
    }
    const std::string_view digits = text->substr(2);
    if (digits.empty()) return {{}, "hex string \"0x\""};
    if (digits.size() > 1 && digits.front() == '0') {
        return {{}, "hex number with leading zero digits"};
    }
    return {digits, {}};
}

}  // namespace

std::string cut_text(std::string text, std::size_t size_max) {
    if (text.size() <= size_max) return text;
    while (size_max > 0 && (static_cast<unsigned char>(text[size_max]) & 0xc0) == 0x80)
        --size_max;
    return text.substr(0, size_max);
}

Err<RpcError> Where::wrong(std::string_view what) const {
    std::string message = "invalid argument " + std::to_string(argument) + ": ";
    if (!member.empty()) message += std::string{member} + ": ";
    return invalid_params(message + std::string{what});
}

Read<U256> read_quantity(JsonValueView value, const Where& where) {
    const Digits digits = quantity_digits(value);
    if (!digits.problem.empty()) return where.wrong(digits.problem);
    if (digits.text.size() > 64) return where.wrong("hex number > 256 bits");
    const auto number = u256_from_rpc_quantity("0x" + std::string{digits.text});
    if (!number) return where.wrong("invalid hex string");
    return *number;
}

Read<std::uint64_t> read_u64(JsonValueView value, const Where& where) {
    MILLRACE_TRY(const U256 number, read_quantity(value, where));
    if (!number.fits_u64()) return where.wrong("hex number > 64 bits");
    return number.words[0];
}

Read<Bytes> read_data(JsonValueView value, const Where& where) {
    const auto text = value.plain_text();
    if (!text) return where.wrong("data is a string of hexadecimal digits with 0x");
    if (!text->starts_with("0x") && !text->starts_with("0X")) {
        return where.wrong("hex string without 0x prefix");
    }
    if (text->size() % 2 != 0) return where.wrong("hex string of odd length");
    auto bytes = from_hex("0x" + std::string{text->substr(2)});
    if (!bytes) return where.wrong("invalid hex string");
    return std::move(*bytes);
}

Read<Hash32> read_hash(JsonValueView value, const Where& where) {
    MILLRACE_TRY(const Bytes bytes, read_data(value, where));
    const auto hash = Hash32::from(bytes);
    if (!hash) {
        return where.wrong("hex string has length " + std::to_string(bytes.size() * 2) +
                           ", want 64 for a hash");
    }
    return *hash;
}

Read<Address> read_address(JsonValueView value, const Where& where) {
    MILLRACE_TRY(const Bytes bytes, read_data(value, where));
    const auto address = Address::from(bytes);
    if (!address) {
        return where.wrong("hex string has length " + std::to_string(bytes.size() * 2) +
                           ", want 40 for an address");
    }
    return *address;
}

Read<bool> read_bool(JsonValueView value, const Where& where) {
    if (!value.is(JsonValueView::Kind::boolean)) return where.wrong("want true or false");
    return value.boolean();
}

Read<U256> read_slot(JsonValueView value, const Where& where) {
    const auto text = value.plain_text();
    if (!text || !(text->starts_with("0x") || text->starts_with("0X"))) {
        return where.wrong("a storage key is a string of hexadecimal digits with 0x");
    }
    std::string digits{text->substr(2)};
    if (digits.size() > 64) return where.wrong("storage key too long (want at most 32 bytes)");
    if (digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
    const auto bytes = from_hex("0x" + digits);
    const auto number = bytes ? u256_from_big_endian(*bytes) : std::nullopt;
    if (!number) return where.wrong("invalid hex in storage key");
    return *number;
}

Read<BlockId> read_block(JsonValueView value, const Where& where) {
    using Kind = BlockId::Kind;
    if (value.is_nothing()) return BlockId{};
    if (value.is(JsonValueView::Kind::object)) {  // EIP-1898
        const auto hash = value["blockHash"];
        const auto number = value["blockNumber"];
        if (!hash.is_nothing() && !number.is_nothing()) {
            return where.wrong("cannot specify both blockHash and blockNumber");
        }
        if (!hash.is_nothing()) {
            MILLRACE_TRY(const Hash32 bytes, read_hash(hash, {where.argument, "blockHash"}));
            // Every block we know is canonical, so requireCanonical changes nothing.
            return BlockId{.kind = Kind::hash, .number = 0, .hash = bytes};
        }
        if (number.is_nothing()) return where.wrong("want blockHash or blockNumber");
        return read_block(number, {where.argument, "blockNumber"});
    }
    const auto text = value.plain_text();
    if (!text) return where.wrong("want a block number, a tag or an object with blockHash");
    if (*text == "latest" || *text == "safe" || *text == "finalized") return BlockId{};
    if (*text == "pending") return BlockId{.kind = Kind::pending, .number = 0, .hash = {}};
    if (*text == "earliest") return BlockId{.kind = Kind::number, .number = 0, .hash = {}};
    if (text->size() == 66) {
        MILLRACE_TRY(const Hash32 hash, read_hash(value, where));
        return BlockId{.kind = Kind::hash, .number = 0, .hash = hash};
    }
    MILLRACE_TRY(const std::uint64_t number, read_u64(value, where));
    if (number > static_cast<std::uint64_t>(INT64_MAX))
        return where.wrong("block number too large");
    return BlockId{.kind = Kind::number, .number = number, .hash = {}};
}

JsonValueView Call::at(std::size_t index) const noexcept {
    if (!params.is(JsonValueView::Kind::array) || index >= params.size()) return {};
    auto item = params.begin();
    while (index-- > 0)
        ++item;
    return *item;
}

std::optional<Height> Call::find(const BlockId& id) const {
    const std::uint64_t head = view->head().header.number;
    switch (id.kind) {
        case BlockId::Kind::latest:
        case BlockId::Kind::pending:
            return Height{head};
        case BlockId::Kind::number:
            if (id.number > head) return std::nullopt;
            return Height{id.number};
        case BlockId::Kind::hash:
            return view->height_of(id.hash);
    }
    return std::nullopt;
}

Read<Height> Call::require(const BlockId& id) const {
    const auto height = find(id);
    if (!height) return server_error("header not found");
    return *height;
}

Err<RpcError> no_tries_of(Height height) {
    return server_error("the state of block " + std::to_string(height.value) +
                        " is pruned on this node, or more than " +
                        std::to_string(state::LayeredRoots::undone_count_max) +
                        " of its accounts and slots have changed since");
}

Read<std::shared_ptr<const state::StateView>> Call::state(const BlockId& id) const {
    MILLRACE_TRY(const Height height, require(id));
    auto found = view->state(height);
    if (found == nullptr) {
        return server_error("missing trie node: the state of block " +
                            std::to_string(height.value) +
                            " is no longer kept; a node with --history all keeps it");
    }
    return found;
}

}  // namespace millrace::node
