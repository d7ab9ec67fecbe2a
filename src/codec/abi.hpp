// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/u256.hpp"

namespace millrace::codec {

enum class AbiError : std::uint8_t { bad_type, wrong_value, truncated, bad_offset, out_of_range };

/// A value of the Solidity contract ABI. Numbers of every width (intN in two's complement), bool,
/// address and bytesN (left-aligned) are one word; the type string gives the meaning.
struct AbiValue;
using AbiList = std::vector<AbiValue>;
struct AbiValue {
    std::variant<U256, Bytes, AbiList> data;

    static AbiValue word(const Hash32& word) { return {from_word(word)}; }
    static AbiValue number(std::uint64_t number) { return {U256{number}}; }
    static AbiValue number(const U256& number) { return {number}; }
    static AbiValue address(const Address& address);
    static AbiValue boolean(bool flag) { return {U256{flag ? 1u : 0u}}; }
    static AbiValue bytes(ByteView content) { return {to_bytes(content)}; }
    static AbiValue text(std::string_view content) { return {to_bytes(as_bytes(content))}; }
    static AbiValue list(AbiList items) { return {std::move(items)}; }

    [[nodiscard]] const U256& as_number() const;  ///< asserts the kind
    [[nodiscard]] Hash32 as_word() const;         ///< asserts the kind
    [[nodiscard]] Address as_address() const;     ///< asserts the kind
    [[nodiscard]] bool as_boolean() const { return !as_number().is_zero(); }
    [[nodiscard]] const Bytes& as_bytes_value() const;
    [[nodiscard]] std::string as_text_value() const;
    [[nodiscard]] const AbiList& as_list() const;
};

/// `types` is a tuple as Solidity writes it: "(address,uint256,(bytes32,uint64)[],bytes)".
/// Supported: uintN, intN, address, bool, bytesN, bytes, string, T[], T[k], tuples; depth at
/// most 8.
Result<Bytes, AbiError> abi_encode(std::string_view types, const AbiList& values);
/// Refuses offsets that leave the data, lengths over what is there, and dirty padding of words.
Result<AbiList, AbiError> abi_decode(std::string_view types, ByteView data);

/// First four bytes of Keccak-256 of "name(types)".
std::array<std::uint8_t, 4> abi_selector(std::string_view signature);
/// Selector and arguments of "settle(uint256,bytes)"; the types are read from the signature.
Result<Bytes, AbiError> abi_call(std::string_view signature, const AbiList& arguments);
/// topic0 of an event.
Hash32 abi_topic(std::string_view signature);

}  // namespace millrace::codec
