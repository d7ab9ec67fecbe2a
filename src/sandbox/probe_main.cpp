// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// sandbox-probe ATTEMPT PARENT: stands in for the worker in tests. Locks
// itself as the worker does, says so, and then tries what a captured worker might. An attempt that
// is let through ends with a Failure event that says "allowed".

#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "sandbox/landlock.hpp"
#include "sandbox/lockdown.hpp"
#include "sandbox/task_codec.hpp"

namespace {

using namespace millrace;

void say(const sandbox::WorkerEvent& event) {
    const Bytes frame = sandbox::encode_event(event);
    if (write(1, frame.data(), frame.size()) < 0) _exit(3);
}

/// Descriptors that came along although they should not.
int stray_descriptors() {
    int count = 0;
    for (int number = 3; number < 1024; ++number) {
        if (fcntl(number, F_GETFD) >= 0) ++count;
    }
    return count;
}

/// One system call that a captured worker might make. Its arguments are good enough to succeed
/// where nothing stands in the way, or to fail later than at a wall.
struct Attack {
    std::string_view name;
    long (*call)();
};

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
    return syscall(number, a, b, c, d, e, f);
}
long address(const void* place) {
    return reinterpret_cast<long>(place);
}

char scratch[4096];
iovec own_memory{scratch, sizeof scratch};
rlimit many{1'024, 1'024};
const sockaddr_in any_port{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};

constexpr long executable = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr long anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

