// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "crypto/p256.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <memory>

#include "base/assert.hpp"

namespace millrace::crypto {
namespace {

/// The curve, its field and its order: made once, only read afterwards.
struct Curve {
    const EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM* prime = BN_new();
    const BIGNUM* order = nullptr;

    Curve() noexcept {
        MILLRACE_ASSERT(group != nullptr);
        MILLRACE_ASSERT(prime != nullptr);
        MILLRACE_ASSERT(EC_GROUP_get_curve(group, prime, nullptr, nullptr, nullptr) == 1);
        order = EC_GROUP_get0_order(group);
    }
};

const Curve& curve() noexcept {
    static const Curve shared;
    return shared;
}

/// Numbers that live until the check ends.
class Scratch {
  public:
    Scratch() : context_{BN_CTX_new()} {
        MILLRACE_ASSERT(context_ != nullptr);
        BN_CTX_start(context_);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        BN_CTX_end(context_);
        BN_CTX_free(context_);
    }
    [[nodiscard]] BN_CTX* context() const noexcept { return context_; }
    BIGNUM* number() noexcept {
        BIGNUM* const made = BN_CTX_get(context_);
        MILLRACE_ASSERT(made != nullptr);
        return made;
    }
    BIGNUM* number(const Hash32& word) noexcept {
        BIGNUM* const made = number();
        MILLRACE_ASSERT(BN_bin2bn(word.bytes.data(), 32, made) != nullptr);
        return made;
    }

  private:
    BN_CTX* context_;
};

struct PointFree {
    void operator()(EC_POINT* point) const noexcept { EC_POINT_free(point); }
};
using PointPtr = std::unique_ptr<EC_POINT, PointFree>;

bool is_scalar(const BIGNUM* number, const BIGNUM* order) noexcept {
    return !BN_is_zero(number) && BN_cmp(number, order) < 0;
}

}  // namespace

bool p256_verify(const P256Claim& claim) noexcept {
    const auto& [group, prime, order] = curve();
    Scratch scratch;
    BN_CTX* const context = scratch.context();
    const BIGNUM* const r = scratch.number(claim.r);
    const BIGNUM* const s = scratch.number(claim.s);
    const BIGNUM* const x = scratch.number(claim.x);
    const BIGNUM* const y = scratch.number(claim.y);
    if (!is_scalar(r, order) || !is_scalar(s, order)) return false;
    if (BN_cmp(x, prime) >= 0 || BN_cmp(y, prime) >= 0) return false;

    const PointPtr key{EC_POINT_new(group)};
    const PointPtr sum{EC_POINT_new(group)};
    MILLRACE_ASSERT(key != nullptr);
    MILLRACE_ASSERT(sum != nullptr);
    // Refuses what is not on the curve; infinity has no such coordinates.
    ERR_set_mark();
    const bool is_point = EC_POINT_set_affine_coordinates(group, key.get(), x, y, context) == 1;
    ERR_pop_to_mark();
    if (!is_point) return false;

    BIGNUM* const inverse = scratch.number();
    BIGNUM* const generator_factor = scratch.number(claim.digest);
    BIGNUM* const key_factor = scratch.number();
    MILLRACE_ASSERT(BN_mod_inverse(inverse, s, order, context) != nullptr);
    MILLRACE_ASSERT(BN_mod_mul(generator_factor, generator_factor, inverse, order, context) == 1);
    MILLRACE_ASSERT(BN_mod_mul(key_factor, r, inverse, order, context) == 1);
    MILLRACE_ASSERT(
        EC_POINT_mul(group, sum.get(), generator_factor, key.get(), key_factor, context) == 1);
    if (EC_POINT_is_at_infinity(group, sum.get()) == 1) return false;
    BIGNUM* const found = scratch.number();
    MILLRACE_ASSERT(EC_POINT_get_affine_coordinates(group, sum.get(), found, nullptr, context) ==
                    1);
    MILLRACE_ASSERT(BN_nnmod(found, found, order, context) == 1);
    return BN_cmp(found, r) == 0;
}

}  // namespace millrace::crypto
