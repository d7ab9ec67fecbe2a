// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "wasm/decode.hpp"
#include "wasm/opcodes.hpp"
#include "wasm/profile.hpp"

namespace millrace::wasm {
namespace {

/// A value type on the validator's stack, or 0: the unknown type of unreachable code.
using Slot = std::uint8_t;
constexpr Slot unknown = 0;
constexpr Slot slot(ValueType type) noexcept {
    return static_cast<Slot>(type);
}

struct Frame {
    std::uint8_t opcode = op::block;
    bool is_unreachable = false;
    std::uint32_t height = 0;
    BlockType type;

    [[nodiscard]] std::span<const ValueType> label() const noexcept {
        return opcode == op::loop ? type.params : type.results;
    }
};

class Validator {
  public:
    Validator(ModuleData& module, ModuleError& error)
        : module_{module}, error_{error}, reader_{module.bytes.data(), 0, 0, error, failed_} {}

    bool run() {
        for (std::size_t index = 0; index < module_.bodies.size() && !failed_; ++index)
            body(module_.bodies[index]);
        return !failed_;
    }

  private:
    void body(Body& body) {
        const FuncType& type = module_.types[body.type];
        reader_ = Reader{module_.bytes.data(), body.locals_begin, body.end, error_, failed_};
        locals_.clear();
        for (const ValueType param : type.params)
            locals_.push_back(slot(param));
        declared_locals(body);
        body.begin = static_cast<std::uint32_t>(reader_.offset());
        stack_.clear();
        frames_.clear();
        height_max_ = 0;
        frames_.push_back({.opcode = op::block,
                           .is_unreachable = false,
                           .height = 0,
                           .type = {.params = {}, .results = type.results}});
        while (!failed_ && !frames_.empty()) {
            at_ = reader_.offset();
            const std::uint8_t opcode = reader_.byte();
            if (!failed_) instruction(opcode);
        }
        if (failed_) return;
        if (!reader_.at_end()) {
            reader_.malformed("a function body goes on after its end");
            return;
        }
        body.stack_height = height_max_;
        if (locals_.size() + height_max_ > frame_slots_max) {
            reader_.fail_at(body.begin, ModuleErrorKind::over_limit,
                            "a function needs more than " + std::to_string(frame_slots_max) +
                                " locals and operands");
        }
    }

    void declared_locals(Body& body) {
        const std::uint32_t groups = reader_.u32();
        std::uint64_t total = 0;
        bool too_many = false;
        for (std::uint32_t group = 0; group < groups && !failed_; ++group) {
            const std::uint32_t number = reader_.u32();
            const ValueType type = read_value_type(reader_);
            if (failed_) return;
            total += number;
            // Specification 5.5.13: 2^32 locals are malformed, fewer are a matter of our bounds.
            if (total > 0xffffffffULL) {
                reader_.malformed("too many locals");
                return;
            }
            too_many = too_many || locals_.size() + number > locals_max;
            if (!too_many) locals_.insert(locals_.end(), number, slot(type));
        }
        if (too_many && !failed_) {
            reader_.over_limit("a function has more than " + std::to_string(locals_max) +
                               " locals");
        }
        body.locals = static_cast<std::uint32_t>(total);
    }

    void invalid(std::string message) {
        reader_.fail_at(at_, ModuleErrorKind::invalid, std::move(message));
    }
    void mismatch() { invalid("type mismatch"); }

    // The operand stack ------------------------------------------------------------------------

    void push(Slot type) {
        stack_.push_back(type);
        if (stack_.size() > height_max_ && !frames_.back().is_unreachable) {
            height_max_ = static_cast<std::uint32_t>(stack_.size());
        } else if (stack_.size() > frame_slots_max) {
            reader_.over_limit("an operand stack has more than " + std::to_string(frame_slots_max) +
                               " entries");
        }
    }
    void push(ValueType type) { push(slot(type)); }

