// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/genesis_values.hpp"

#include <algorithm>
#include <numeric>

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

void Reader::fail_whole(const std::string& what, const std::string& remedy) {
    if (!failure_) failure_ = Failure{"the genesis file " + what, "", remedy};
}

void Reader::fail_json(std::size_t at) {
    if (failure_) return;
    failure_ =
        Failure{"the genesis file is not JSON", "byte " + std::to_string(at), "correct it there"};
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
