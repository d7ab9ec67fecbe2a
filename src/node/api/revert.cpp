// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "node/api/revert.hpp"

#include <algorithm>

#include "codec/abi.hpp"

namespace millrace::node {
namespace {

/// The length of the well-formed character at the front (Unicode, table 3-7); 0: there is none.
std::size_t character_size(std::string_view text) {
    const auto byte = [&](std::size_t index) {
        return index < text.size() ? static_cast<std::uint8_t>(text[index]) : std::uint8_t{0};
    };
    const auto follows = [&](std::size_t index) { return (byte(index) & 0xc0) == 0x80; };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0 && byte(1) < 0xa0) return 0;
        if (first == 0xed && byte(1) > 0x9f) return 0;  // surrogates
        return follows(1) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) > 0x8f) return 0;
        return follows(1) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t size = character_size(text);
        if (size == 0)
            out += "\xef\xbf\xbd";  // U+FFFD
        else
            out += text.substr(0, size);
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

/// Solidity's codes in geth's words.
std::string panic_text(const U256& code) {
    switch (code.fits_u64() ? code.words[0] : ~std::uint64_t{0}) {
        case 0x00:
            return "generic panic";
        case 0x01:
            return "assert(false)";
        case 0x11:
            return "arithmetic underflow or overflow";
        case 0x12:
            return "division or modulo by zero";
        case 0x21:
            return "enum overflow";
        case 0x22:
            return "invalid encoded storage byte array accessed";
        case 0x31:
            return "out-of-bounds array access; popping on an empty array";
        case 0x32:
            return "out-of-bounds access of an array or bytesN";
        case 0x41:
            return "out of memory";
        case 0x51:
            return "uninitialized function";
        default:
            return "unknown panic code: " + to_rpc_quantity(code);
    }
}

std::optional<std::string> reason_of(ByteView data) {
    constexpr std::size_t selector_size = 4;
    if (data.size() < selector_size) return std::nullopt;
    const ByteView arguments = data.subspan(selector_size);
    const auto is = [&](std::string_view signature) {
        return std::ranges::equal(data.first(selector_size), codec::abi_selector(signature));
    };
    if (is("Error(string)")) {
        const auto values = codec::abi_decode("(string)", arguments);
        if (values) return valid_utf8(values->at(0).as_text_value());
    } else if (is("Panic(uint256)")) {
        const auto values = codec::abi_decode("(uint256)", arguments);
        if (values) return panic_text(values->at(0).as_number());
    }
    return std::nullopt;
}

}  // namespace

RpcError revert_error(ByteView data) {
    RpcError error{RpcError::reverted, "execution reverted", data_text(data)};
    if (const auto reason = reason_of(data)) error.message += ": " + *reason;
    return error;
}

std::string_view status_text(evm::Status status) noexcept {
    switch (status) {
        case evm::Status::revert:
            return "execution reverted";
        case evm::Status::out_of_gas:
            return "out of gas";
        case evm::Status::undefined_instruction:
            return "invalid opcode";
        case evm::Status::invalid_instruction:
            return "invalid opcode: INVALID";
        case evm::Status::stack_underflow:
            return "stack underflow";
        case evm::Status::stack_overflow:
            return "stack limit reached 1024";
        case evm::Status::bad_jump:
            return "invalid jump destination";
        case evm::Status::return_data_out_of_bounds:
            return "return data out of bounds";
        case evm::Status::static_violation:
            return "write protection";
        case evm::Status::depth_exceeded:
            return "max call depth exceeded";
        case evm::Status::insufficient_balance:
            return "insufficient balance for transfer";
        case evm::Status::nonce_overflow:
            return "nonce uint64 overflow";
        case evm::Status::address_collision:
            return "contract address collision";
        case evm::Status::code_size_exceeded:
            return "max code size exceeded";
        case evm::Status::init_size_exceeded:
            return "max initcode size exceeded";
        case evm::Status::invalid_code_prefix:
            return "invalid code: must not begin with 0xef";
        case evm::Status::success:
        case evm::Status::precompile_failed:
        case evm::Status::not_supported:
            break;
    }
    return evm::to_text(status);
}

}  // namespace millrace::node
