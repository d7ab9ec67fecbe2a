// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/genesis_values.hpp"

#include <algorithm>
#include <numeric>

#include "node/genesis_file.hpp"

namespace millrace::node::genesis_values {
namespace {

std::optional<U256> word_of(const Json& value) {
    if (value.is_number_unsigned()) return U256{value.get<std::uint64_t>()};
    // Larger than 64 bits: only mainnet's terminal total difficulty is written so, and only whether
    // it is 0 matters.
    if (value.is_number_float() && value.get<double>() >= 1.8e19) return ~U256{};
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->empty()) return std::nullopt;
    if (!text->starts_with("0x") && !text->starts_with("0X")) return u256_from_decimal(*text);
    // geth takes leading zeros, up to a word's digits, and an odd number of them.
    std::string digits = text->substr(2);
    if (digits.size() > 64 || digits.empty()) return std::nullopt;
    if (digits.size() % 2 != 0) digits.insert(digits.begin(), '0');
    const auto bytes = from_hex(digits);
    return bytes ? u256_from_big_endian(*bytes) : std::nullopt;
}

/// Storage keys and values: at most 32 bytes, right-aligned.
std::optional<U256> slot_of(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::string digits{text.size() % 2 != 0 ? "0" : ""};
    digits += text;
    if (digits.size() > 64 || digits.starts_with("0x")) return std::nullopt;
    const auto bytes = from_hex(digits);
    return bytes ? u256_from_big_endian(*bytes) : std::nullopt;
}

void read_account(Reader& reader, const std::string& name, const Json& value,
                  state::StateDiff& state) {
    const auto address = fixed_from_hex<Address>(name);
    if (!address) return reader.fail(name, "is no address", "give 40 hexadecimal digits");
    const auto scope = reader.enter(name);
    if (!value.is_object()) return reader.fail("", "is no object", "give {\"balance\": …}");
    if (state.accounts.size() >= genesis_accounts_max)
        return reader.fail("", "is one account too many", "a genesis has at most 1,000,000");
    const auto [entry, is_new] = state.accounts.try_emplace(*address);
    if (!is_new) return reader.fail("", "is given twice", "remove one");

    state::Account account{.nonce = reader.optional_u64(value, "nonce").value_or(0),
                           .balance = reader.optional_word(value, "balance").value_or(U256{}),
                           .code_hash = evm::empty_code_hash};
    if (auto code = reader.optional_bytes(value, "code"); code && !code->empty()) {
        evm::CodePtr made = evm::Code::make(std::move(*code));
        account.code_hash = made->hash();
        state.codes.try_emplace(account.code_hash, std::move(made));
    }
    entry->second.account = account;
    const Json* storage = reader.optional_object(value, "storage");
    if (storage == nullptr) return;
    const auto inner = reader.enter("storage");
    for (const auto& [key, word] : storage->items()) {
        const auto slot = slot_of(key);
        const auto* text = word.get_ptr<const std::string*>();
        const auto content = text == nullptr ? std::nullopt : slot_of(*text);
        if (!slot || !content)
            return reader.fail(key, "is no pair of words", "give \"0x…\": \"0x…\", 32 bytes each");
        if (!content->is_zero()) entry->second.storage.insert_or_assign(*slot, *content);
    }
}

}  // namespace

void Reader::fail(const std::string& name, const std::string& what, const std::string& remedy) {
    if (failure_) return;
    std::string path = path_;
    if (!name.empty()) path += (path.empty() ? "" : ".") + name;
    if (path.size() > 200) path = path.substr(0, 200) + "…";
    std::ranges::replace_if(
        path, [](char letter) { return letter >= 0 && letter < ' '; }, '?');
    failure_ = Failure{"the genesis file's " + path + " " + what, "", remedy};
}

Reader::Scope Reader::enter(const std::string& name) {
    const std::size_t size = path_.size();
    path_ += (path_.empty() ? "" : ".") + name;
    return Scope{*this, size};
}