    Slot pop_any() {
        const Frame& frame = frames_.back();
        if (stack_.size() == frame.height) {
            if (!frame.is_unreachable) mismatch();
            return unknown;
        }
        const Slot top = stack_.back();
        stack_.pop_back();
        return top;
    }
    Slot pop(Slot expected) {
        const Slot actual = pop_any();
        if (actual != expected && actual != unknown && expected != unknown) mismatch();
        return actual == unknown ? expected : actual;
    }
    void pop(ValueType expected) { pop(slot(expected)); }

    /// Operands beyond 16 are work that the module's size does not bound; see wide_operands_max.
    void count_wide(std::size_t operands) {
        if (operands <= 16) return;
        wide_operands_ += operands - 16;
        if (wide_operands_ > wide_operands_max)
            reader_.over_limit("instructions take and give too many operands in all");
    }
    void push_all(std::span<const ValueType> types) {
        count_wide(types.size());
        for (const ValueType type : types) {
            push(type);
            if (failed_) return;
        }
    }
    void pop_all(std::span<const ValueType> types) {
        count_wide(types.size());
        for (std::size_t left = types.size(); left > 0 && !failed_; --left)
            pop(types[left - 1]);
    }

    // Control ----------------------------------------------------------------------------------

    void enter(std::uint8_t opcode, const BlockType& type) {
        if (frames_.size() > nesting_max) {
            reader_.over_limit("more than " + std::to_string(nesting_max) + " nested blocks");
            return;
        }
        frames_.push_back({.opcode = opcode,
                           .is_unreachable = false,
                           .height = static_cast<std::uint32_t>(stack_.size()),
                           .type = type});
        push_all(type.params);
    }
    /// Checks the end of the innermost block and takes its results off the stack.
    BlockType leave() {
        const BlockType type = frames_.back().type;
        pop_all(type.results);
        if (!failed_ && stack_.size() != frames_.back().height) mismatch();
        return type;
    }
    void set_unreachable() {
        stack_.resize(frames_.back().height);
        frames_.back().is_unreachable = true;
    }
    [[nodiscard]] const Frame* label_frame(std::uint32_t depth) {
        if (failed_) return nullptr;
        if (depth >= frames_.size()) {
            invalid("unknown label " + std::to_string(depth));
            return nullptr;
        }
        return &frames_[frames_.size() - 1 - depth];
    }
    std::optional<BlockType> read_block_type() {
        const std::size_t start = reader_.offset();
        const std::uint8_t first = reader_.peek();
        // A single byte with bit 6 set is a value type or the empty type; specification 5.4.1.
        if ((first & 0xc0U) == 0x40 && first != 0x40) {
            const ValueType type = read_value_type(reader_);
            if (failed_) return std::nullopt;
            return block_type(module_, static_cast<std::int64_t>(type) - 0x80);
        }
        const std::int64_t value = reader_.s33();
        if (failed_) return std::nullopt;
        const auto type = block_type(module_, value);
        if (!type) {
            reader_.fail_at(start,
                            value < 0 ? ModuleErrorKind::malformed : ModuleErrorKind::invalid,
                            value < 0 ? "malformed block type" : "unknown type in a block");
        }
        return type;
    }

