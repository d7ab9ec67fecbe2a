// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "base/prng.hpp"
#include "wasm/naive_lanes.hpp"
#include "wasm/sample_world.hpp"
#include "wasm/simd_ops.hpp"

namespace millrace::wasm {
namespace {

using enum ValueType;
using twin::Lanes;
using twin::NaiveLanes;

struct Named {
    std::uint32_t code;
    std::string_view name;
};
constexpr Named plain_instructions[] = {
#define X(code, name, kind, type, count) {code, #name},
    MILLRACE_WASM_SIMD_PLAIN(X)
#undef X
};

/// Random bits, and what is at the edge in lanes of every kind.
Value some_vector(Prng& prng) {
    static constexpr std::uint64_t doubles[] = {
        0,
        0x8000000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0xfff4000000000001,
        0x3fe0000000000000,
        0xc004000000000000,
        0x41f0000000000000,
        0x47efffffefffffff,
        1,
        0x41dfffffffc00000,
    };
    static constexpr std::uint32_t singles[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                                0x7fc00000, 0xffa00001, 0x3f000000, 0xc0200000,
                                                0x4f800000, 0x7f7fffff, 1,          0x4f000000};
    static constexpr std::uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xff, 0x40, 15, 16};
    Value value = Value::v128(0, 0);
    const std::uint64_t kind = prng.below(5);
    for (std::uint64_t* half : {&value.bits, &value.high}) {
        *half = prng.next();
        if (kind == 0) *half = doubles[prng.below(12)];
        if (kind == 1)
            *half = singles[prng.below(12)] | std::uint64_t{singles[prng.below(12)]} << 32U;
        if (kind == 2) {
            for (unsigned index = 0; index < 8; ++index)
                *half = *half << 8U | bytes[prng.below(8)];
        }
        if (kind == 3) *half = prng.below(2) == 0 ? prng.below(40) : 0 - prng.below(40);
    }
    return value;
}

void put_prefixed(Bytes& code, std::uint32_t number) {
    code.push_back(0xfd);
    ModuleWriter::number(code, number);
}

/// One instruction on its parameters, and the same by its name.
class Checked {
  public:
    Checked(Named named, std::uint8_t lane) : named_{named}, lane_{lane} {
        const SimdSignature& signature = simd_signatures[named.code];
        std::uint32_t vectors = 1;
        switch (signature.shape) {
            case SimdShape::binary:
                vectors = 2;
                break;
            case SimdShape::ternary:
                vectors = 3;
                break;
            case SimdShape::splat:
                vectors = 0;
                break;
            default:
                break;
        }
        type_.params.assign(vectors, v128);
        if (signature.shape == SimdShape::shift) type_.params.push_back(i32);
        if (signature.shape == SimdShape::splat || signature.shape == SimdShape::replace)
            type_.params.push_back(signature.scalar);
        gives_number_ = signature.shape == SimdShape::test || signature.shape == SimdShape::extract;
        type_.results = {gives_number_ ? signature.scalar : v128};
        Bytes code;
        for (std::size_t index = 0; index < type_.params.size(); ++index)
            ModuleWriter::append(code, {0x20, static_cast<std::uint8_t>(index)});
        put_prefixed(code, named.code);
        if (signature.lanes > 0) code.push_back(lane);
        code.push_back(0x0b);
        world_.emplace(one(type_, code));
        world_->start();
    }
    void check(Prng& prng) {
        std::vector<Value> args;
        Lanes operands[3]{};
        std::uint64_t scalar = 0;
        for (std::size_t index = 0; index < type_.params.size(); ++index) {
            const Value vector = some_vector(prng);
            if (type_.params[index] == v128) {
                operands[index] = twin::lanes_of(vector);
                args.push_back(vector);
            } else {
                const bool is_wide = type_.params[index] == i64 || type_.params[index] == f64;
                scalar = is_wide ? vector.bits : vector.bits & 0xffffffff;
                args.push_back({type_.params[index], scalar});
            }
        }
        NaiveLanes naive{named_.name, operands[0], operands[1], operands[2], scalar, lane_};
        const Value wanted = gives_number_ ? Value{type_.results[0], naive.number()}
                                           : twin::value_of(naive.vector());
        const RunOutcome outcome = world_->instance->invoke("f", args);
        const RunOutcome right = Returned{{wanted}};
        ASSERT_EQ(to_text(outcome), to_text(right)) << named_.name;
    }

