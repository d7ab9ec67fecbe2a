// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/eip712.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace millrace::codec {

Hash32 Eip712Domain::separator() const {
    return eip712_struct_hash(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,"
        "bytes32 salt)",
        {crypto::keccak256(as_bytes(name)), crypto::keccak256(as_bytes(version)),
         eip712_word(chain_id), eip712_word(verifying_contract), salt});
}

Hash32 eip712_struct_hash(std::string_view type, const std::vector<Hash32>& words) {
    Bytes input;
    input.reserve(32 * (words.size() + 1));
    const Hash32 type_hash = crypto::keccak256(as_bytes(type));
    input.insert(input.end(), type_hash.bytes.begin(), type_hash.bytes.end());
    for (const Hash32& word : words) {
        input.insert(input.end(), word.bytes.begin(), word.bytes.end());
    }
    return crypto::keccak256(input);
}

Hash32 eip712_digest(const Hash32& domain_separator, const Hash32& struct_hash) {
    std::array<std::uint8_t, 66> input{0x19, 0x01};
    std::ranges::copy(domain_separator.bytes, input.begin() + 2);
    std::ranges::copy(struct_hash.bytes, input.begin() + 34);
    return crypto::keccak256(input);
}

Hash32 eip712_word(std::uint64_t number) {
    return to_word(U256{number});
}
Hash32 eip712_word(const U256& number) {
    return to_word(number);
}

Hash32 eip712_word(const Address& address) {
    Hash32 word;
    std::ranges::copy(address.bytes, word.bytes.begin() + 12);
    return word;
}

Hash32 eip712_word(bool flag) {
    return to_word(U256{flag ? 1U : 0U});
}

}  // namespace millrace::codec
