// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "codec/abi.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "codec/abi_type.hpp"
#include "crypto/hash.hpp"

namespace millrace::codec {
namespace {

constexpr std::size_t word_size = 32;

U256 ones(std::size_t bits) noexcept {
    U256 mask;
    for (std::size_t index = 0; index < 4; ++index) {
        const std::size_t first = index * 64;
        if (bits >= first + 64) {
            mask.words[index] = ~std::uint64_t{0};
        } else if (bits > first) {
            mask.words[index] = (std::uint64_t{1} << (bits - first)) - 1;
        }
    }
    return mask;
}

/// The word is in the range of its type and has no stray bits.
bool fits(const AbiType& type, const U256& word) noexcept {
    switch (type.kind) {
        case AbiKind::unsigned_integer:
        case AbiKind::address:
        case AbiKind::boolean:
            return word <= ones(type.width);
        case AbiKind::signed_integer: {
            const U256 largest = ones(type.width - 1);
            // Negative: at least 2^256 - 2^(width-1), which is the complement of `largest`.
            return word <= largest || word >= wrapping_sub(ones(256), largest);
        }
        case AbiKind::fixed_bytes: {
            const U256 padding = ones(256 - 8 * type.width);
            for (std::size_t index = 0; index < 4; ++index) {
                if ((word.words[index] & padding.words[index]) != 0) return false;
            }
            return true;
        }
        case AbiKind::bytes:
        case AbiKind::text:
        case AbiKind::list:
        case AbiKind::tuple:
            break;
    }
    return false;
}

void append_word(Bytes& out, const U256& word) {
    const Hash32 bytes = to_word(word);
    out.insert(out.end(), bytes.bytes.begin(), bytes.bytes.end());
}

class Encoder {
  public:
    /// Heads and tails of `count` values; type_at gives the type of each.
    template <typename TypeAt>
    Result<void, AbiError> sequence(const AbiList& values, Bytes& out, TypeAt type_at) {
        std::size_t head_size = 0;
        for (std::size_t index = 0; index < values.size(); ++index) {
            head_size += word_size * type_at(index).head_words;
        }
        Bytes tails;
        for (std::size_t index = 0; index < values.size(); ++index) {
            const AbiType& type = type_at(index);
            if (type.dynamic) {
                append_word(out, U256{head_size + tails.size()});
                MILLRACE_TRY_VOID(value(type, values[index], tails));
            } else {
                MILLRACE_TRY_VOID(value(type, values[index], out));
            }
        }
        out.insert(out.end(), tails.begin(), tails.end());
        return {};
    }

    Result<void, AbiError> value(const AbiType& type, const AbiValue& value, Bytes& out) {
        if (type.kind == AbiKind::tuple || type.kind == AbiKind::list) {
            const AbiList* const list = std::get_if<AbiList>(&value.data);
            if (list == nullptr) return Err{AbiError::wrong_value};
            if (type.kind == AbiKind::tuple) return tuple(type, *list, out);
            if (!type.length) {
                append_word(out, U256{list->size()});
            } else if (*type.length != list->size()) {
                return Err{AbiError::wrong_value};
            }
            return sequence(*list, out,
                            [&type](std::size_t) -> const AbiType& { return type.parts[0]; });
        }
        if (type.kind == AbiKind::bytes || type.kind == AbiKind::text) {
            const Bytes* const content = std::get_if<Bytes>(&value.data);
            if (content == nullptr) return Err{AbiError::wrong_value};
            append_word(out, U256{content->size()});
            out.insert(out.end(), content->begin(), content->end());
            out.resize(out.size() + (word_size - content->size() % word_size) % word_size);
            return {};
        }
        const U256* const word = std::get_if<U256>(&value.data);
        if (word == nullptr) return Err{AbiError::wrong_value};
        if (!fits(type, *word)) return Err{AbiError::out_of_range};
        append_word(out, *word);
        return {};
    }

    Result<void, AbiError> tuple(const AbiType& type, const AbiList& values, Bytes& out) {
        if (values.size() != type.parts.size()) return Err{AbiError::wrong_value};
        return sequence(values, out,
                        [&type](std::size_t index) -> const AbiType& { return type.parts[index]; });
    }
};

/// Reads words inside the data. `budget_` is the number of bytes not yet paid for: an honest
/// encoding is read once, so overlapping parts that would multiply the work run out of it.
class Decoder {
  public:
    explicit Decoder(ByteView data) noexcept : data_{data}, budget_{data.size()} {}

    template <typename TypeAt>
    Result<AbiList, AbiError> sequence(std::size_t count, std::size_t base, TypeAt type_at) {
        AbiList values;
        values.reserve(count);
        std::size_t head = base;
        for (std::size_t index = 0; index < count; ++index) {
            const AbiType& type = type_at(index);
            std::size_t position = head;
            if (type.dynamic) {
                MILLRACE_TRY(const U256 offset, word(head));
                if (!offset.fits_u64() || offset.words[0] > data_.size() - base) {
                    return Err{AbiError::bad_offset};
                }
                position = base + static_cast<std::size_t>(offset.words[0]);
            }
            MILLRACE_TRY(AbiValue value, this->value(type, position));
            values.push_back(std::move(value));
            head += word_size * type.head_words;
        }
        return values;
    }