  private:
    Named named_;
    std::uint8_t lane_;
    FuncType type_;
    bool gives_number_ = false;
    std::optional<World> world_;
};

TEST(NaiveLanes, every_plain_instruction_does_what_its_name_says) {
    Prng prng{1};
    for (const Named& named : plain_instructions) {
        const std::uint8_t lanes = std::max<std::uint8_t>(simd_signatures[named.code].lanes, 1);
        for (std::uint8_t lane = 0; lane < lanes; ++lane) {
            Checked checked{named, lane};
            for (int left = 400 / lanes; left > 0 && !testing::Test::HasFatalFailure(); --left)
                checked.check(prng);
        }
        if (HasFailure()) return;
    }
}

TEST(NaiveLanes, a_shuffle_takes_bytes_from_both) {
    Prng prng{2};
    for (int round = 0; round < 50; ++round) {
        Bytes code{0x20, 0, 0x20, 1, 0xfd, 0x0d};
        const Value a = some_vector(prng);
        const Value b = some_vector(prng);
        const Lanes from[] = {twin::lanes_of(a), twin::lanes_of(b)};
        Lanes wanted;
        for (std::uint8_t& byte : wanted) {
            const auto index = static_cast<std::uint8_t>(prng.below(32));
            code.push_back(index);
            byte = from[index / 16][index % 16];
        }
        code.push_back(0x0b);
        World world{one({{v128, v128}, {v128}}, code)};
        EXPECT_EQ(world.run("f", {a, b}), to_text(RunOutcome{Returned{{twin::value_of(wanted)}}}));
    }
}

/// What a load or store of the name does to 16 bytes of memory at `at` and a vector.
struct Touched {
    Lanes memory;
    Lanes vector;
};
Touched touch(std::string_view name, Lanes memory, Lanes vector, unsigned at, unsigned lane) {
    const auto bits = [&](std::string_view after) {
        const std::size_t from = name.find(after) + after.size();
        unsigned number = 0;
        for (std::size_t index = from; name[index] >= '0' && name[index] <= '9'; ++index)
            number = number * 10 + static_cast<unsigned>(name[index] - '0');
        return number;
    };
    Touched result{memory, vector};
    std::array<std::uint8_t, 32> padded{};
    std::copy(memory.begin(), memory.end(), padded.begin());
    if (name == "v128_load") {
        std::copy_n(padded.begin() + at, 16, result.vector.begin());
    } else if (name == "v128_store") {
        std::copy_n(vector.begin(), 16 - at, result.memory.begin() + at);
    } else if (name.ends_with("_lane")) {
        const bool is_load = name.find("load") != name.npos;
        const unsigned size = bits(is_load ? "load" : "store") / 8;
        for (unsigned index = 0; index < size; ++index) {
            if (is_load)
                result.vector[lane * size + index] = padded[at + index];
            else
                result.memory.at(at + index) = vector[lane * size + index];
        }
    } else if (name.ends_with("_splat") || name.ends_with("_zero")) {
        const unsigned size = bits("load") / 8;
        for (unsigned index = 0; index < 16; ++index)
            result.vector[index] = index < size || name.ends_with("_splat")
                                       ? padded[at + index % size]
                                       : std::uint8_t{0};
    } else {  // 8x8, 16x4, 32x2
        const unsigned size = bits("load") / 8;
        for (unsigned index = 0; index < 16; ++index) {
            const unsigned from = at + index / (2 * size) * size;
            const unsigned byte = index % (2 * size);
            const bool is_negative = name.ends_with("_s") && padded[from + size - 1] >= 0x80;
            const std::uint8_t filling = is_negative ? 0xff : 0;
            result.vector[index] = byte < size ? padded[from + byte] : filling;
        }
    }
    return result;
}

TEST(NaiveLanes, every_load_and_store_moves_the_bytes_that_its_name_says) {
    static constexpr Named accesses[] = {
#define X(code, name, kind, count, align) {code, #name},
        MILLRACE_WASM_SIMD_MEMORY(X)
#undef X
    };
    Prng prng{3};
    for (const Named& named : accesses) {
        const SimdSignature& signature = simd_signatures[named.code];
        const bool has_lane = signature.lanes > 0;
        const bool is_load =
            signature.shape == SimdShape::load || signature.shape == SimdShape::load_lane;
        for (int round = 0; round < 15; ++round) {
            const auto at = static_cast<std::uint8_t>(prng.below(9));
            const auto lane = static_cast<std::uint8_t>(has_lane ? prng.below(signature.lanes) : 0);
            // memory[16..32) = a; the access at 16 + at; what it gives, or b, and memory[16..32)
            Bytes code{0x41, 16, 0x20, 0, 0xfd, 0x0b, 0, 0, 0x41, 7};
            if (signature.shape != SimdShape::load) ModuleWriter::append(code, {0x20, 1});
            put_prefixed(code, named.code);
            ModuleWriter::append(code, {0, static_cast<std::uint8_t>(9 + at)});
            if (has_lane) code.push_back(lane);
            if (!is_load) ModuleWriter::append(code, {0x20, 1});
            ModuleWriter::append(code, {0x41, 16, 0xfd, 0x00, 0, 0, 0x0b});
            const Value a = some_vector(prng);
            const Value b = some_vector(prng);
            World world{one({{v128, v128}, {v128, v128}}, code)};
            const Touched wanted =
                touch(named.name, twin::lanes_of(a), twin::lanes_of(b), at, lane);
            const RunOutcome right =
                Returned{{twin::value_of(wanted.vector), twin::value_of(wanted.memory)}};
            ASSERT_EQ(world.run("f", {a, b}), to_text(right)) << named.name;
        }
    }
}

}  // namespace
}  // namespace millrace::wasm
