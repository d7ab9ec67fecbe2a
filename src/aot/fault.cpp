// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/fault.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstring>
#include <mutex>

#include "aot/abi.hpp"
#include "base/assert.hpp"
#include "wasm/trap.hpp"

#if !defined(__x86_64__) || !defined(__linux__)
#error "compiled code runs on Linux for x86-64; leave src/aot out of the build elsewhere"
#endif

// Enters on the tier's stack with the caller's registers saved on his own. Leaving from the middle
// restores them from there, as longjmp does.
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
    .section .note.GNU-stack,"",@progbits
    .text
)");

namespace millrace::aot {
namespace {

static_assert(offsetof(Entry, stack_saved) == 56);
static_assert(offsetof(Entry, stack_top) == 48);

extern "C" std::int64_t millrace_aot_enter(Entry* entry);
extern "C" [[noreturn]] void millrace_aot_leave(Entry* entry);

// Written and read by one thread; the handler runs on that thread as well.
thread_local ActiveRun* active = nullptr;
struct sigaction before[2];
constexpr int signals[2] = {SIGSEGV, SIGBUS};

bool take_fault(const siginfo_t& info, ucontext_t& context) {
    ActiveRun* run = active;
    if (run == nullptr) return false;
    auto& registers = context.uc_mcontext.gregs;
    const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
    const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
    bool is_ours = false;
    for (const AddressRange& range : run->code)
        is_ours = is_ours || range.contains(at);
    if (!is_ours) return false;
    for (const AddressRange& memory : run->memories) {
        if (!memory.contains(address)) continue;
        std::memcpy(&run->fuel, reinterpret_cast<const void*>(memory.begin - 8), sizeof run->fuel);
        static_assert(fuel_cell_offset == -8);
        run->end = static_cast<std::uint32_t>(wasm::TrapKind::memory_out_of_bounds);
        run->is_stopped = true;
        registers[REG_RIP] = reinterpret_cast<greg_t>(&millrace_aot_leave);
        registers[REG_RDI] = reinterpret_cast<greg_t>(&run->entry);
        return true;
    }
    return false;
}

void on_fault(int signal, siginfo_t* info, void* context) {
    if (take_fault(*info, *static_cast<ucontext_t*>(context))) return;
    const struct sigaction& other = before[signal == SIGSEGV ? 0 : 1];
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
        for (int index = 0; index < 2; ++index) {
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