    void instruction(std::uint8_t opcode) {
        const NumericSignature numeric = numeric_signatures[opcode];
        if (numeric.operands != 0) {
            if (numeric.operands == 2) pop(numeric.operand);
            pop(numeric.operand);
            push(numeric.result);
            return;
        }
        if (opcode >= op::load_first && opcode <= op::store_last) {
            access(opcode);
            return;
        }
        switch (opcode) {
            case op::unreachable:
                set_unreachable();
                return;
            case op::nop:
                return;
            case op::block:
            case op::loop:
            case op::if_: {
                const auto type = read_block_type();
                if (!type) return;
                if (opcode == op::if_) pop(ValueType::i32);
                pop_all(type->params);
                if (!failed_) enter(opcode, *type);
                return;
            }
            case op::else_: {
                if (frames_.back().opcode != op::if_) {
                    reader_.fail_at(at_, ModuleErrorKind::malformed, "else without if");
                    return;
                }
                const BlockType type = leave();
                frames_.pop_back();
                if (!failed_) enter(op::else_, type);
                return;
            }
            case op::end: {
                const bool is_if = frames_.back().opcode == op::if_;
                const BlockType type = leave();
                if (failed_) return;
                if (is_if && !std::ranges::equal(type.params, type.results)) {
                    mismatch();
                    return;
                }
                frames_.pop_back();
                if (!frames_.empty()) push_all(type.results);
                return;
            }
            case op::br: {
                const Frame* frame = label_frame(reader_.u32());
                if (frame == nullptr) return;
                pop_all(frame->label());
                set_unreachable();
                return;
            }
            case op::br_if: {
                const Frame* frame = label_frame(reader_.u32());
                if (frame == nullptr) return;
                const auto types = frame->label();
                pop(ValueType::i32);
                pop_all(types);
                if (!failed_) push_all(types);
                return;
            }
            case op::br_table:
                branch_table();
                return;
            case op::return_:
                pop_all(frames_.front().type.results);
                set_unreachable();
                return;
            case op::call: {
                const std::uint32_t index = reader_.u32();
                if (failed_) return;
                if (index >= module_.functions.size()) {
                    invalid("unknown function " + std::to_string(index));
                    return;
                }
                call(module_.types[module_.functions[index]]);
                return;
            }
            case op::call_indirect: {
                const std::uint32_t type = reader_.u32();
                const std::uint32_t table = reader_.u32();
                if (failed_ || !table_exists(table)) return;
                if (module_.tables[table].element != ValueType::funcref) return mismatch();
                if (type >= module_.types.size())
                    return invalid("unknown type " + std::to_string(type));
                pop(ValueType::i32);
                call(module_.types[type]);
                return;
            }
            case op::drop:
                pop_any();
                return;
            case op::select:
                select();
                return;
            case op::select_typed: {
                const std::uint32_t number = reader_.u32();
                if (failed_) return;
                if (number != 1) return invalid("invalid result arity of select");
                const ValueType type = read_value_type(reader_);
                pop(ValueType::i32);
                pop(type);
                pop(type);
                push(type);
                return;
            }
            case op::local_get:
                push(local(reader_.u32()));
                return;
            case op::local_set:
                pop(local(reader_.u32()));
                return;
            case op::local_tee: {
                const Slot type = local(reader_.u32());
                if (failed_) return;
                pop(type);
                push(type);
                return;
            }
            case op::global_get: {
                const GlobalType* type = global(reader_.u32());
                if (type != nullptr) push(type->value);
                return;
            }
            case op::global_set: {
                const GlobalType* type = global(reader_.u32());
                if (type == nullptr) return;
                if (!type->is_mutable) return invalid("global is immutable");
                pop(type->value);
                return;
            }
            case op::table_get: {
                const std::uint32_t table = reader_.u32();
                if (!table_exists(table)) return;
                pop(ValueType::i32);
                push(module_.tables[table].element);
                return;
            }
            case op::table_set: {
                const std::uint32_t table = reader_.u32();
                if (!table_exists(table)) return;
                pop(module_.tables[table].element);
                pop(ValueType::i32);
                return;
            }
            case op::memory_size:
                if (memory_exists(reader_.u32())) push(ValueType::i32);
                return;
            case op::memory_grow:
                if (!memory_exists(reader_.u32())) return;
                pop(ValueType::i32);
                push(ValueType::i32);
                return;
            case op::i32_const:
                reader_.s32();
                push(ValueType::i32);
                return;
            case op::i64_const:
                reader_.s64();
                push(ValueType::i64);
                return;
            case op::f32_const:
                reader_.skip(4);
                push(ValueType::f32);
                return;
            case op::f64_const:
                reader_.skip(8);
                push(ValueType::f64);
                return;
            case op::ref_null:
                push(read_reference_type(reader_));
                return;
            case op::ref_is_null: {
                const Slot type = pop_any();
                if (type != unknown && !is_reference(static_cast<ValueType>(type)))
                    return mismatch();
                push(ValueType::i32);
                return;
            }
            case op::ref_func: {
                const std::uint32_t index = reader_.u32();
                if (failed_) return;
                if (index >= module_.functions.size())
                    return invalid("unknown function " + std::to_string(index));
                if (!module_.declared_functions[index])
                    return invalid("undeclared function reference");
                push(ValueType::funcref);
                return;
            }
            case op::prefix_fc:
                prefixed(reader_.u32());
                return;
            default:
                unknown_opcode(opcode);
                return;
        }
    }

