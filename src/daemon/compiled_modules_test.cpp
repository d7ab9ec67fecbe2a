// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "daemon/compiled_modules.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "crypto/hash.hpp"
#include "io/event_loop.hpp"
#include "io/temporary_folder.hpp"
#include "wasi/samples.hpp"

namespace millrace::daemon {
namespace {

const wasi::SharedBytes module =
    std::make_shared<const Bytes>(*from_hex(wasi::samples::endless_loop));
const Hash32 hash = crypto::sha256(*module);
constexpr Fuel much{TierPolicy::fuel_min};

/// What a false compiler does.
struct Script {
    std::string_view text;
};

/// A provider's modules in a folder of their own, compiled by `compiler`.
struct Provider {
    io::TemporaryFolder home;
    io::EventLoop loop;
    std::unique_ptr<CompiledModules> modules;

    explicit Provider(Tier tier, std::string compiler = MILLRACE_COMPILER,
                      std::uint64_t seconds_max = 60) {
        modules = std::make_unique<CompiledModules>(
            loop, CompiledModules::Options{.tier = tier,
                                           .folder = home / "compiled",
                                           .compiler = std::move(compiler),
                                           .seconds_max = seconds_max});
    }
    Provider(Tier tier, Script script, std::uint64_t seconds_max) : Provider{tier} {
        const std::string path = home / "compiler";
        std::ofstream{path} << "#!/bin/sh\n" << script.text << "\n";
        EXPECT_EQ(chmod(path.c_str(), 0700), 0);
        modules = std::make_unique<CompiledModules>(
            loop, CompiledModules::Options{.tier = tier,
                                           .folder = home / "compiled",
                                           .compiler = path,
                                           .seconds_max = seconds_max});
    }
    /// What a task that starts now gets; runs the loop where it has to wait.
    wasi::SharedBytes find() {
        wasi::SharedBytes found;
        bool is_there = false;
        bool is_awaited = false;
        modules->find(hash, module, [&](wasi::SharedBytes image) {
            found = std::move(image);
            is_there = true;
            if (is_awaited) loop.stop();
        });
        is_awaited = true;
        if (!is_there) loop.run();
        return found;
    }
    /// Until the compiler has ended, well or badly.
    void wait() {
        std::function<void()> look = [&] {
            const auto& counts = modules->counts();
            if (counts.compiled + counts.failed > 0) return loop.stop();
            loop.call_after(Duration{5}, look);
        };
        loop.post(look);
        loop.run();
    }
};

TEST(CompiledModules, a_module_is_interpreted_until_it_has_been_used_enough) {
    Provider provider{Tier::automatic};
    EXPECT_EQ(provider.find(), nullptr);
    provider.modules->interpreted(hash, module, Fuel{much.value - 1});
    EXPECT_EQ(provider.find(), nullptr);
    provider.modules->interpreted(hash, module, Fuel{1});
    EXPECT_EQ(provider.find(), nullptr);  // being compiled
    provider.wait();
    EXPECT_EQ(provider.modules->counts().compiled, 1U);
    EXPECT_NE(provider.find(), nullptr);
    EXPECT_EQ(provider.modules->counts().tasks, 1U);
}

TEST(CompiledModules, tells_when_a_module_is_ready_whoever_compiled_it) {
    Provider first{Tier::automatic};
    CompiledModules second{first.loop,
                           {.folder = first.home / "compiled", .compiler = "/no/such/compiler"}};
    for (CompiledModules* modules : {first.modules.get(), &second}) {
        bool is_there = false;
        modules->on_ready([&](const Hash32& told) {
            EXPECT_EQ(told, hash);
            is_there = modules->find_ready(told) != nullptr;
            first.loop.stop();
        });
        modules->interpreted(hash, module, much);
        first.loop.run();
        EXPECT_TRUE(is_there);
    }
    EXPECT_EQ(second.counts().compiled, 0U);
}

TEST(CompiledModules, another_provider_of_the_same_home_finds_what_one_compiled) {
    Provider first{Tier::automatic};
    first.modules->interpreted(hash, module, much);
    first.wait();
    CompiledModules second{first.loop,
                           {.folder = first.home / "compiled", .compiler = "/no/such/compiler"}};
    wasi::SharedBytes found;
    second.find(hash, module, [&](wasi::SharedBytes image) { found = std::move(image); });
    EXPECT_NE(found, nullptr);
}

TEST(CompiledModules, with_tier_aot_a_task_waits_for_its_machine_code) {
    Provider provider{Tier::aot};
    EXPECT_NE(provider.find(), nullptr);
}

TEST(CompiledModules, with_tier_interp_nothing_is_compiled) {
    Provider provider{Tier::interp, "/no/such/compiler"};
    provider.modules->interpreted(hash, module, Fuel{~0ULL});
    EXPECT_EQ(provider.find(), nullptr);
    EXPECT_EQ(provider.modules->counts().failed, 0U);
}

TEST(CompiledModules, a_compiler_that_crashes_lies_or_is_missing_leaves_the_interpreter) {
    for (const char* script : {"kill -SEGV $$", "exit 1", "cat >/dev/null; echo not an image",
                               "cat >/dev/null", "exec /no/such/program"}) {
        Provider provider{Tier::automatic, Script{script}, 60};
        provider.modules->interpreted(hash, module, much);
        provider.wait();
        EXPECT_EQ(provider.modules->counts().failed, 1U) << script;
        EXPECT_EQ(provider.find(), nullptr) << script;
        provider.modules->interpreted(hash, module, Fuel{~0ULL / 2});  // not tried again
        EXPECT_EQ(provider.find(), nullptr) << script;
    }
    Provider provider{Tier::aot, "/no/such/compiler"};
    EXPECT_EQ(provider.find(), nullptr);
    EXPECT_EQ(provider.modules->counts().failed, 1U);
}

TEST(CompiledModules, a_compile_bomb_ends_by_its_time_limit) {
    Provider provider{Tier::automatic, Script{"exec sleep 1000"}, 1};
    provider.modules->interpreted(hash, module, much);
    provider.wait();
    EXPECT_EQ(provider.modules->counts().failed, 1U);
    EXPECT_EQ(provider.find(), nullptr);
}

TEST(CompiledModules, the_end_of_the_provider_ends_its_compiler) {
    Provider provider{Tier::automatic, Script{"exec sleep 1000"}, 1000};
    provider.modules->interpreted(hash, module, much);
    provider.modules.reset();  // ctest's time limit is the only clock
}

TEST(CompiledModules, code_that_failed_is_not_used_again) {
    Provider provider{Tier::automatic};
    provider.modules->interpreted(hash, module, much);
    provider.wait();
    ASSERT_NE(provider.find(), nullptr);
    provider.modules->distrust(hash, "a test");
    EXPECT_EQ(provider.find(), nullptr);
}

TEST(CompiledModules, a_folder_that_others_can_write_to_leaves_the_interpreter) {
    Provider provider{Tier::aot};
    const std::string folder = provider.home / "compiled";
    ASSERT_EQ(chmod(folder.c_str(), 0777), 0);
    CompiledModules modules{provider.loop,
                            {.tier = Tier::aot, .folder = folder, .compiler = MILLRACE_COMPILER}};
    EXPECT_EQ(modules.tier(), Tier::interp);
}

}  // namespace
}  // namespace millrace::daemon
