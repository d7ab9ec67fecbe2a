// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/precompiles.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace millrace::evm {
namespace {

using Status = PrecompileResult::Status;
constexpr std::int64_t plenty = 100'000'000;

Address at(unsigned number) {
    Address address;
    address.bytes[18] = static_cast<std::uint8_t>(number >> 8);
    address.bytes[19] = static_cast<std::uint8_t>(number & 0xff);
    return address;
}

/// Digits with spaces between them for reading.
Bytes hex(std::string text) {
    std::erase(text, ' ');
    return *from_hex(text);
}

std::string word(std::uint64_t number) {
    return to_hex(to_word(U256{number}).view());
}

PrecompileResult run(unsigned number, const Bytes& input, std::int64_t gas = plenty,
                     Revision revision = Revision::osaka) {
    return run_precompile(revision, at(number), input, gas);
}

std::string output(unsigned number, const Bytes& input) {
    const PrecompileResult result = run(number, input);
    EXPECT_EQ(result.status, Status::success);
    return to_hex(result.output);
}

/// The gas that is just enough.
std::int64_t cost(unsigned number, const Bytes& input, Revision revision) {
    const PrecompileResult result =
        run(number, input, std::numeric_limits<std::int64_t>::max(), revision);
    EXPECT_EQ(result.status, Status::success);
    const std::int64_t price = std::numeric_limits<std::int64_t>::max() - result.gas_left;
    if (price > 0) {
        EXPECT_EQ(run(number, input, price - 1, revision).status, Status::out_of_gas);
    }
    return price;
}

TEST(Precompiles, come_with_their_upgrades) {
    EXPECT_EQ(precompile_addresses(Revision::frontier).size(), 4U);
    EXPECT_EQ(precompile_addresses(Revision::spurious_dragon).size(), 4U);
    EXPECT_EQ(precompile_addresses(Revision::byzantium).size(), 8U);
    EXPECT_EQ(precompile_addresses(Revision::istanbul).size(), 9U);
    EXPECT_EQ(precompile_addresses(Revision::cancun).size(), 10U);
    EXPECT_EQ(precompile_addresses(Revision::prague).size(), 17U);
    EXPECT_EQ(precompile_addresses(Revision::osaka).size(), 18U);
    for (std::size_t index = 0; index < revision_count; ++index) {
        const auto revision = static_cast<Revision>(index);
        const auto listed = precompile_addresses(revision);
        EXPECT_TRUE(std::ranges::is_sorted(listed));
        for (unsigned number = 0; number <= 0x200; ++number) {
            EXPECT_EQ(is_precompile(revision, at(number)),
                      std::ranges::find(listed, at(number)) != listed.end());
        }
        Address far = at(1);
        far.bytes[0] = 1;
        EXPECT_FALSE(is_precompile(revision, far));
    }
}

TEST(Precompiles, those_this_build_lacks_say_so) {
    EXPECT_EQ(run(0x0a, {}).status, Status::not_supported);
    EXPECT_EQ(run(0x0b, {}).status, Status::not_supported);
}

TEST(Precompiles, ecrecover_answers_with_nothing_when_there_is_no_signer) {
    const std::string hash = "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c";
    const std::string r = "73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f";
    const std::string s = "eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549";
    const std::string signer = std::string(24, '0') + "a94f5374fce5edbc8e2a8697c15331677e6ebf0b";
    // s is in the upper half: EIP-2 binds transactions, not this contract.
    EXPECT_EQ(output(1, hex(hash + word(28) + r + s)), signer);
    EXPECT_EQ(output(1, hex(hash + word(28) + r + s + "ff")), signer);
    EXPECT_EQ(output(1, hex(hash + word(29) + r + s)), "");
    EXPECT_EQ(output(1, hex(hash + word(256 + 28) + r + s)), "");
    EXPECT_EQ(output(1, hex(hash + word(28) + r + word(0))), "");
    EXPECT_EQ(output(1, hex(hash + word(28) + word(0) + s)), "");
    EXPECT_EQ(output(1, hex(hash + word(28) + std::string(64, 'f') + s)), "");
    EXPECT_EQ(output(1, hex(hash + word(28) + r)), "");
    EXPECT_EQ(output(1, {}), "");
    EXPECT_EQ(cost(1, {}, Revision::frontier), 3000);
}

TEST(Precompiles, hashes_and_identity_are_paid_by_the_word) {
    const Bytes abc = to_bytes(as_bytes("abc"));
    EXPECT_EQ(output(2, abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(output(3, abc), std::string(24, '0') + "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    EXPECT_EQ(output(3, {}), std::string(24, '0') + "9c1185a5c5e9fc54612808977ee8f548b2258d31");
    EXPECT_EQ(output(4, abc), "616263");
    for (const std::size_t size : {0U, 1U, 32U, 33U}) {
        const Bytes input(size, 7);
        const auto words = static_cast<std::int64_t>((size + 31) / 32);
        EXPECT_EQ(cost(2, input, Revision::frontier), 60 + 12 * words);
        EXPECT_EQ(cost(3, input, Revision::frontier), 600 + 120 * words);
        EXPECT_EQ(cost(4, input, Revision::frontier), 15 + 3 * words);
    }
}

// EIP-198's examples, by Fermat's little theorem over secp256k1's prime.
TEST(Precompiles, modexp_by_the_eip) {
    const std::string less_one = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2e";
    const std::string prime = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";
    const Bytes first = hex(word(1) + word(32) + word(32) + "03" + less_one + prime);
    EXPECT_EQ(output(5, first), word(1));
    EXPECT_EQ(cost(5, first, Revision::byzantium), 13'056);
    EXPECT_EQ(cost(5, first, Revision::berlin), 1360);
    EXPECT_EQ(cost(5, first, Revision::osaka), 4080);
    const Bytes second = hex(word(0) + word(32) + word(32) + less_one + prime);
    EXPECT_EQ(output(5, second), word(0));
    EXPECT_EQ(cost(5, second, Revision::byzantium), 13'056);
    EXPECT_EQ(cost(5, second, Revision::berlin), 1360);
    // 3^0xffff mod 2^255, once with the modulus' zeros left out.
    const std::string long_modulus = word(1) + word(2) + word(32) + "03 ffff 80";
    EXPECT_EQ(output(5, hex(long_modulus)), output(5, hex(long_modulus + std::string(62, '0'))));
    EXPECT_EQ(output(5, hex(long_modulus)),
              "3b01b01ac41f2d6e917c6d6a221ce793802469026d9ab7578fa2e79e4da6aaab");
}

TEST(Precompiles, modexp_at_its_edges) {
    EXPECT_EQ(output(5, {}), "");
    EXPECT_EQ(output(5, hex(word(1) + word(1) + word(0) + "03 05")), "");
    EXPECT_EQ(output(5, hex(word(1) + word(1) + word(2) + "03 05 0000")), "0000");
    EXPECT_EQ(output(5, hex(word(1) + word(1) + word(2) + "03 05 0001")), "0000");
    EXPECT_EQ(output(5, hex(word(0) + word(0) + word(1) + "07")), "01") << "0^0 is 1";
    EXPECT_EQ(output(5, hex(word(1) + word(1) + word(1) + "05 02 08")), "01") << "even modulus";
    EXPECT_EQ(output(5, hex(word(2) + word(1) + word(1) + "01")), "00") << "no modulus";
    EXPECT_EQ(cost(5, {}, Revision::byzantium), 0);
    EXPECT_EQ(cost(5, {}, Revision::berlin), 200);
    EXPECT_EQ(cost(5, {}, Revision::osaka), 500);
}

TEST(Precompiles, modexp_never_allocates_for_a_length_that_is_not_paid) {
    const std::string huge(64, 'f');
    const std::string half = "80" + std::string(62, '0');
    const std::string wide = std::string(47, '0') + "1" + std::string(16, '0');  // 2^64
    for (const Revision revision : {Revision::byzantium, Revision::berlin}) {
        for (const std::string& size : {huge, half, wide, word(~std::uint64_t{0})}) {
            constexpr auto all = std::numeric_limits<std::int64_t>::max();
            const auto status = [&](const std::string& header) {
                return run(5, hex(header), all, revision).status;
            };
            EXPECT_EQ(status(size + word(1) + word(1)), Status::out_of_gas);
            EXPECT_EQ(status(word(1) + word(1) + size), Status::out_of_gas);
            EXPECT_EQ(status(size + size + size), Status::out_of_gas);
            // Nothing to multiply: the exponent's length costs nothing, as the EIP has it.
            EXPECT_EQ(status(word(0) + size + word(0)), Status::success);
        }
        EXPECT_EQ(run(5, hex(word(1) + huge + word(1)), plenty, revision).status,
                  Status::out_of_gas);
    }
}

TEST(Precompiles, modexp_reads_zeros_where_the_input_ends) {
    const std::string sizes = word(2) + word(2) + word(2);
    const auto at_berlin = [](const Bytes& input) {
        return run(5, input, plenty, Revision::berlin).output;
    };
    const Bytes whole = hex(sizes + "1234 0102 fb00");
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        Bytes cut = to_bytes(ByteView{whole}.first(size));
        const Bytes result = at_berlin(cut);
        cut.resize(whole.size(), 0);
        EXPECT_EQ(result, at_berlin(cut)) << size;
    }
}

TEST(Precompiles, modexp_is_bounded_from_osaka) {
    for (const int index : {0, 1, 2}) {
        std::string sizes[3] = {word(1), word(1), word(1)};
        sizes[index] = word(1024);
        EXPECT_EQ(run(5, hex(sizes[0] + sizes[1] + sizes[2])).status, Status::success);
        sizes[index] = word(1025);
        const Bytes input = hex(sizes[0] + sizes[1] + sizes[2]);
        EXPECT_EQ(run(5, input).status, Status::failed);
        EXPECT_EQ(run(5, input, plenty, Revision::prague).status, Status::success);
    }
}

// EIP-152, test vectors 0 to 8.
TEST(Precompiles, blake2f_by_the_eip) {
    const std::string state =
        "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
        "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b";
    const std::string message = "616263" + std::string(250, '0');
    const std::string offset = "0300000000000000 0000000000000000";
    const auto input = [&](const std::string& rounds, const std::string& flag) {
        return hex(rounds + state + message + offset + flag);
    };
    EXPECT_EQ(output(9, input("0000000c", "01")),
              "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
              "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    EXPECT_EQ(output(9, input("0000000c", "00")),
              "75ab69d3190a562c51aef8d88f1c2775876944407270c42c9844252c26d28752"
              "98743e7f6d5ea2f2d3e8d226039cd31b4e426ac4f2d3d666a610c2116fde4735");
    EXPECT_EQ(output(9, input("00000001", "01")),
              "b63a380cb2897d521994a85234ee2c181b5f844d2c624c002677e9703449d2fb"
              "a551b3a8333bcdf5f2f7e08993d53923de3d64fcc68c034e717b9293fed7a421");
    EXPECT_EQ(output(9, input("00000000", "01")),
              "08c9bcf367e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
              "d282e6ad7f520e511f6c3e2b8c68059b9442be0454267ce079217e1319cde05b");
    EXPECT_EQ(cost(9, input("0000000c", "01"), Revision::istanbul), 12);
    EXPECT_EQ(cost(9, input("00000000", "01"), Revision::istanbul), 0);
    EXPECT_EQ(run(9, input("ffffffff", "01")).status, Status::out_of_gas);
    EXPECT_EQ(run(9, {}).status, Status::failed);
    EXPECT_EQ(run(9, input("00000c", "01")).status, Status::failed);
    EXPECT_EQ(run(9, input("000000000c", "01")).status, Status::failed);
    EXPECT_EQ(run(9, input("0000000c", "02")).status, Status::failed);
}

// EIP-7951: whatever is wrong is answered with nothing, and costs the same.
TEST(Precompiles, p256_verification_never_fails) {
    const std::string claim =
        "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
        "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
        "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
        "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
        "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e";
    EXPECT_EQ(output(0x100, hex(claim)), word(1));
    EXPECT_EQ(cost(0x100, hex(claim), Revision::osaka), 6900);
    EXPECT_EQ(cost(0x100, {}, Revision::osaka), 6900);
    EXPECT_EQ(output(0x100, hex(claim + "00")), "");
    EXPECT_EQ(output(0x100, hex(claim.substr(2))), "");
    EXPECT_EQ(output(0x100, Bytes(160, 0)), "");
    EXPECT_EQ(output(0x100, Bytes(160, 0xff)), "");
    EXPECT_EQ(output(0x100, hex(claim.substr(0, 192) + std::string(128, '0'))), "");
}

}  // namespace
}  // namespace millrace::evm