    void unknown_opcode(std::uint8_t opcode) {
        const std::string_view feature = unsupported_feature(opcode);
        if (feature.empty()) {
            reader_.fail_at(at_, ModuleErrorKind::malformed, "illegal opcode");
        } else {
            reader_.fail_at(at_, ModuleErrorKind::unsupported,
                            feature_message(feature, opcode, at_));
        }
    }

    void access(std::uint8_t opcode) {
        const AccessSignature signature =
            access_signatures[static_cast<std::size_t>(opcode - op::load_first)];
        const std::uint32_t align = reader_.u32();
        if (failed_) return;
        if (align >= 0x40 && align < 0x80) {
            reader_.fail_at(at_, ModuleErrorKind::unsupported,
                            "module uses multiple memories (a memory index in a load or store), "
                            "which profile det-1 does not have");
            return;
        }
        if (align >= 0x80) {
            reader_.fail_at(at_, ModuleErrorKind::malformed, "malformed memop flags");
            return;
        }
        // Written as a 64-bit number since memory64; a 32-bit memory takes 32 bits of it.
        const std::uint64_t offset = reader_.u64();
        if (!memory_exists(0)) return;
        if (align > signature.align_log2)
            return invalid("alignment must not be larger than natural");
        if (offset > 0xffffffffULL) return invalid("offset out of range");
        if (opcode >= op::store_first) {
            pop(signature.type);
            pop(ValueType::i32);
        } else {
            pop(ValueType::i32);
            push(signature.type);
        }
    }

    void branch_table() {
        const std::uint32_t number = reader_.u32();
        if (failed_) return;
        if (number > reader_.remaining()) {
            reader_.malformed("unexpected end in br_table");
            return;
        }
        if (number > branch_targets_max) {
            reader_.over_limit("a br_table has more than " + std::to_string(branch_targets_max) +
                               " targets");
            return;
        }
        targets_.clear();
        for (std::uint32_t index = 0; index <= number && !failed_; ++index)
            targets_.push_back(reader_.u32());
        if (failed_) return;
        pop(ValueType::i32);
        const Frame* last = label_frame(targets_.back());
        if (last == nullptr) return;
        const std::size_t arity = last->label().size();
        for (const std::uint32_t depth : targets_) {
            const Frame* frame = label_frame(depth);
            if (frame == nullptr) return;
            if (frame->label().size() != arity) return mismatch();
            check_top(frame->label());
            if (failed_) return;
        }
        pop_all(last->label());
        set_unreachable();
    }

    /// As pop_all and a push of what was popped, without moving anything.
    void check_top(std::span<const ValueType> types) {
        count_wide(types.size());
        const Frame& frame = frames_.back();
        std::size_t position = stack_.size();
        for (std::size_t left = types.size(); left > 0 && !failed_; --left) {
            if (position == frame.height) {
                if (!frame.is_unreachable) mismatch();
                return;
            }
            const Slot actual = stack_[--position];
            if (actual != unknown && actual != slot(types[left - 1])) mismatch();
        }
    }

    void call(const FuncType& type) {
        pop_all(type.params);
        if (!failed_) push_all(type.results);
    }

    void select() {
        pop(ValueType::i32);
        const Slot first = pop_any();
        const Slot second = pop_any();
        if (failed_) return;
        for (const Slot type : {first, second}) {
            if (type != unknown && is_reference(static_cast<ValueType>(type))) return mismatch();
        }
        if (first != second && first != unknown && second != unknown) return mismatch();
        push(first == unknown ? second : first);
    }

