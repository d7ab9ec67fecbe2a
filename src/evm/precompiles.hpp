// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/u256.hpp"
#include "evm/revision.hpp"

namespace millrace::evm {

struct PrecompileResult {
    enum class Status : std::uint8_t { success, out_of_gas, failed, not_supported };
    Status status = Status::success;
    std::int64_t gas_left = 0;
    Bytes output;
};

/// Whether the rules of `revision` have a precompiled contract there: 01-04 from frontier, 05-08
/// from byzantium, 09 from istanbul, 0a from cancun, 0b-11 from prague, 0x100 from osaka.
bool is_precompile(Revision revision, const Address& address) noexcept;

/// All addresses for which is_precompile() holds, ascending; they begin warm (EIP-2929).
std::span<const Address> precompile_addresses(Revision revision) noexcept;

/// The address must be one. gas ≥ 0. not_supported: the rules have it, this build does not yet
/// (0a, 0b-11).
PrecompileResult run_precompile(Revision revision, const Address& address, ByteView input,
                                std::int64_t gas);

}  // namespace millrace::evm
