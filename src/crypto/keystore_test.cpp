// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/keystore.hpp"

#include <gtest/gtest.h>

namespace millrace::crypto {
namespace {

// Web3 Secret Storage Definition, the two published test vectors.
constexpr const char* published_pbkdf2 = R"({
    "crypto" : {
        "cipher" : "aes-128-ctr",
        "cipherparams" : { "iv" : "6087dab2f9fdbbfaddc31a909735c1e6" },
        "ciphertext" : "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf" : "pbkdf2",
        "kdfparams" : {
            "c" : 262144, "dklen" : 32, "prf" : "hmac-sha256",
            "salt" : "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
        },
        "mac" : "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
    },
    "id" : "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version" : 3
})";
constexpr const char* published_scrypt = R"({
    "crypto" : {
        "cipher" : "aes-128-ctr",
        "cipherparams" : { "iv" : "83dbcc02d8ccb40e466191a123791e0e" },
        "ciphertext" : "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf" : "scrypt",
        "kdfparams" : {
            "dklen" : 32, "n" : 262144, "r" : 1, "p" : 8,
            "salt" : "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
        },
        "mac" : "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
    },
    "id" : "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version" : 3
})";
constexpr const char* published_key =
    "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

/// n = 2: only for tests that try many.
constexpr ScryptCost trifling{.n = 2, .r = 1, .p = 1};
const SecretKey key = *SecretKey::from(Bytes(32, 0x46));

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t position = text.find(from);
    EXPECT_NE(position, std::string::npos) << from;
    return text.replace(position, from.size(), to);
}

KeystoreError error_of(const std::string& text) {
    const auto result = decrypt_keystore(text, "secret");
    EXPECT_FALSE(result.has_value());
    return result.error();
}

TEST(Keystore, published_vectors_open) {
    for (const char* text : {published_pbkdf2, published_scrypt}) {
        const auto opened = decrypt_keystore(text, "testpassword");
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(to_hex(opened->bytes()), published_key);
        const auto refused = decrypt_keystore(text, "testpasswore");
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error(), KeystoreError::wrong_password);
    }
}

TEST(Keystore, what_we_write_we_open) {
    for (const ScryptCost cost : {trifling, scrypt_light}) {
        const std::string text = encrypt_keystore(key, "p\xc3\xa4ss \"word\"", cost, {});
        const auto opened = decrypt_keystore(text, "p\xc3\xa4ss \"word\"");
        ASSERT_TRUE(opened.has_value());
        EXPECT_EQ(to_hex(opened->bytes()), to_hex(key.bytes()));
    }
}

TEST(Keystore, holds_a_version_4_uuid_and_no_secret) {
    const std::string text = encrypt_keystore(key, "secret", trifling, {});
    EXPECT_NE(text.find("\"id\":\"00000000-0000-4000-8000-000000000000\""), std::string::npos);
    EXPECT_EQ(text.find("46464646"), std::string::npos);
    EXPECT_EQ(text.find("secret"), std::string::npos);
}

TEST(Keystore, every_truncation_is_refused) {
    const std::string text = encrypt_keystore(key, "secret", trifling, {});
    for (std::size_t size = 0; size + 2 < text.size(); ++size) {
        EXPECT_EQ(error_of(text.substr(0, size)), KeystoreError::malformed) << size;
    }
    EXPECT_EQ(error_of(std::string(100'000, ' ')), KeystoreError::malformed);
    EXPECT_EQ(error_of(std::string(60'000, '[')), KeystoreError::malformed);
}

TEST(Keystore, changed_parts_are_named_by_their_error) {
    const std::string text = encrypt_keystore(key, "secret", trifling, {});
    EXPECT_EQ(error_of(replaced(text, "\"version\":3", "\"version\":4")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "aes-128-ctr", "aes-128-cbc")), KeystoreError::unsupported);
    EXPECT_EQ(error_of(replaced(text, "\"scrypt\"", "\"argon2\"")), KeystoreError::unsupported);
    EXPECT_EQ(error_of(replaced(text, "\"dklen\":32", "\"dklen\":64")), KeystoreError::unsupported);
    EXPECT_EQ(error_of(replaced(text, "\"n\":2", "\"n\":3")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"n\":2", "\"n\":-2")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"n\":2", "\"n\":1e3")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"r\":1", "\"r\":0")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"mac\":\"", "\"mac\":\"00")), KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"mac\":\"", "\"mac\":7,\"x\":\"")),
              KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"address\":\"9d", "\"address\":\"9e")),
              KeystoreError::malformed);
    EXPECT_EQ(error_of(replaced(text, "\"iv\":\"00", "\"iv\":\"01")), KeystoreError::malformed)
        << "the key decrypts to another address";
}

TEST(Keystore, costly_files_are_refused_before_the_work) {
    const std::string text = encrypt_keystore(key, "secret", trifling, {});
    EXPECT_EQ(error_of(replaced(text, "\"n\":2", "\"n\":33554432")),
              KeystoreError::parameters_large);
    EXPECT_EQ(error_of(replaced(text, "\"n\":2,\"p\":1,\"r\":1", "\"n\":1048576,\"p\":1,\"r\":16")),
              KeystoreError::parameters_large);
    EXPECT_EQ(error_of(replaced(text, "\"p\":1", "\"p\":18446744073709551615")),
              KeystoreError::parameters_large);
    const std::string slow = replaced(published_pbkdf2, "262144", "999999999");
    EXPECT_EQ(error_of(slow), KeystoreError::parameters_large);
    const auto limited = decrypt_keystore(published_scrypt, "testpassword",
                                          {.memory_max = 1024, .rounds_max = 1024});
    ASSERT_FALSE(limited.has_value());
    EXPECT_EQ(limited.error(), KeystoreError::parameters_large);
}

}  // namespace
}  // namespace millrace::crypto