const Json* Reader::member(const Json& object, const std::string& name) {
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<U256> Reader::optional_word(const Json& object, const std::string& name) {
    const Json* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    auto word = word_of(*value);
    if (!word) fail(name, "is no number below 2^256", "write it as a number, \"123\" or \"0x7b\"");
    return word;
}

std::optional<std::uint64_t> Reader::optional_u64(const Json& object, const std::string& name) {
    const auto word = optional_word(object, name);
    if (!word) return std::nullopt;
    if (!word->fits_u64()) {
        fail(name, "is over 64 bits", "write a smaller number");
        return std::nullopt;
    }
    return word->words[0];
}

std::uint64_t Reader::required_u64(const Json& object, const std::string& name) {
    if (member(object, name) == nullptr) fail(name, "is missing", "give a number");
    return optional_u64(object, name).value_or(0);
}

std::optional<Bytes> Reader::optional_bytes(const Json& object, const std::string& name) {
    const Json* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    const auto* text = value->get_ptr<const std::string*>();
    auto bytes = text == nullptr ? std::nullopt : from_hex(*text);
    if (!bytes) fail(name, "is no hexadecimal data", "write \"0x…\" with an even number of digits");
    return bytes;
}

std::optional<Hash32> Reader::optional_hash(const Json& object, const std::string& name) {
    const auto bytes = optional_bytes(object, name);
    if (!bytes) return std::nullopt;
    auto hash = Hash32::from(*bytes);
    if (!hash) fail(name, "has not 32 bytes", "write \"0x\" and 64 digits");
    return hash;
}

std::optional<Address> Reader::address(const Json& value, const std::string& name) {
    const auto* text = value.get_ptr<const std::string*>();
    auto found = text == nullptr ? std::nullopt : fixed_from_hex<Address>(*text);
    if (!found) fail(name, "is no address", "write \"0x\" and 40 digits");
    return found;
}

std::optional<Address> Reader::optional_address(const Json& object, const std::string& name) {
    const Json* value = member(object, name);
    return value == nullptr ? std::nullopt : address(*value, name);
}

std::optional<std::string> Reader::optional_text(const Json& object, const std::string& name,
                                                 std::size_t size_max) {
    const Json* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    const auto* text = value->get_ptr<const std::string*>();
    if (text != nullptr && text->size() <= size_max) return *text;
    fail(name, "is no text, or over " + std::to_string(size_max) + " bytes", "write a short text");
    return std::nullopt;
}

std::optional<bool> Reader::optional_bool(const Json& object, const std::string& name) {
    const Json* value = member(object, name);
    if (value == nullptr) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    fail(name, "is neither true nor false", "write one of them, without quotes");
    return std::nullopt;
}

const Json* Reader::optional_object(const Json& object, const std::string& name) {
    const Json* value = member(object, name);
    if (value == nullptr || value->is_object()) return value;
    fail(name, "is no object", "write {…}");
    return nullptr;
}

Json parse_streaming_alloc(std::string_view text, Reader& reader, state::StateDiff& state) {
    using Event = Json::parse_event_t;
    bool in_alloc = false;
    std::string address;
    // The parser tells the end of a value before it keeps it; false: it is not kept.
    const auto on_event = [&](int depth, Event event, Json& parsed) {
        if (event == Event::key && depth == 1) in_alloc = parsed == "alloc";
        if (!in_alloc) return true;
        if (event == Event::key && depth == 2) address = parsed.get<std::string>();
        const bool ended =
            event == Event::object_end || event == Event::value || event == Event::array_end;
        if (!ended || depth != 2) return true;
        if (!reader.failed()) {
            const auto scope = reader.enter("alloc");
            read_account(reader, address, parsed, state);
        }
        return false;
    };
    Json root = Json::parse(text, on_event);
    if (root.is_object() && root.contains("alloc")) reader.optional_object(root, "alloc");
    return root;
}

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
    name = name.substr(0, 64);
    const auto distance = [&](const std::string& other) {
        std::vector<std::size_t> row(other.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t left = 0; left < name.size(); ++left) {
            std::size_t diagonal = row[0]++;
            for (std::size_t right = 0; right < other.size(); ++right) {
                const std::size_t changed = diagonal + (name[left] == other[right] ? 0U : 1U);
                diagonal = row[right + 1];
                row[right + 1] = std::min({row[right + 1] + 1, row[right] + 1, changed});
            }
        }
        return row.back();
    };
    return *std::ranges::min_element(known, {}, distance);
}

}  // namespace millrace::node::genesis_values
