// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/node_key.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "io/entropy.hpp"
#include "io/files.hpp"

namespace millrace::io {
namespace {

struct KeyDeleter {
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct BioDeleter {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
using KeyPointer = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using BioPointer = std::unique_ptr<BIO, BioDeleter>;

/// OpenSSL would ask on the terminal otherwise.
int no_password(char*, int, int, void*) {
    return 0;
}

KeyPointer key_of_seed(ByteView seed) {
    KeyPointer key{
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size())};
    MILLRACE_ASSERT(key != nullptr);
    return key;
}

Outcome<NodeKey> load(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return Err{system_failure("cannot read the node key", path, errno)};
    }
    if ((status.st_mode & 077) != 0) {
        return Err{Failure{"others may read the node key", path, "chmod 600 it"}};
    }
    MILLRACE_TRY(Bytes pem, read_file(path, 16 * 1024));
    const BioPointer source{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    const KeyPointer key{PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr)};
    OPENSSL_cleanse(pem.data(), pem.size());
    std::array<std::uint8_t, 32> seed{};
    std::size_t size = seed.size();
    if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_private_key(key.get(), seed.data(), &size) != 1 || size != seed.size()) {
        return Err{Failure{"the file holds no ed25519 private key", path,
                           "restore it from a backup, or move it away to get a new identity"}};
    }
    const NodeKey result = NodeKey::from_seed(seed);
    OPENSSL_cleanse(seed.data(), seed.size());
    return result;
}

}  // namespace

NodeKey NodeKey::generate() {
    std::array<std::uint8_t, 32> seed{};
    fill_random(seed);
    NodeKey result = from_seed(seed);
    OPENSSL_cleanse(seed.data(), seed.size());
    return result;
}

NodeKey NodeKey::from_seed(const std::array<std::uint8_t, 32>& seed) {
    NodeKey result;
    result.seed_ = seed;
    std::size_t size = Hash32::size;
    const bool ok = EVP_PKEY_get_raw_public_key(key_of_seed(seed).get(),
                                                result.public_key_.bytes.data(), &size) == 1;
    MILLRACE_ASSERT(ok);
    return result;
}

Outcome<NodeKey> NodeKey::load_or_create(const std::string& path) {
    if (file_exists(path)) return load(path);
    NodeKey created = generate();
    const BioPointer target{BIO_new(BIO_s_secmem())};
    const bool written = PEM_write_bio_PrivateKey(target.get(), key_of_seed(created.seed()).get(),
                                                  nullptr, nullptr, 0, nullptr, nullptr) == 1;
    MILLRACE_ASSERT(written);
    char* text = nullptr;
    const long size = BIO_get_mem_data(target.get(), &text);
    MILLRACE_TRY_VOID(
        atomic_write_file(path, as_bytes({text, static_cast<std::size_t>(size)}), 0600));
    return created;
}

NodeKey::NodeKey(const NodeKey&) noexcept = default;
NodeKey& NodeKey::operator=(const NodeKey&) noexcept = default;
NodeKey::~NodeKey() {
    OPENSSL_cleanse(seed_.data(), seed_.size());
}

}  // namespace millrace::io
