// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/fault.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <mutex>
#include <span>

#include "aot/abi.hpp"
#include "base/assert.hpp"
#include "wasm/trap.hpp"

#if !defined(__x86_64__) || !defined(__linux__)
#error "compiled code runs on Linux for x86-64; leave src/aot out of the build elsewhere"
#endif

// Enters on the tier's stack with the caller's registers saved on his own. Leaving from the middle
// restores them from there, as longjmp does.
//
// The signal handler makes code at a safe point call millrace_aot_safe_point, below the 128 bytes
// under its stack that it may use. It keeps every register but rax, which holds fuel: those that
// C++ keeps are left to it, and compiled code has no vector registers wider than these.
asm(R"(
    .text
    .p2align 4
    .globl millrace_aot_enter
    .hidden millrace_aot_enter
    .type millrace_aot_enter, @function
millrace_aot_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, 56(%rdi)
    movq %rdi, %rbx
    movq 0(%rdi), %rax
    movq 16(%rdi), %rsi
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rcx
    movq 40(%rdi), %r8
    movq 48(%rdi), %rsp
    movq 8(%rdi), %rdi
    call *%rax
    movq 56(%rbx), %rsp
    jmp millrace_aot_restore
    .size millrace_aot_enter, . - millrace_aot_enter

    .p2align 4
    .globl millrace_aot_leave
    .hidden millrace_aot_leave
    .type millrace_aot_leave, @function
millrace_aot_leave:
    movq 56(%rdi), %rsp
millrace_aot_restore:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size millrace_aot_leave, . - millrace_aot_leave

    .p2align 4
    .globl millrace_aot_safe_point
    .hidden millrace_aot_safe_point
    .type millrace_aot_safe_point, @function
millrace_aot_safe_point:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    andq $-16, %rsp
    subq $256, %rsp
    movaps %xmm0, 0(%rsp)
    movaps %xmm1, 16(%rsp)
    movaps %xmm2, 32(%rsp)
    movaps %xmm3, 48(%rsp)
    movaps %xmm4, 64(%rsp)
    movaps %xmm5, 80(%rsp)
    movaps %xmm6, 96(%rsp)
    movaps %xmm7, 112(%rsp)
    movaps %xmm8, 128(%rsp)
    movaps %xmm9, 144(%rsp)
    movaps %xmm10, 160(%rsp)
    movaps %xmm11, 176(%rsp)
    movaps %xmm12, 192(%rsp)
    movaps %xmm13, 208(%rsp)
    movaps %xmm14, 224(%rsp)
    movaps %xmm15, 240(%rsp)
    movq %rax, %rdi
    call millrace_aot_at_safe_point
    movaps 0(%rsp), %xmm0
    movaps 16(%rsp), %xmm1
    movaps 32(%rsp), %xmm2
    movaps 48(%rsp), %xmm3
    movaps 64(%rsp), %xmm4
    movaps 80(%rsp), %xmm5
    movaps 96(%rsp), %xmm6
    movaps 112(%rsp), %xmm7
    movaps 128(%rsp), %xmm8
    movaps 144(%rsp), %xmm9
    movaps 160(%rsp), %xmm10
    movaps 176(%rsp), %xmm11
    movaps 192(%rsp), %xmm12
    movaps 208(%rsp), %xmm13
    movaps 224(%rsp), %xmm14
    movaps 240(%rsp), %xmm15
    leaq -64(%rbp), %rsp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbp
    ret $128
    .size millrace_aot_safe_point, . - millrace_aot_safe_point
    .section .note.GNU-stack,"",@progbits
    .text
)");

