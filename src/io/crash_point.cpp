// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/crash_point.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "io/log.hpp"

namespace millrace::io {
namespace {

std::atomic<std::uint64_t> events{0};
std::atomic<std::uint64_t> crash_after{0};

/// False when the file was there already: this process has died before and is to live.
bool may_die_now() noexcept {
    const char* once = std::getenv("MILLRACE_CRASH_ONCE");
    if (once == nullptr || *once == '\0') return true;
    const int fd = ::open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    ::fsync(fd);
    ::close(fd);
    return true;
}

}  // namespace

void enable_crash_points(bool development_network) {
    const char* wanted = std::getenv("MILLRACE_CRASH_AFTER");
    if (wanted == nullptr || *wanted == '\0') return;
    if (!development_network) {
        log(LogLevel::warn, "MILLRACE_CRASH_AFTER is ignored: this is no development network");
        return;
    }
    char* end = nullptr;
    errno = 0;
    const unsigned long long count = std::strtoull(wanted, &end, 10);
    if (errno != 0 || *end != '\0' || *wanted == '-') {
        log(LogLevel::warn, "MILLRACE_CRASH_AFTER is not a count", {{"value", wanted}});
        return;
    }
    crash_after = count;
}

void durable_event(std::string_view what) noexcept {
    const std::uint64_t number = ++events;
    const std::uint64_t last = crash_after;
    if (last == 0 || number != last || !may_die_now()) return;
    log(LogLevel::warn, "dying on purpose after a durable event",
        {{"event", number}, {"what", what}});
    ::kill(::getpid(), SIGKILL);
    for (;;)
        ::pause();
}

std::uint64_t durable_event_count() noexcept {
    return events;
}

}  // namespace millrace::io
