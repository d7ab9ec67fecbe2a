// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Real control groups of this machine, where this user may make some.

#include "sandbox/cgroup.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/worker.hpp"

namespace millrace::sandbox {
namespace {

bool exists(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
}

/// A process that waits to be killed.
class Sleeper {
  public:
    Sleeper() : pid_{fork()} {
        if (pid_ != 0) return;
        for (;;)
            pause();
    }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    ~Sleeper() { end(); }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void end() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

  private:
    pid_t pid_;
};

/// Runs `work` in a process of its own, which then dies as by kill -9; what it wrote, by lines.
template <typename Work>
std::vector<std::string> in_a_process_that_is_killed(Work work) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        std::ostringstream out;
        work(out);
        const std::string text = out.str();
        (void)!write(ends[1], text.data(), text.size());
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(count));
    close(ends[0]);
    waitpid(pid, nullptr, 0);
    std::istringstream lines{text};
    std::vector<std::string> list;
    for (std::string line; std::getline(lines, line);)
        list.push_back(line);
    return list;
}

/// Where the groups of a process are, without its pid; empty where none can be made.
std::vector<std::string> group_starts() {
    Sleeper sleeper;
    const Cgroup group{sleeper.pid()};
    std::vector<std::string> starts = group.folders();
    for (std::string& folder : starts)
        folder.erase(folder.rfind('-') + 1);
    sleeper.end();
    return starts;
}

TEST(Cgroup, goes_with_its_object) {
    Sleeper sleeper;
    std::vector<std::string> folders;
    {
        const Cgroup group{sleeper.pid()};
        folders = group.folders();
        if (folders.empty()) GTEST_SKIP() << "no control group can be made here";
        for (const std::string& folder : folders)
            EXPECT_TRUE(exists(folder)) << folder;
        sleeper.end();
    }
    for (const std::string& folder : folders)
        EXPECT_FALSE(exists(folder)) << folder;
}

TEST(Cgroup, of_the_dead_are_swept_and_of_the_living_stay) {
    Sleeper living;
    const Cgroup group{living.pid()};
    if (group.folders().empty()) GTEST_SKIP() << "no control group can be made here";
    const auto left = in_a_process_that_is_killed([](std::ostream& out) {
        Sleeper dead;
        auto* const lost = new Cgroup{dead.pid()};  // its destructor never runs
        for (const std::string& folder : lost->folders())
            out << folder << '\n';
        dead.end();
    });
    ASSERT_EQ(left.size(), group.folders().size());
    for (const std::string& folder : left)
        ASSERT_TRUE(exists(folder)) << folder;
    Cgroup::sweep();
    for (const std::string& folder : left)
        EXPECT_FALSE(exists(folder)) << folder;
    for (const std::string& folder : group.folders())
        EXPECT_TRUE(exists(folder)) << folder;
    living.end();
}

TEST(Cgroup, what_a_killed_provider_leaves_the_next_one_sweeps) {
    const std::vector<std::string> starts = group_starts();
    if (starts.empty()) GTEST_SKIP() << "no control group can be made here";
    // So that its workers are ours to wait for.
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    WorkerOptions options;
    options.program = MILLRACE_WORKER;
    const auto left = in_a_process_that_is_killed([&](std::ostream& out) {
        std::vector<Worker> workers;
        for (int count = 0; count < 2; ++count) {
            auto worker = Worker::prepare(options);
            if (!worker) continue;
            out << worker->pid() << '\n';
            workers.push_back(std::move(*worker));
        }
        (void)new std::vector<Worker>{std::move(workers)};  // nothing of it is destroyed
    });
    ASSERT_EQ(left.size(), 2U);
    std::vector<std::string> folders;
    for (const std::string& pid : left) {
        // The kernel kills it with its parent, or it sees the end of its task.
        EXPECT_EQ(waitpid(std::stoi(pid), nullptr, 0), std::stoi(pid));
        for (const std::string& start : starts)
            folders.push_back(start + pid);
    }
    EXPECT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    for (const std::string& folder : folders)
        ASSERT_TRUE(exists(folder)) << folder;
    const WorkerPool next{options, 1};
    for (const std::string& folder : folders)
        EXPECT_FALSE(exists(folder)) << folder;
}

}  // namespace
}  // namespace millrace::sandbox
