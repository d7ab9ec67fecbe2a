// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "io/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>

#include "io/event_loop.hpp"
#include "io/files.hpp"
#include "io/spawn.hpp"
#include "io/temporary_folder.hpp"

namespace millrace::io {
namespace {

/// A supervisor whose children are shell scripts; `$2` is the number of the ready descriptor.
struct World {
    TemporaryFolder folder;
    EventLoop loop;
    std::map<std::string, std::vector<std::string>> ready;
    std::vector<std::string> exits;
    std::map<std::string, Failure> failures;
    std::function<void()> changed = [] {};
    Supervisor supervisor{loop,
                          {.on_ready =
                               [this](const std::string& name, const std::string& line) {
                                   ready[name].push_back(line);
                                   changed();
                               },
                           .on_exit =
                               [this](const std::string& name, const std::string& how) {
                                   exits.push_back(name + ": " + how);
                                   changed();
                               },
                           .on_failed =
                               [this](const std::string& name, const Failure& why) {
                                   failures.emplace(name, why);
                                   changed();
                               }}};

    ChildSpec script(const std::string& name, const std::string& text) const {
        ChildSpec spec;
        spec.name = name;
        spec.command = {"sh", "-c",
                        "ready() { echo \"READY $1\" > /proc/self/fd/$fd; }; fd=$2; " + text, "sh"};
        spec.log_file = folder / (name + ".log");
        spec.restart.backoff_min = Duration{1};
        spec.restart.backoff_max = Duration{4};
        return spec;
    }
    template <typename Condition>
    void until(Condition condition) {
        changed = [this, condition] {
            if (condition()) loop.stop();
        };
        if (!condition()) loop.run();
    }
    void stop_all() {
        supervisor.stop_all([this] { loop.stop(); });
        loop.run();
    }
};

bool is_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

TEST(Supervisor, a_child_is_ready_when_it_says_so_and_its_output_is_kept) {
    World world;
    ASSERT_TRUE(world.supervisor.start(
        world.script("a", "echo out; echo err >&2; ready '{\"port\":4711}'; exec sleep 1000")));
    world.until([&] { return world.ready.contains("a"); });
    EXPECT_EQ(world.ready["a"].front(), "{\"port\":4711}");
    EXPECT_EQ(*read_text_file(world.folder / "a.log", 100), "out\nerr\n");
    const auto status = world.supervisor.status("a");
    ASSERT_TRUE(status);
    EXPECT_EQ(status->state, ChildState::ready);
    EXPECT_TRUE(is_alive(status->pid));
    EXPECT_EQ(::getpgid(status->pid), status->pid);
    world.stop_all();
    EXPECT_EQ(world.supervisor.status("a")->state, ChildState::stopped);
    EXPECT_FALSE(is_alive(status->pid));
}

TEST(Supervisor, a_foreign_program_is_ready_when_it_prints_the_line) {
    World world;
    ChildSpec spec = world.script("chain",
                                  "echo starting; echo 'Listening on 127.0.0.1:8545'; "
                                  "exec sleep 1000");
    spec.ready_by = ReadyBy::output_line;
    spec.ready_text = "Listening on ";
    ASSERT_TRUE(world.supervisor.start(spec));
    world.until([&] { return world.ready.contains("chain"); });
    EXPECT_EQ(world.ready["chain"].front(), "Listening on 127.0.0.1:8545");
    world.stop_all();
    EXPECT_EQ(*read_text_file(world.folder / "chain.log", 1'000),
              "starting\nListening on 127.0.0.1:8545\n");
}

TEST(Supervisor, a_program_that_is_not_there_fails_at_once) {
    World world;
    ChildSpec spec;
    spec.name = "a";
    spec.command = {"millrace-no-such-program"};
    const auto started = world.supervisor.start(spec);
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().what.find("millrace-no-such-program"), std::string::npos);
    spec.command = {"/nonexistent/program"};
    EXPECT_FALSE(world.supervisor.start(spec));
    EXPECT_TRUE(world.supervisor.status().empty());
}

TEST(Supervisor, a_child_that_ends_before_it_is_ready_has_failed_with_its_last_words) {
    World world;
    ASSERT_TRUE(world.supervisor.start(world.script("a", "echo 'no such key' >&2; exit 3")));
    world.until([&] { return !world.failures.empty(); });
    const Failure& why = world.failures.at("a");
    EXPECT_NE(why.what.find("exit code 3"), std::string::npos) << why.text();
    EXPECT_NE(why.remedy.find("no such key"), std::string::npos) << why.text();
    EXPECT_EQ(why.where, world.folder / "a.log");
}

TEST(Supervisor, a_child_that_never_gets_ready_is_killed) {
    World world;
    ChildSpec spec = world.script("a", "exec sleep 1000");
    spec.ready_time_max = Duration{20};
    ASSERT_TRUE(world.supervisor.start(spec));
    world.until([&] { return !world.failures.empty(); });
    EXPECT_NE(world.failures.at("a").what.find("not ready within"), std::string::npos);
}

TEST(Supervisor, a_child_that_dies_is_started_again) {
    World world;
    const std::string flag = world.folder / "flag";
    ASSERT_TRUE(world.supervisor.start(
        world.script("a", "ready 1; if [ -e " + flag + " ]; then exec sleep 1000; fi; touch " +
                              flag + "; kill -9 $$")));
    world.until([&] { return world.ready["a"].size() == 2; });
    EXPECT_EQ(world.exits, std::vector<std::string>{"a: killed by signal 9 (Killed)"});
    EXPECT_EQ(world.supervisor.status("a")->restarts, 1u);
    world.stop_all();
}

TEST(Supervisor, a_changed_command_counts_from_the_next_start_on) {
    World world;
    const ChildSpec first = world.script("a", "ready first; read line < " + (world.folder / "go"));
    const ChildSpec second = world.script("a", "ready second; exec sleep 1000");
    ASSERT_EQ(::mkfifo((world.folder / "go").c_str(), 0600), 0);
    world.supervisor.set_command("nobody", second.command);
    ASSERT_TRUE(world.supervisor.start(first));
    world.until([&] { return world.ready["a"].size() == 1; });
    const pid_t pid = world.supervisor.status("a")->pid;
    world.supervisor.set_command("a", second.command);
    EXPECT_EQ(world.supervisor.status("a")->pid, pid) << "what runs is left alone";
    std::ofstream{world.folder / "go"} << "end\n";
    world.until([&] { return world.ready["a"].size() == 2; });
    EXPECT_EQ(world.ready["a"], (std::vector<std::string>{"first", "second"}));
    world.stop_all();
}

TEST(Supervisor, restarts_are_bounded) {
    World world;
    ChildSpec spec = world.script("a", "ready 1; exit 4");
    spec.restart.restarts_max = 3;
    ASSERT_TRUE(world.supervisor.start(spec));
    world.until([&] { return !world.failures.empty(); });
    EXPECT_EQ(world.ready["a"].size(), 4u);
    EXPECT_NE(world.failures.at("a").what.find("4 times"), std::string::npos)
        << world.failures.at("a").text();
    EXPECT_EQ(world.supervisor.status("a")->state, ChildState::failed);
}

TEST(Supervisor, a_child_deaf_to_sigterm_is_killed_with_its_group) {
    World world;
    ChildSpec spec =
        world.script("a", "trap '' TERM; sleep 1000 & echo $! > " + (world.folder / "grandchild") +
                              "; ready 1; while :; do sleep 1000; done");
    spec.stop_time_max = Duration{20};
    ASSERT_TRUE(world.supervisor.start(spec));
    world.until([&] { return world.ready.contains("a"); });
    const pid_t grandchild = std::stoi(*read_text_file(world.folder / "grandchild", 20));
    EXPECT_TRUE(is_alive(grandchild));
    world.stop_all();
    EXPECT_FALSE(is_alive(grandchild));
    EXPECT_TRUE(children_of_this_process().empty());
}

TEST(Supervisor, what_leaves_its_group_and_its_parent_does_not_escape) {
    World world;
    ASSERT_TRUE(world.supervisor.start(
        world.script("a", "setsid sh -c 'setsid sleep 1000 & echo $! > " +
                              (world.folder / "escaped") + "'; ready 1; exec sleep 1000")));
    world.until([&] { return world.ready.contains("a"); });
    const pid_t escaped = std::stoi(*read_text_file(world.folder / "escaped", 20));
    EXPECT_TRUE(is_alive(escaped));
    world.stop_all();
    EXPECT_FALSE(is_alive(escaped));
    EXPECT_TRUE(children_of_this_process().empty());
}

TEST(Supervisor, higher_stages_end_before_lower_ones) {
    World world;
    const std::string order = world.folder / "order";
    for (const auto& [name, stage] :
         std::map<std::string, std::uint32_t>{{"chain", 0}, {"agent", 2}, {"provider", 1}}) {
        ChildSpec spec = world.script(name, "trap 'echo " + name + " >> " + order +
                                                "; exit 0' TERM; ready 1; while :; do "
                                                "sleep 1000 & wait $!; done");
        spec.stage = stage;
        ASSERT_TRUE(world.supervisor.start(spec));
    }
    world.until([&] { return world.ready.size() == 3; });
    world.stop_all();
    EXPECT_EQ(*read_text_file(order, 100), "agent\nprovider\nchain\n");
}

TEST(Supervisor, children_get_the_environment_they_are_given_and_none_of_our_descriptors) {
    World world;
    const int ours = ::open("/dev/null", O_RDONLY);  // without close-on-exec on purpose
    ::setenv("MILLRACE_TEST_REMOVED", "1", 1);
    ChildSpec spec =
        world.script("a", "echo \"$GIVEN,$MILLRACE_TEST_REMOVED\"; [ -e /proc/self/fd/" +
                              std::to_string(ours) + " ] && echo leaked; ready 1; exec sleep 1000");
    spec.environment = {{"GIVEN", "yes"}};
    spec.environment_removed = {"MILLRACE_TEST_REMOVED"};
    ASSERT_TRUE(world.supervisor.start(spec));
    world.until([&] { return world.ready.contains("a"); });
    EXPECT_EQ(*read_text_file(world.folder / "a.log", 100), "yes,\n");
    ::close(ours);
}

TEST(Supervisor, a_name_is_used_once_until_it_has_ended) {
    World world;
    const ChildSpec spec = world.script("a", "ready 1; exec sleep 1000");
    ASSERT_TRUE(world.supervisor.start(spec));
    EXPECT_FALSE(world.supervisor.start(spec));
    bool stopped = false;
    world.supervisor.stop("a", [&] {
        stopped = true;
        world.loop.stop();
    });
    world.loop.run();
    EXPECT_TRUE(stopped);
    EXPECT_TRUE(world.supervisor.start(spec));
}

TEST(Supervisor, children_die_with_a_supervisor_that_is_killed) {
    const TemporaryFolder folder;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that the orphan can be waited for here
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        EventLoop loop;
        Supervisor* supervisor =
            new Supervisor{loop, {.on_ready = [&](const std::string&, const std::string& line) {
                               static_cast<void>(atomic_write_file(folder / "pid", as_bytes(line)));
                               ::kill(::getpid(), SIGKILL);
                           }}};
        ChildSpec spec;
        spec.name = "a";
        spec.command = {"sh", "-c", "echo READY $$ > /proc/self/fd/$2; exec sleep 1000", "sh"};
        if (!supervisor->start(spec)) ::_exit(1);
        loop.run();
        ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(parent, &status, 0), parent);
    ASSERT_TRUE(WIFSIGNALED(status));
    const pid_t orphan = std::stoi(*read_text_file(folder / "pid", 20));
    ASSERT_EQ(::waitpid(orphan, &status, 0), orphan);
    EXPECT_TRUE(WIFSIGNALED(status));
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(Process, own_executable_is_this_program) {
    const auto path = own_executable();
    ASSERT_TRUE(path);
    EXPECT_NE(path->find("millrace_io_test"), std::string::npos);
}

}  // namespace
}  // namespace millrace::io