namespace millrace::aot {
namespace {

static_assert(offsetof(Entry, stack_saved) == 56);
static_assert(offsetof(Entry, stack_top) == 48);

extern "C" std::int64_t millrace_aot_enter(Entry* entry);
extern "C" [[noreturn]] void millrace_aot_leave(Entry* entry);
extern "C" void millrace_aot_safe_point();

// Written and read by one thread; the handler runs on that thread as well.
thread_local ActiveRun* active = nullptr;
constexpr int signals[] = {SIGSEGV, SIGBUS, SIGILL};
constexpr std::size_t signal_count = std::size(signals);
struct sigaction before[signal_count];

/// The red zone of the System V ABI: a function may use it without moving its stack pointer.
constexpr greg_t red_zone = 128;

extern "C" std::int64_t millrace_aot_at_safe_point(std::int64_t fuel) {
    return active->at_safe_point(*active, fuel);
}

/// Goes on in millrace_aot_safe_point, which returns behind the instruction.
bool take_safe_point(greg_t* registers) {
    constexpr std::uint8_t stop[] = {0x0f, 0x0b};  // ud2
    const auto* at = reinterpret_cast<const std::uint8_t*>(registers[REG_RIP]);
    // A false image may have this instruction anywhere; with fuel left it is no safe point.
    if (registers[REG_RAX] >= 0 || !std::ranges::equal(stop, std::span{at, sizeof stop}))
        return false;
    const greg_t behind = registers[REG_RIP] + greg_t{sizeof stop};
    registers[REG_RSP] -= red_zone + greg_t{sizeof behind};
    std::memcpy(reinterpret_cast<void*>(registers[REG_RSP]), &behind, sizeof behind);
    registers[REG_RIP] = reinterpret_cast<greg_t>(&millrace_aot_safe_point);
    return true;
}

bool take_fault(int signal, const siginfo_t& info, ucontext_t& context) {
    ActiveRun* run = active;
    if (run == nullptr) return false;
    auto& registers = context.uc_mcontext.gregs;
    const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
    const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
    bool is_ours = false;
    for (const AddressRange& range : run->code)
        is_ours = is_ours || range.contains(at);
    if (signal == SIGILL) return is_ours && take_safe_point(registers);
    for (Region* memory : run->memories) {
        if (!memory->reaches(address)) continue;
        // Helpers and host functions write as well.
        if (memory->take_write(address)) return true;
        if (!is_ours) return false;
        std::memcpy(&run->fuel, memory->base() + fuel_cell_offset, sizeof run->fuel);
        run->end = static_cast<std::uint32_t>(wasm::TrapKind::memory_out_of_bounds);
        run->is_stopped = true;
        registers[REG_RIP] = reinterpret_cast<greg_t>(&millrace_aot_leave);
        registers[REG_RDI] = reinterpret_cast<greg_t>(&run->entry);
        return true;
    }
    return false;
}

void on_fault(int signal, siginfo_t* info, void* context) {
    if (take_fault(signal, *info, *static_cast<ucontext_t*>(context))) return;
    const auto number = std::ranges::find(signals, signal) - std::begin(signals);
    const struct sigaction& other = before[number];
    if ((other.sa_flags & SA_SIGINFO) != 0 && other.sa_sigaction != nullptr)
        return other.sa_sigaction(signal, info, context);
    if (other.sa_handler != SIG_DFL && other.sa_handler != SIG_IGN) return other.sa_handler(signal);
    // The instruction faults again on return, and ends the process as if nobody had been here.
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    sigaction(signal, &fallback, nullptr);
}

class SignalStack {
  public:
    SignalStack() {
        stack_t current{};
        if (sigaltstack(nullptr, &current) == 0 && (current.ss_flags & SS_DISABLE) == 0) {
            is_ready_ = true;  // a sanitizer's, or an outer user's
            return;
        }
        constexpr std::size_t size = 64 << 10;
        void* memory =
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return;
        const stack_t own{.ss_sp = memory, .ss_flags = 0, .ss_size = size};
        if (sigaltstack(&own, nullptr) != 0) {
            munmap(memory, size);
            return;
        }
        memory_ = memory;
        size_ = size;
        is_ready_ = true;
    }
    ~SignalStack() {
        if (memory_ == nullptr) return;
        const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
        sigaltstack(&none, nullptr);
        munmap(memory_, size_);
    }
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;
    [[nodiscard]] bool is_ready() const noexcept { return is_ready_; }

  private:
    void* memory_ = nullptr;
    std::size_t size_ = 0;
    bool is_ready_ = false;
};

}  // namespace

bool prepare_for_faults() {
    static std::once_flag once;
    static bool is_installed = false;
    std::call_once(once, [] {
        is_installed = true;
        for (std::size_t index = 0; index < signal_count; ++index) {
            struct sigaction action {};
            action.sa_sigaction = on_fault;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
            sigemptyset(&action.sa_mask);
            if (sigaction(signals[index], &action, &before[index]) != 0) is_installed = false;
        }
    });
    thread_local const SignalStack stack;
    return is_installed && stack.is_ready();
}

std::int64_t enter(ActiveRun& run) {
    run.outer = active;
    active = &run;
    const std::int64_t fuel = millrace_aot_enter(&run.entry);
    active = run.outer;
    return fuel;
}

__attribute__((no_sanitize("address"))) void leave(ActiveRun& run, std::int64_t fuel,
                                                   std::uint32_t end) {
    MILLRACE_ASSERT(active == &run);
    run.is_stopped = true;
    run.end = end;
    run.fuel = fuel;
    millrace_aot_leave(&run.entry);
}

}  // namespace millrace::aot
