// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/lockdown.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "sandbox/landlock.hpp"

namespace millrace::sandbox {
namespace {

constexpr uid_t unprivileged_id = 65534;

#if defined(__SANITIZE_ADDRESS__)
/// The sanitizers write memory to a pipe to learn whether it can be read, and ask for the signal
/// stack.
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif

struct NamespaceWall {
    int flag;
    std::uint32_t wall;
};
constexpr NamespaceWall namespaces[] = {{CLONE_NEWNET, Isolation::network_namespace},
                                        {CLONE_NEWIPC, Isolation::ipc_namespace},
                                        {CLONE_NEWNS, Isolation::mount_namespace}};

/// Without privileges a user namespace has to come first; it gives leave for the others.
std::uint32_t leave_namespaces() {
    std::uint32_t walls = 0;
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) == 0) walls |= Isolation::user_namespace;
    for (const NamespaceWall& space : namespaces) {
        if (unshare(space.flag) == 0) walls |= space.wall;
    }
    return walls;
}

/// Every capability away, whether real or of an own user namespace.
bool drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    return syscall(SYS_capset, &header, none) == 0;
}

bool become_unprivileged() {
    if (geteuid() != 0) return false;
    return setgroups(0, nullptr) == 0 &&
           setresgid(unprivileged_id, unprivileged_id, unprivileged_id) == 0 &&
           setresuid(unprivileged_id, unprivileged_id, unprivileged_id) == 0;
}

bool limit(__rlimit_resource resource, std::uint64_t value) {
    const rlimit both{value, value};
    return setrlimit(resource, &both) == 0;
}

/// The same for every task.
bool limit_always() {
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_NPROC, 0) &&
           limit(RLIMIT_MEMLOCK, 0);
}

bool limit_resources(const LockdownLimits& limits) {
    bool all = true;
    if (limits.address_space != 0) all = limit(RLIMIT_AS, limits.address_space) && all;
    if (limits.data_bytes != 0) all = limit(RLIMIT_DATA, limits.data_bytes) && all;
    if (limits.cpu_seconds != 0) all = limit(RLIMIT_CPU, limits.cpu_seconds) && all;
    return all;
}

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

bool allow(const Filter& filter, int call) {
    return seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) == 0;
}

bool refuse(const Filter& filter, int call, int error) {
    return seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, 0) ==
           0;
}

bool allow_when(const Filter& filter, int call, scmp_arg_cmp condition) {
    return seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &condition) == 0;
}

scmp_arg_cmp argument_is(unsigned index, std::uint64_t value) {
    return {index, SCMP_CMP_EQ, value, 0};
}
/// The third argument of mmap and mprotect lacks PROT_EXEC.
scmp_arg_cmp is_not_executable() {
    return {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
}

/// What computing takes: memory, the three descriptors, an end.
bool allow_computing(const Filter& filter) {
    bool good =
        allow_when(filter, SCMP_SYS(read), argument_is(0, 0)) &&
        allow_when(filter, SCMP_SYS(write), argument_is(0, 1)) &&
        allow_when(filter, SCMP_SYS(write), argument_is(0, 2)) &&
        allow_when(filter, SCMP_SYS(mmap), is_not_executable()) &&
        allow_when(filter, SCMP_SYS(mprotect), is_not_executable()) &&
        // abort() of a failed assertion
        allow_when(filter, SCMP_SYS(tgkill), argument_is(0, static_cast<std::uint64_t>(getpid())));
    for (const int call :
         {SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk),
          SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
          SCMP_SYS(rt_sigaction), SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime),
          SCMP_SYS(gettimeofday), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(sched_yield)}) {
        good = good && allow(filter, call);
    }
    return good;
}

/// Null when the system has no such filters.
Filter make_filter() {
    Filter filter{seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release};
    if (!filter) return filter;
    bool good = allow_computing(filter);
    if (is_sanitized) {
        good = good && allow(filter, SCMP_SYS(pipe2)) && allow(filter, SCMP_SYS(close)) &&
               allow(filter, SCMP_SYS(sigaltstack)) && allow(filter, SCMP_SYS(write));
    }
    if (!good) filter.reset();
    return filter;
}

