// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/tls.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace millrace::io {
namespace {

using KeyPointer = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertificatePointer = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr long certificate_bytes_max = 8 * 1024;

CertificatePointer self_signed(EVP_PKEY* key) {
    CertificatePointer certificate{X509_new(), X509_free};
    MILLRACE_ASSERT(certificate != nullptr);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    // The key is the identity and the registry says whether it counts: the dates mean nothing.
    ASN1_TIME_set_string(X509_getm_notBefore(certificate.get()), "20000101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), "99991231235959Z");
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("millrace node"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_set_pubkey(certificate.get(), key);
    MILLRACE_ASSERT(X509_sign(certificate.get(), key, nullptr) > 0);
    return certificate;
}

std::optional<Hash32> key_of(X509* certificate) {
    if (certificate == nullptr) return std::nullopt;
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) return std::nullopt;
    Hash32 result;
    std::size_t size = result.bytes.size();
    if (EVP_PKEY_get_raw_public_key(key, result.bytes.data(), &size) != 1) return std::nullopt;
    return size == result.bytes.size() ? std::optional{result} : std::nullopt;
}

/// Instead of chain building: any certificate with an ed25519 key. That its owner holds the private
/// half is proven by the handshake's CertificateVerify.
int accept_ed25519(X509_STORE_CTX* store, void*) {
    if (key_of(X509_STORE_CTX_get0_cert(store))) return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

}  // namespace

TlsContext::TlsContext(const NodeKey& identity) : context_{SSL_CTX_new(TLS_method())} {
    MILLRACE_ASSERT(context_ != nullptr);
    const KeyPointer key{
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, identity.seed().data(),
                                     identity.seed().size()),
        EVP_PKEY_free};
    MILLRACE_ASSERT(key != nullptr);
    const CertificatePointer certificate = self_signed(key.get());
    bool ok = SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION) == 1;
    ok = ok && SSL_CTX_set_max_proto_version(context_, TLS1_3_VERSION) == 1;
    ok = ok && SSL_CTX_use_certificate(context_, certificate.get()) == 1;
    ok = ok && SSL_CTX_use_PrivateKey(context_, key.get()) == 1;
    ok = ok && SSL_CTX_set1_sigalgs_list(context_, "ed25519") == 1;
    ok = ok && SSL_CTX_set1_groups_list(context_, "X25519") == 1;
    ok = ok && SSL_CTX_set_num_tickets(context_, 0) == 1;
    MILLRACE_ASSERT(ok);
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(context_, 0);
    SSL_CTX_set_max_cert_list(context_, certificate_bytes_max);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context_, accept_ed25519, nullptr);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_RELEASE_BUFFERS);
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

ssl_st* TlsContext::new_session(int fd, bool inbound) const {
    SSL* session = SSL_new(context_);
    MILLRACE_ASSERT(session != nullptr);
    MILLRACE_ASSERT(SSL_set_fd(session, fd) == 1);
    if (inbound) {
        SSL_set_accept_state(session);
    } else {
        SSL_set_connect_state(session);
    }
    return session;
}

std::optional<Hash32> peer_key(ssl_st* session) {
    return key_of(SSL_get0_peer_certificate(session));
}

std::string tls_error_text() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    return reason != nullptr ? reason : "unknown error";
}

}  // namespace millrace::io
