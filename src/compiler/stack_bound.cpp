// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/stack_bound.hpp"

#include <algorithm>
#include <limits>

#include "compiler/operations.hpp"
#include "wasm/instance.hpp"

namespace millrace::compiler {

FrameUse frame_use(const wasm::ModuleData& module, const wasm::Code& code) {
    FrameUse use;
    use.slots_min = code.frame_slots;
    std::size_t arguments_max = 0;
    for (const wasm::Instr& instr : code.instrs) {
        const Base base = operation_of(instr.op).base;
        const bool is_tail = base == Base::return_call || base == Base::return_call_indirect;
        if (base != Base::call && base != Base::call_indirect && !is_tail) continue;
        const bool is_direct = base == Base::call || base == Base::return_call;
        const std::uint32_t type = is_direct ? module.functions[instr.d] : instr.d;
        // A tail call leaves no frame, but its arguments may take more room than this call's.
        arguments_max = std::max(arguments_max, 2 * module.types[type].params.size());
        if (is_tail) continue;
        use.calls = true;
        use.slots_min = std::min<std::uint64_t>(use.slots_min, instr.a);
    }
    // The return address, the helpers' and traps' frames of generated code, arguments in memory.
    use.bytes = 64 + 8 * arguments_max;
    return use;
}

std::uint64_t stack_bound(const std::vector<FrameUse>& frames) {
    constexpr wasm::StoreLimits limits;
    std::uint64_t last = 0;
    for (const FrameUse& use : frames)
        last = std::max(last, use.bytes);
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint64_t price : {0U, 4U, 8U, 12U, 16U, 24U, 32U, 48U, 64U, 128U, 256U}) {
        std::uint64_t rest = 0;
        for (const FrameUse& use : frames) {
            const std::uint64_t paid = price * use.slots_min;
            if (use.calls && use.bytes > paid) rest = std::max(rest, use.bytes - paid);
        }
        least = std::min(least, limits.call_depth_max * rest + price * limits.stack_slots_max);
    }
    // Host thunks hold a call's values once more.
    constexpr std::uint64_t thunk_bytes = 32'768;
    return least + last + thunk_bytes;
}

}  // namespace millrace::compiler