bool load_compiler_filter() {
    const Filter filter{seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release};
    if (!filter) return false;
    bool good =
        allow_computing(filter) &&
        // Threads, and no processes. The C library takes clone3's absence for an old kernel
        // and uses clone, whose flags a filter can see.
        allow_when(filter, SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD}) &&
        refuse(filter, SCMP_SYS(clone3), ENOSYS) &&
        // Asking for limits, not setting them.
        allow_when(filter, SCMP_SYS(prlimit64), argument_is(2, 0));
    for (const int call : {SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity),
                           SCMP_SYS(getrandom)}) {
        good = good && allow(filter, call);
    }
    for (const int call :
         {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat),
          SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(newfstatat),
          SCMP_SYS(statx), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(ioctl), SCMP_SYS(getcwd),
          SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(prctl)}) {
        good = good && refuse(filter, call, EACCES);
    }
    return good && seccomp_load(filter.get()) == 0;
}

Failure cannot(std::string what) {
    return {std::move(what), std::strerror(errno),
            "run on Linux 5.11 or newer, outside a container "
            "that forbids it, or use --no-sandbox"};
}

}  // namespace

struct Lockdown::State {
    Isolation isolation;
    bool has_limits = false;
    Filter filter{nullptr, &seccomp_release};
};

Lockdown::Lockdown(std::unique_ptr<State> state) : state_{std::move(state)} {}
Lockdown::Lockdown(Lockdown&&) noexcept = default;
Lockdown::~Lockdown() = default;

Outcome<Lockdown> Lockdown::begin(pid_t parent) {
    auto state = std::make_unique<State>();
    Isolation& isolation = state->isolation;
    isolation.walls |= leave_namespaces();
    if (become_unprivileged()) isolation.walls |= Isolation::unprivileged_user;
    if (geteuid() == 0) return Err{cannot("the worker cannot give up root")};
    (void)drop_capabilities();
    if (prctl(PR_SET_DUMPABLE, 0) != 0) return Err{cannot("the worker cannot become undumpable")};
    // After the change of user, which resets it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) isolation.walls |= Isolation::dies_with_parent;
    if (parent != 0 && getppid() != parent) {
        return Err{Failure{"the worker's parent is gone", "", ""}};
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return Err{cannot("the worker cannot renounce new privileges")};
    }
    isolation.walls |= Isolation::no_new_privileges;
    // Before the limit of descriptors: it takes one for a moment.
    if (renounce_files()) isolation.walls |= Isolation::landlock;
    state->has_limits = limit_always();
    state->filter = make_filter();
    return Lockdown{std::move(state)};
}

void Lockdown::refuse_descriptors() {
    state_->has_limits = limit(RLIMIT_NOFILE, is_sanitized ? 16 : 0) && state_->has_limits;
}

Outcome<Isolation> Lockdown::close(const LockdownLimits& limits) {
    refuse_descriptors();
    Isolation isolation = state_->isolation;
    if (limit_resources(limits) && state_->has_limits)
        isolation.walls |= Isolation::resource_limits;
    if (!state_->filter || seccomp_load(state_->filter.get()) != 0)
        return Err{cannot("the worker cannot load its system-call filter")};
    isolation.walls |= Isolation::syscall_filter;
    return isolation;
}

Outcome<void> enter_compiler_lockdown() {
    if (is_sanitized) return {};
    (void)leave_namespaces();
    (void)become_unprivileged();
    if (geteuid() == 0) return Err{cannot("the compiler cannot give up root")};
    (void)drop_capabilities();
    if (prctl(PR_SET_DUMPABLE, 0) != 0) return Err{cannot("the compiler cannot become undumpable")};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return Err{cannot("the compiler cannot renounce new privileges")};
    (void)renounce_files();
    // Not the number of processes: threads count as such, with those of all of the same user.
    (void)limit(RLIMIT_CORE, 0);
    (void)limit(RLIMIT_FSIZE, 0);
    (void)limit(RLIMIT_NOFILE, 0);
    (void)limit(RLIMIT_MEMLOCK, 0);
    if (!load_compiler_filter())
        return Err{cannot("the compiler cannot load its system-call filter")};
    return {};
}

}  // namespace millrace::sandbox