    Slot local(std::uint32_t index) {
        if (failed_) return unknown;
        if (index >= locals_.size()) {
            invalid("unknown local " + std::to_string(index));
            return unknown;
        }
        return locals_[index];
    }
    const GlobalType* global(std::uint32_t index) {
        if (failed_) return nullptr;
        if (index >= module_.globals.size()) {
            invalid("unknown global " + std::to_string(index));
            return nullptr;
        }
        return &module_.globals[index];
    }
    bool table_exists(std::uint32_t index) {
        if (failed_) return false;
        if (index < module_.tables.size()) return true;
        invalid("unknown table " + std::to_string(index));
        return false;
    }
    bool memory_exists(std::uint32_t index) {
        if (failed_) return false;
        if (index < module_.memories.size()) return true;
        invalid("unknown memory " + std::to_string(index));
        return false;
    }
    bool element_exists(std::uint32_t index) {
        if (failed_) return false;
        if (index < module_.elements.size()) return true;
        invalid("unknown elem segment " + std::to_string(index));
        return false;
    }
    bool data_exists(std::uint32_t index) {
        if (failed_) return false;
        if (!module_.data_count && !module_.data.empty()) {
            reader_.fail_at(at_, ModuleErrorKind::malformed, "data count section required");
            return false;
        }
        if (index < module_.data.size()) return true;
        invalid("unknown data segment " + std::to_string(index));
        return false;
    }
    void pop_three() {
        for (int operand = 0; operand < 3; ++operand)
            pop(ValueType::i32);
    }

    void prefixed(std::uint32_t opcode) {
        if (failed_) return;
        if (opcode <= op_fc::trunc_sat_last) {
            pop(trunc_sat_signatures[opcode].operand);
            push(trunc_sat_signatures[opcode].result);
            return;
        }
        switch (opcode) {
            case op_fc::memory_init: {
                const std::uint32_t segment = reader_.u32();
                if (memory_exists(reader_.u32()) && data_exists(segment)) pop_three();
                return;
            }
            case op_fc::data_drop:
                data_exists(reader_.u32());
                return;
            case op_fc::memory_copy: {
                const std::uint32_t target = reader_.u32();
                const std::uint32_t source = reader_.u32();
                if (memory_exists(target) && memory_exists(source)) pop_three();
                return;
            }
            case op_fc::memory_fill:
                if (memory_exists(reader_.u32())) pop_three();
                return;
            case op_fc::table_init: {
                const std::uint32_t segment = reader_.u32();
                const std::uint32_t table = reader_.u32();
                if (!table_exists(table) || !element_exists(segment)) return;
                if (module_.tables[table].element != module_.elements[segment].type)
                    return mismatch();
                pop_three();
                return;
            }
            case op_fc::elem_drop:
                element_exists(reader_.u32());
                return;
            case op_fc::table_copy: {
                const std::uint32_t target = reader_.u32();
                const std::uint32_t source = reader_.u32();
                if (!table_exists(target) || !table_exists(source)) return;
                if (module_.tables[target].element != module_.tables[source].element)
                    return mismatch();
                pop_three();
                return;
            }
            case op_fc::table_grow: {
                const std::uint32_t table = reader_.u32();
                if (!table_exists(table)) return;
                pop(ValueType::i32);
                pop(module_.tables[table].element);
                push(ValueType::i32);
                return;
            }
            case op_fc::table_size:
                if (table_exists(reader_.u32())) push(ValueType::i32);
                return;
            case op_fc::table_fill: {
                const std::uint32_t table = reader_.u32();
                if (!table_exists(table)) return;
                pop(ValueType::i32);
                pop(module_.tables[table].element);
                pop(ValueType::i32);
                return;
            }
            default:
                reader_.fail_at(at_, ModuleErrorKind::malformed, "illegal opcode after 0xfc");
                return;
        }
    }

    ModuleData& module_;
    ModuleError& error_;
    bool failed_ = false;
    Reader reader_;
    std::size_t at_ = 0;  ///< where the current instruction starts
    std::vector<Slot> locals_;
    std::vector<Slot> stack_;
    std::vector<Frame> frames_;
    std::vector<std::uint32_t> targets_;
    std::uint32_t height_max_ = 0;
    std::uint64_t wide_operands_ = 0;
};

}  // namespace

bool validate_bodies(ModuleData& module, ModuleError& error) {
    Validator validator{module, error};
    if (!validator.run()) return false;
    return true;
}

}  // namespace millrace::wasm
