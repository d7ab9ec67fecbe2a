// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// sandbox-probe ATTEMPT PARENT ADDRESS_SPACE CPU_SECONDS: stands in for the worker in tests. Locks
// itself as the worker does, says so, and then tries what a captured worker might. An attempt that
// is let through ends with a Failure event that says "allowed".

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

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

std::string attempt(std::string_view what) {
    char byte = 0;
    if (what == "open") return open("/etc/passwd", O_RDONLY) >= 0 ? "allowed" : "refused";
    if (what == "socket") return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? "allowed" : "refused";
    if (what == "fork") return fork() >= 0 ? "allowed" : "refused";
    if (what == "exec") {
        execl("/bin/true", "true", nullptr);
        return "refused";
    }
    if (what == "kill") return kill(getppid(), 0) == 0 ? "allowed" : "refused";
    if (what == "read other descriptor") return read(3, &byte, 1) >= 0 ? "allowed" : "refused";
    if (what == "executable memory") {
        void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page != MAP_FAILED ? "allowed" : "refused";
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

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const std::string_view what = argv[1];
    const int strays = stray_descriptors();
    const bool has_environment = environ != nullptr && *environ != nullptr;
    const auto isolation =
        sandbox::enter_lockdown({.parent = std::atoi(argv[2]),
                                 .address_space = std::strtoull(argv[3], nullptr, 10),
                                 .cpu_seconds = std::strtoull(argv[4], nullptr, 10)});
    if (!isolation) {
        say(isolation.error());
        return 0;
    }
    say(sandbox::Ready{*isolation});
    if (what == "inherited") {
        say(Failure{strays == 0 && !has_environment ? "nothing inherited" : "allowed", "", ""});
    } else {
        say(Failure{attempt(what), "", ""});
    }
    _exit(0);
}
