// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "aot/cache.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "aot/image.hpp"
#include "crypto/hash.hpp"
#include "wasm/sample_modules.hpp"

namespace millrace::aot {
namespace {

namespace fs = std::filesystem;

class Folder {
  public:
    Folder() {
        std::string path = (fs::temp_directory_path() / "millrace-cache-XXXXXX").string();
        EXPECT_NE(mkdtemp(path.data()), nullptr);
        path_ = path;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    [[nodiscard]] std::string path() const { return path_.string(); }
    /// The only entry.
    [[nodiscard]] fs::path entry() const {
        fs::path found;
        for (const auto& item : fs::directory_iterator{path_}) {
            if (item.path().extension() == ".mlr") found = item.path();
        }
        return found;
    }
    [[nodiscard]] std::size_t count() const {
        std::size_t count = 0;
        for (const auto& item : fs::directory_iterator{path_})
            count += item.path().extension() == ".mlr" ? 1U : 0U;
        return count;
    }

  private:
    fs::path path_;
};

Hash32 module_of(int number) {
    return crypto::sha256(as_bytes("module " + std::to_string(number)));
}

Bytes image_of(int number, std::size_t code_size = 64) {
    Image image;
    image.module = module_of(number);
    image.functions = {{0, 16}};
    image.code.assign(code_size, 0xcc);
    return encode_image(image);
}

ImageCache open_at(const std::string& path, std::uint64_t bytes_max = 1 << 20) {
    auto cache = ImageCache::open(path, bytes_max);
    EXPECT_TRUE(cache.has_value()) << cache.error().text();
    return std::move(cache).value();
}

TEST(ImageCache, gives_back_what_it_keeps_and_nothing_else) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    EXPECT_EQ(cache.find(module_of(1)).image, nullptr);
    ASSERT_TRUE(cache.keep(module_of(1), image_of(1)).has_value());
    const auto found = cache.find(module_of(1));
    ASSERT_NE(found.image, nullptr);
    EXPECT_EQ(*found.image, image_of(1));
    EXPECT_TRUE(found.discarded.empty());
    EXPECT_EQ(cache.find(module_of(2)).image, nullptr);
    EXPECT_EQ(open_at(folder.path()).find(module_of(1)).image == nullptr, false);
}

TEST(ImageCache, every_truncation_is_discarded_with_a_word) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    const std::size_t size = image_of(1).size();
    for (std::size_t length = 0; length < size; ++length) {
        ASSERT_TRUE(cache.keep(module_of(1), image_of(1)).has_value());
        fs::resize_file(folder.entry(), length);
        const auto found = cache.find(module_of(1));
        ASSERT_EQ(found.image, nullptr) << length;
        ASSERT_NE(found.discarded.find("discarded"), std::string::npos);
        ASSERT_EQ(folder.count(), 0U);
    }
}

TEST(ImageCache, damage_and_the_image_of_another_module_are_discarded) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    Bytes damaged = image_of(1);
    damaged[damaged.size() - 40] ^= 1;  // in the code
    ASSERT_TRUE(cache.keep(module_of(1), damaged).has_value());
    EXPECT_NE(cache.find(module_of(1)).discarded.find("damaged"), std::string::npos);
    ASSERT_TRUE(cache.keep(module_of(1), image_of(2)).has_value());
    EXPECT_NE(cache.find(module_of(1)).discarded.find("another module"), std::string::npos);
    EXPECT_EQ(folder.count(), 0U);
}

TEST(ImageCache, links_pipes_and_files_that_others_may_write_are_not_read) {
    const Folder folder;
    const Folder elsewhere;
    const ImageCache cache = open_at(folder.path());
    ASSERT_TRUE(cache.keep(module_of(1), image_of(1)).has_value());
    const fs::path entry = folder.entry();
    fs::rename(entry, elsewhere.path() + "/moved");
    fs::create_symlink(elsewhere.path() + "/moved", entry);
    EXPECT_FALSE(cache.find(module_of(1)).discarded.empty());
    EXPECT_TRUE(fs::exists(elsewhere.path() + "/moved"));  // the link goes, not what it names

    ASSERT_EQ(mkfifo(entry.c_str(), 0600), 0);
    EXPECT_NE(cache.find(module_of(1)).discarded.find("no plain file"), std::string::npos);

    ASSERT_TRUE(cache.keep(module_of(1), image_of(1)).has_value());
    ASSERT_EQ(chmod(entry.c_str(), 0622), 0);
    EXPECT_NE(cache.find(module_of(1)).discarded.find("others may write"), std::string::npos);

    fs::create_directory(entry);
    EXPECT_EQ(cache.find(module_of(1)).image, nullptr);
    EXPECT_FALSE(cache.keep(module_of(1), image_of(1)).has_value());
}

TEST(ImageCache, refuses_a_folder_that_is_not_its_users_alone) {
    const Folder folder;
    const std::string inner = folder.path() + "/compiled";
    fs::create_directory(inner);
    ASSERT_EQ(chmod(inner.c_str(), 0770), 0);
    const auto writable = ImageCache::open(inner);
    ASSERT_FALSE(writable.has_value());
    EXPECT_NE(writable.error().text().find("others may write"), std::string::npos);
    fs::create_directory_symlink(inner, folder.path() + "/link");
    EXPECT_FALSE(ImageCache::open(folder.path() + "/link").has_value());
    EXPECT_FALSE(ImageCache::open(folder.path() + "/no/such").has_value());
    if (geteuid() == 0) {
        ASSERT_EQ(chmod(inner.c_str(), 0700), 0);
        ASSERT_EQ(chown(inner.c_str(), 65534, 65534), 0);
        const auto foreign = ImageCache::open(inner);
        ASSERT_FALSE(foreign.has_value());
        EXPECT_NE(foreign.error().text().find("another user"), std::string::npos);
    }
}

