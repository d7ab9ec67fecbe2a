// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// The first byte chooses the contract, the second the rules, the rest is the input: any input is
// answered, never with more gas than was given, always for the same price, and not for one less.
// Powers of one word are held against plain multiplication.

#include "base/assert.hpp"
#include "evm/precompiles.hpp"

namespace {

using namespace millrace;
using namespace millrace::evm;
using Status = PrecompileResult::Status;

/// base^exponent mod modulus, for three words in the form of the contract's input.
void check_power(ByteView words, Revision revision) {
    Bytes input(96, 0);
    input[31] = input[63] = input[95] = 32;
    input.insert(input.end(), words.begin(), words.begin() + 96);
    Address address;
    address.bytes[19] = 5;
    const PrecompileResult result = run_precompile(revision, address, input, 1'000'000);
    MILLRACE_ASSERT(result.status == Status::success);
    const U256 modulus = load_word(words.data() + 64);
    const U256 exponent = load_word(words.data() + 32);
    U256 power = mod_or_zero(U256{1}, modulus);
    for (unsigned bit = bit_length(exponent); bit-- > 0;) {
        power = mul_mod(power, power, modulus);
        if (((exponent.words[bit / 64] >> (bit % 64)) & 1) != 0) {
            power = mul_mod(power, load_word(words.data()), modulus);
        }
    }
    MILLRACE_ASSERT(u256_from_big_endian(result.output) == power);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto revision = static_cast<Revision>(data[1] % revision_count);
    const auto addresses = precompile_addresses(revision);
    const Address& address = addresses[data[0] % addresses.size()];
    const ByteView input{data + 2, size - 2};
    constexpr std::int64_t gas = 300'000;
    const PrecompileResult result = run_precompile(revision, address, input, gas);
    MILLRACE_ASSERT(result.gas_left >= 0);
    MILLRACE_ASSERT(result.gas_left <= gas);
    if (result.status != Status::success) {
        MILLRACE_ASSERT(result.gas_left == 0);
        MILLRACE_ASSERT(result.output.empty());
    } else {
        const std::int64_t price = gas - result.gas_left;
        const PrecompileResult again = run_precompile(revision, address, input, price);
        MILLRACE_ASSERT(again.status == Status::success);
        MILLRACE_ASSERT(again.output == result.output);
        MILLRACE_ASSERT(price == 0 || run_precompile(revision, address, input, price - 1).status ==
                                          Status::out_of_gas);
    }
    if (input.size() >= 96) {
        check_power(input, revision < Revision::byzantium ? Revision::byzantium : revision);
    }
    return 0;
}
