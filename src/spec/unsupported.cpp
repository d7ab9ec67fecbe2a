// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "spec/unsupported.hpp"

namespace millrace::spec {

std::string MissingPrecompile::name_of(const Address& address) {
    switch (address.bytes[19]) {
        case 0x06:
            return "bn254 add 0x06";
        case 0x07:
            return "bn254 mul 0x07";
        case 0x08:
            return "bn254 pairing 0x08";
        case 0x0a:
            return "KZG point evaluation 0x0a";
        case 0x0b:
            return "BLS12-381 G1 add 0x0b";
        case 0x0c:
            return "BLS12-381 G1 multiplication 0x0c";
        case 0x0d:
            return "BLS12-381 G2 add 0x0d";
        case 0x0e:
            return "BLS12-381 G2 multiplication 0x0e";
        case 0x0f:
            return "BLS12-381 pairing 0x0f";
        case 0x10:
            return "BLS12-381 map to G1 0x10";
        case 0x11:
            return "BLS12-381 map to G2 0x11";
        default:
            return "precompiled contract " + to_hex0x(address.view());
    }
}

}  // namespace millrace::spec