    Result<AbiList, AbiError> tuple(const AbiType& type, std::size_t base) {
        return sequence(type.parts.size(), base,
                        [&type](std::size_t index) -> const AbiType& { return type.parts[index]; });
    }

  private:
    Result<AbiValue, AbiError> value(const AbiType& type, std::size_t position) {
        switch (type.kind) {
            case AbiKind::tuple: {
                MILLRACE_TRY(AbiList list, tuple(type, position));
                return AbiValue{std::move(list)};
            }
            case AbiKind::list:
                return list(type, position);
            case AbiKind::bytes:
            case AbiKind::text:
                return content(position);
            case AbiKind::unsigned_integer:
            case AbiKind::signed_integer:
            case AbiKind::address:
            case AbiKind::boolean:
            case AbiKind::fixed_bytes:
                break;
        }
        MILLRACE_TRY(const U256 number, word(position));
        if (!fits(type, number)) return Err{AbiError::out_of_range};
        return AbiValue{number};
    }

    Result<AbiValue, AbiError> list(const AbiType& type, std::size_t position) {
        std::size_t count = 0;
        if (type.length) {
            count = *type.length;
        } else {
            MILLRACE_TRY(const U256 length, word(position));
            position += word_size;
            // Every element has at least a word of head: more cannot be there.
            if (!length.fits_u64() || length.words[0] > (data_.size() - position) / word_size) {
                return Err{AbiError::truncated};
            }
            count = static_cast<std::size_t>(length.words[0]);
        }
        if (count * word_size > budget_) return Err{AbiError::truncated};
        MILLRACE_TRY(AbiList items,
                     sequence(count, position,
                              [&type](std::size_t) -> const AbiType& { return type.parts[0]; }));
        return AbiValue{std::move(items)};
    }

    Result<AbiValue, AbiError> content(std::size_t position) {
        MILLRACE_TRY(const U256 length, word(position));
        position += word_size;
        if (!length.fits_u64() || length.words[0] > data_.size() - position) {
            return Err{AbiError::truncated};
        }
        const auto size = static_cast<std::size_t>(length.words[0]);
        const std::size_t padded = size + (word_size - size % word_size) % word_size;
        if (padded > data_.size() - position) return Err{AbiError::truncated};
        if (padded > budget_) return Err{AbiError::bad_offset};
        budget_ -= padded;
        const ByteView padding = data_.subspan(position + size, padded - size);
        if (std::ranges::any_of(padding, [](std::uint8_t byte) { return byte != 0; })) {
            return Err{AbiError::out_of_range};
        }
        return AbiValue{to_bytes(data_.subspan(position, size))};
    }

    Result<U256, AbiError> word(std::size_t position) {
        if (position > data_.size() || data_.size() - position < word_size) {
            return Err{AbiError::truncated};
        }
        if (budget_ < word_size) return Err{AbiError::bad_offset};
        budget_ -= word_size;
        return *u256_from_big_endian(data_.subspan(position, word_size));
    }

    ByteView data_;
    std::size_t budget_;
};

}  // namespace

AbiValue AbiValue::address(const Address& address) {
    return {*u256_from_big_endian(address.view())};
}

const U256& AbiValue::as_number() const {
    const U256* const number = std::get_if<U256>(&data);
    MILLRACE_ASSERT(number != nullptr);
    return *number;
}

Hash32 AbiValue::as_word() const {
    return to_word(as_number());
}

Address AbiValue::as_address() const {
    return *Address::from(as_word().view().subspan(12));
}

const Bytes& AbiValue::as_bytes_value() const {
    const Bytes* const content = std::get_if<Bytes>(&data);
    MILLRACE_ASSERT(content != nullptr);
    return *content;
}

std::string AbiValue::as_text_value() const {
    return std::string{as_text(as_bytes_value())};
}

const AbiList& AbiValue::as_list() const {
    const AbiList* const list = std::get_if<AbiList>(&data);
    MILLRACE_ASSERT(list != nullptr);
    return *list;
}

Result<Bytes, AbiError> abi_encode(std::string_view types, const AbiList& values) {
    const auto type = parse_abi_types(types);
    if (!type) return Err{AbiError::bad_type};
    Bytes out;
    MILLRACE_TRY_VOID(Encoder{}.tuple(*type, values, out));
    return out;
}

Result<AbiList, AbiError> abi_decode(std::string_view types, ByteView data) {
    const auto type = parse_abi_types(types);
    if (!type) return Err{AbiError::bad_type};
    return Decoder{data}.tuple(*type, 0);
}

std::array<std::uint8_t, 4> abi_selector(std::string_view signature) {
    const Hash32 hash = crypto::keccak256(as_bytes(signature));
    return {hash.bytes[0], hash.bytes[1], hash.bytes[2], hash.bytes[3]};
}

Result<Bytes, AbiError> abi_call(std::string_view signature, const AbiList& arguments) {
    const std::size_t open = signature.find('(');
    if (open == std::string_view::npos || open == 0) return Err{AbiError::bad_type};
    MILLRACE_TRY(const Bytes encoded, abi_encode(signature.substr(open), arguments));
    const auto selector = abi_selector(signature);
    Bytes call{selector.begin(), selector.end()};
    call.insert(call.end(), encoded.begin(), encoded.end());
    return call;
}

Hash32 abi_topic(std::string_view signature) {
    return crypto::keccak256(as_bytes(signature));
}

}  // namespace millrace::codec