TEST(ImageCache, deletes_what_was_used_least_recently) {
    const Folder folder;
    const std::size_t size = image_of(0, 1000).size();
    const ImageCache cache = open_at(folder.path(), 3 * size);
    timespec used{1'000'000'000, 0};
    for (int number = 0; number < 3; ++number) {
        ASSERT_TRUE(cache.keep(module_of(number), image_of(number, 1000)).has_value());
        for (const auto& item : fs::directory_iterator{folder.path()}) {
            if (!item.path().filename().string().starts_with(to_hex(module_of(number).view())))
                continue;
            used.tv_sec += 10;
            const timespec both[2] = {used, used};
            ASSERT_EQ(utimensat(AT_FDCWD, item.path().c_str(), both, 0), 0);
        }
    }
    ASSERT_NE(cache.find(module_of(0)).image, nullptr);  // the oldest file, but used now
    ASSERT_TRUE(cache.keep(module_of(3), image_of(3, 1000)).has_value());
    EXPECT_EQ(folder.count(), 3U);
    EXPECT_EQ(cache.find(module_of(1)).image, nullptr);
    EXPECT_NE(cache.find(module_of(0)).image, nullptr);
    EXPECT_NE(cache.find(module_of(3)).image, nullptr);
}

TEST(ImageCache, keeps_no_image_that_is_larger_than_all_of_it) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path(), 500);
    ASSERT_TRUE(cache.keep(module_of(1), image_of(1, 1000)).has_value());
    EXPECT_EQ(folder.count(), 0U);
}

TEST(ImageCache, what_a_dead_process_left_unfinished_is_deleted) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    const std::string old = folder.path() + "/unfinished-0011223344556677";
    std::ofstream{old} << "half";
    const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, old.c_str(), long_ago, 0), 0);
    const std::string young = folder.path() + "/unfinished-8899aabbccddeeff";
    std::ofstream{young} << "half";
    ASSERT_TRUE(cache.keep(module_of(1), image_of(1)).has_value());
    EXPECT_FALSE(fs::exists(old));
    EXPECT_TRUE(fs::exists(young));
}

TEST(ImageCache, one_process_at_a_time_has_the_claim_and_death_frees_it) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    int ends[2] = {-1, -1};
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto claim = cache.claim(module_of(1), false);
        const char word = claim ? 'y' : 'n';
        if (write(ends[1], &word, 1) != 1) _exit(1);
        pause();
    }
    char word = 0;
    ASSERT_EQ(read(ends[0], &word, 1), 1);
    EXPECT_EQ(word, 'y');
    EXPECT_FALSE(cache.claim(module_of(1), false).has_value());
    EXPECT_TRUE(cache.claim(module_of(2), false).has_value());
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_TRUE(cache.claim(module_of(1), true).has_value());
    close(ends[0]);
    close(ends[1]);
}

TEST(ImageCache, many_writers_and_readers_at_once_see_whole_images_only) {
    const Folder folder;
    const std::size_t size = image_of(0, 5000).size();
    const auto work = [&](int start) {
        const ImageCache cache = open_at(folder.path(), 4 * size);
        for (int round = 0; round < 200; ++round) {
            const int number = (start + round) % 7;
            const auto found = cache.find(module_of(number));
            EXPECT_EQ(found.discarded, "");
            if (found.image) {
                EXPECT_EQ(*found.image, image_of(number, 5000));
            } else {
                EXPECT_TRUE(cache.keep(module_of(number), image_of(number, 5000)).has_value());
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        threads.reserve(4);
        for (int number = 0; number < 4; ++number)
            threads.emplace_back(work, number);
    }
    EXPECT_LE(folder.count(), 4U);
}

TEST(CompileCached, compiles_once_and_again_after_damage) {
    const Folder folder;
    const ImageCache cache = open_at(folder.path());
    const Bytes module = wasm::ModuleWriter{}.function("nothing", {}, {0x0b}).bytes();
    const CompileJob job{.program = MILLRACE_COMPILER, .threads = 1};
    std::string notes;
    const auto note = [&](const std::string& text) { notes += text + "\n"; };
    const auto first = compile_cached(cache, module, job, note);
    ASSERT_TRUE(first.has_value()) << first.error().text();
    const CompileJob none{.program = "/no/such/compiler"};
    const auto second = compile_cached(cache, module, none, note);
    ASSERT_TRUE(second.has_value()) << second.error().text();
    EXPECT_EQ(**first, **second);
    EXPECT_EQ(notes, "");
    fs::resize_file(folder.entry(), 100);
    const auto third = compile_cached(cache, module, job, note);
    ASSERT_TRUE(third.has_value()) << third.error().text();
    EXPECT_EQ(**first, **third);
    EXPECT_NE(notes.find("discarded"), std::string::npos);
    EXPECT_NE(cache.find(crypto::sha256(module)).image, nullptr);
}

}  // namespace
}  // namespace millrace::aot
