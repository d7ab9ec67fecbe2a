// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <vector>

#include "base/prng.hpp"
#include "wasm/code_writer.hpp"
#include "wasm/values.hpp"

/// Random valid modules with everything that profile det-1 has: all plain operations on integers,
/// floats and vectors, loads and stores of every width, blocks with many values, loops with and
/// without a known number of rounds, br_table, calls of every kind (direct, through tables, tail,
/// to the host), globals, tables, bulk operations, memory.grow and table.grow up to their limits, a
/// start function. One seed is one module, on every machine.
///
/// Small ones have a function or two of a few statements: most of the time is the compiler's, and
/// three of them take no more of it than two large ones.
///
/// "f" takes two i64. At its end it stores all its locals and the globals to memory, so that what
/// no result shows is seen there.
namespace millrace::spec {

using wasm::CodeWriter;

class AgreeProgram {
  public:
    enum class Size : std::uint8_t { small, large };
    AgreeProgram(std::uint64_t seed, Size size);

    Bytes module();
    /// Bits of NaNs that the specification leaves open are not seen, nor is fuel: any engine of
    /// WebAssembly must agree on how a run ends, results, and memory. "f" gives one i64 then.
    [[nodiscard]] bool is_portable() const noexcept { return is_portable_; }

  private:
    using Type = wasm::ValueType;
    using Types = std::vector<Type>;
    struct Signature {
        Types params;
        Types results;
    };
    /// Of the function being written.
    struct Frame {
        std::uint32_t type = 0;
        Types locals;  ///< parameters first
        std::uint32_t counters = 0;
        std::uint32_t loops = 0;  ///< open ones; each has its counter
        std::vector<Types> labels;
    };

    // agree_program.cpp: the module around the code.
    void plan();
    Bytes types_section() const;
    Bytes globals_section();
    Bytes tables_section() const;
    Bytes elements_section();
    Bytes data_section();
    Bytes exports_section() const;
    Bytes canonical_function(Type type) const;
    Bytes body(std::uint32_t function);
    void show_everything();

    // agree_statements.cpp
    void statements(int depth);
    void statement(int depth);
    void block_statement(int depth);
    void counted_loop(int depth);
    void branch(int depth);
    void leave_function(int depth);
    void call_statement(int depth);
    void store(int depth);
    void bulk(int depth);
    void table_statement(int depth);
    void call(int depth, std::uint32_t function, bool is_tail);
    void call_through_table(int depth, std::uint32_t type, bool is_tail);
    void settle(const Types& values);

    // agree_expressions.cpp
    void expression(Type type, int depth);
    void leaf(Type type);
    void constant(Type type);
    void numeric(Type type, int depth);
    void vector(int depth);
    void of_vector(Type type, int depth);
    void load(Type type, int depth);
    void reference(int depth);
    void address(int depth);
    void place(std::uint8_t align_log2);
    void after_arithmetic(Type type, bool is_double_lanes = false);

    std::uint32_t pick(std::uint32_t bound) {
        return static_cast<std::uint32_t>(prng_.below(bound));
    }
    bool chance(std::uint32_t one_in) { return pick(one_in) == 0; }
    std::uint32_t local_of(Type type);
    std::uint32_t global_of(Type type);
    Type any_type();
    Type number_type();
    std::uint32_t function_index(std::uint32_t function) const { return 1 + function; }
    /// A function with these results, one in which calls lead on only, or none.
    std::uint32_t callee_giving(Type type);

    static constexpr std::uint32_t none = ~0U;
    static constexpr std::uint32_t first_type = 2;  ///< after the host's and that of "f"
    static constexpr std::uint32_t loops_max = 3;
    static constexpr std::uint32_t table_entries = 10;
    static constexpr std::uint32_t passive_bytes = 48;
    static constexpr std::uint32_t passive_elements = 4;

    Prng prng_;
    const bool is_small_;
    bool is_portable_ = false;
    std::vector<Signature> types_;          ///< of the module; the host function's first
    std::uint32_t types_written_ = 0;       ///< of functions with code of their own
    std::vector<std::uint32_t> functions_;  ///< types of the defined ones; the first is "f"
    std::uint32_t written_ = 0;             ///< functions with code of their own, before helpers
    std::uint32_t pages_max_ = 1;
    bool has_start_ = false;
    Types globals_;
    CodeWriter code_;
    Frame frame_;
    std::uint32_t current_ = 0;
    int budget_ = 0;
};

}  // namespace millrace::spec
