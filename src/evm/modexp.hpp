// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include "evm/precompiles.hpp"

namespace millrace::evm {

/// Precompile 05, base^exponent mod modulus for numbers of any length: EIP-198, with the prices of
/// EIP-2565 from berlin and of EIP-7883 from osaka, where lengths end at 1,024 bytes (EIP-7823).
/// Lengths are claims of the caller: nothing is allocated before their price is paid, and then only
/// for what the input holds and for the output. A modulus above 16 MiB costs more gas than a block
/// can hold (10^11 by the cheapest rules) and is answered as out of gas.
PrecompileResult run_modexp(Revision revision, ByteView input, std::int64_t gas);

}  // namespace millrace::evm