const Attack attacks[] = {
    // files, and /proc as a way to other processes and to itself
    {"open", [] { return call(SYS_open, address("/etc/passwd"), O_RDONLY); }},
    {"openat", [] { return call(SYS_openat, AT_FDCWD, address("/etc/passwd"), O_RDONLY); }},
    {"openat2", [] { return call(SYS_openat2, AT_FDCWD, address("/"), address(scratch), 24); }},
    {"open /proc/self/mem",
     [] { return call(SYS_openat, AT_FDCWD, address("/proc/self/mem"), O_RDWR); }},
    {"open /proc/1/environ",
     [] { return call(SYS_openat, AT_FDCWD, address("/proc/1/environ"), O_RDONLY); }},
    {"stat", [] { return call(SYS_stat, address("/etc/passwd"), address(scratch)); }},
    {"readlink",
     [] { return call(SYS_readlink, address("/proc/self/exe"), address(scratch), 99); }},
    {"unlink", [] { return call(SYS_unlink, address("/tmp/nothing")); }},
    {"rename", [] { return call(SYS_rename, address("/tmp/nothing"), address("/tmp/no")); }},
    {"chdir", [] { return call(SYS_chdir, address("/")); }},
    {"mount", [] { return call(SYS_mount, address("x"), address("/tmp"), address("tmpfs")); }},
    {"inotify", [] { return call(SYS_inotify_init1, 0); }},
    // descriptors beside its own
    {"read other descriptor", [] { return call(SYS_read, 3, address(scratch), 1); }},
    {"write other descriptor", [] { return call(SYS_write, 3, address(scratch), 1); }},
    {"read from the result", [] { return call(SYS_read, 1, address(scratch), 1); }},
    {"dup", [] { return call(SYS_dup, 0); }},
    {"fcntl", [] { return call(SYS_fcntl, 1, F_SETFL, O_NONBLOCK); }},
    {"ioctl", [] { return call(SYS_ioctl, 0, 0x5412, address(scratch)); }},
    {"pidfd_getfd", [] { return call(SYS_pidfd_getfd, 0, 0, 0); }},
    // network
    {"socket", [] { return call(SYS_socket, AF_INET, SOCK_STREAM, 0); }},
    {"unix socket", [] { return call(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
    {"bind a port",
     [] {
         const long made = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
         return made < 0 ? made : call(SYS_bind, made, address(&any_port), sizeof any_port);
     }},
    {"socketpair", [] { return call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, address(scratch)); }},
    {"io_uring", [] { return call(SYS_io_uring_setup, 1, address(scratch)); }},
    // processes and threads: a fork bomb, or a child that outlives the task
    {"fork", [] { return call(SYS_fork); }},
    {"vfork", [] { return call(SYS_clone, CLONE_VM | SIGCHLD, address(scratch + 4000)); }},
    {"clone3", [] { return call(SYS_clone3, address(scratch), 64); }},
    {"exec", [] { return call(SYS_execve, address("/bin/true"), 0, 0); }},
    {"setsid", [] { return call(SYS_setsid); }},
    {"no death with the parent", [] { return call(SYS_prctl, PR_SET_PDEATHSIG, 0); }},
    {"timer", [] { return call(SYS_timer_create, 0, 0, address(scratch)); }},
    // signals and other processes' memory
    {"kill", [] { return call(SYS_kill, getppid(), 0); }},
    {"kill everybody", [] { return call(SYS_kill, -1, 0); }},
    {"tgkill", [] { return call(SYS_tgkill, getppid(), getppid(), 0); }},
    {"sigqueue", [] { return call(SYS_rt_sigqueueinfo, getppid(), SIGTERM, address(scratch)); }},
    {"pidfd_open", [] { return call(SYS_pidfd_open, getppid(), 0); }},
    {"ptrace", [] { return call(SYS_ptrace, PTRACE_ATTACH, getppid()); }},
    {"ptrace me", [] { return call(SYS_ptrace, PTRACE_TRACEME); }},
    {"read another task",
     [] {
         return call(SYS_process_vm_readv, 1, address(&own_memory), 1, address(&own_memory), 1);
     }},
    {"write another task",
     [] {
         return call(SYS_process_vm_writev, 1, address(&own_memory), 1, address(&own_memory), 1);
     }},
    {"kcmp", [] { return call(SYS_kcmp, getpid(), getpid(), 0, 0, 1); }},
    // memory that others see, or that runs
    {"shared memory", [] { return call(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600); }},
    {"memfd", [] { return call(SYS_memfd_create, address("x"), 0); }},
    {"message queue", [] { return call(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600); }},
    {"executable memory", [] { return call(SYS_mmap, 0, 4096, executable, anonymous, -1, 0); }},
    {"made executable",
     [] { return call(SYS_mprotect, address(scratch) & -4096, 4096, PROT_READ | PROT_EXEC); }},
    {"made executable by key", [] { return call(SYS_pkey_mprotect, 0, 4096, executable, 0); }},
    {"personality", [] { return call(SYS_personality, 0x0400000); }},  // READ_IMPLIES_EXEC
    {"userfaultfd", [] { return call(SYS_userfaultfd, 0); }},
    // back out of the walls
    {"setuid", [] { return call(SYS_setuid, 0); }},
    {"unshare", [] { return call(SYS_unshare, CLONE_NEWUSER); }},
    {"setns", [] { return call(SYS_setns, 0, 0); }},
    {"raise a limit", [] { return call(SYS_prlimit64, 0, RLIMIT_NOFILE, address(&many), 0); }},
    {"another filter", [] { return call(SYS_seccomp, 1, 0, address(scratch)); }},
    {"bpf", [] { return call(SYS_bpf, 0, address(scratch), 64); }},
    {"perf", [] { return call(SYS_perf_event_open, address(scratch), 0, -1, -1, 0); }},
    {"keys", [] { return call(SYS_keyctl, 0, -3, 0); }},
#if defined(__x86_64__)
    // the same kernel by another door: 32-bit calls and the x32 numbers
    {"open by int 0x80",
     [] {
         long result = 5;
         __asm__ volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
         return result;
     }},
    {"open by x32", [] { return call(0x40000000 | SYS_open, address("/etc/passwd"), O_RDONLY); }},
#endif
};

/// Names, for the test to walk through.
std::string names() {
    std::string all;
    for (const Attack& attack : attacks)
        all += std::string{attack.name} + "\n";
    return all;
}

std::string attempt(std::string_view what) {
    for (const Attack& attack : attacks) {
        if (attack.name == what) return attack.call() >= 0 ? "allowed" : "refused";
    }
    char byte = 0;
    if (what == "names") return names();
    if (what == "thread") {
        std::thread{[] {}}.join();
        return "ran";
    }
    if (what == "outlive") {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, nullptr);
        say(Failure{"the task is over", "", ""});
        for (;;)
            __asm__ volatile("");
    }
    if (what == "memory") {
        void* pages = mmap(nullptr, std::size_t{1} << 44, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return pages != MAP_FAILED ? "allowed" : "refused";
    }
    if (what == "spin") {
        for (;;)
            __asm__ volatile("");
    }
    if (what == "wait") {
        while (read(0, &byte, 1) >= 0) {
        }
    }
    if (what == "flood") {
        for (const Bytes junk(1 << 20, 2); write(1, junk.data(), junk.size()) > 0;) {
        }
    }
    return "unknown attempt";
}

/// Stands in for the worker: after its lockdown, or ("half: ") after the first half of it, when
/// the filter is not there yet and the other walls must hold by themselves; or ("compiler: ") for
/// the compiler; or ("landlock: ") behind that wall alone; or ("free: ") behind none.
Outcome<void> lock(std::string_view& what, pid_t parent) {
    std::array<std::uint8_t, sandbox::worker_plan_size> wire{};
    const auto starts = [&](std::string_view mode) {
        if (!what.starts_with(mode)) return false;
        what.remove_prefix(mode.size());
        return true;
    };
    if (starts("compiler: ")) {
        if (read(0, wire.data(), wire.size()) != ssize_t{wire.size()}) _exit(3);
        MILLRACE_TRY_VOID(sandbox::enter_compiler_lockdown());
        say(sandbox::Ready{});
        return {};
    }
    const bool has_landlock = starts("landlock: ");
    if (has_landlock || starts("free: ")) {
        if (read(0, wire.data(), wire.size()) != ssize_t{wire.size()}) _exit(3);
        if (has_landlock &&
            (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !sandbox::renounce_files()))
            return Err{Failure{"Landlock is not available", "", ""}};
        say(sandbox::Ready{});
        return {};
    }
    const bool is_half = starts("half: ");
    MILLRACE_TRY(auto lockdown, sandbox::Lockdown::begin(parent));
    if (read(0, wire.data(), wire.size()) != ssize_t{wire.size()}) _exit(3);
    lockdown.refuse_descriptors();
    sandbox::Isolation isolation;
    if (!is_half) {
        MILLRACE_TRY(isolation, lockdown.close(sandbox::decode_plan(wire).limits));
    }
    say(sandbox::Ready{isolation});
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::string_view what = argv[1];
    const int strays = stray_descriptors();
    const bool has_environment = environ != nullptr && *environ != nullptr;
    if (const auto locked = lock(what, std::atoi(argv[2])); !locked) {
        say(locked.error());
        return 0;
    }
    if (what == "inherited") {
        say(Failure{strays == 0 && !has_environment ? "nothing inherited" : "allowed", "", ""});
    } else {
        say(Failure{attempt(what), "", ""});
    }
    _exit(0);
}
