// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Replays a fuzz target over committed inputs: each argument is a file, or a folder of files.
// Without clang's fuzzer this is how the corpora run in every build.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
    std::vector<std::filesystem::path> files;
    for (int index = 1; index < argc; ++index) {
        const std::filesystem::path path{argv[index]};
        if (std::filesystem::is_directory(path)) {
            for (const auto& entry : std::filesystem::directory_iterator{path}) {
                if (entry.is_regular_file()) files.push_back(entry.path());
            }
        } else {
            files.push_back(path);
        }
    }
    if (files.empty()) {
        std::fprintf(stderr, "no inputs given: the corpus folder is missing or empty\n");
        return 1;
    }
    std::ranges::sort(files);
    for (const auto& file : files) {
        std::ifstream stream{file, std::ios::binary};
        if (!stream) {
            std::fprintf(stderr, "cannot read %s\n", file.c_str());
            return 1;
        }
        const std::vector<char> content{std::istreambuf_iterator<char>{stream}, {}};
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()),
                               content.size());
    }
    std::printf("replayed %zu inputs\n", files.size());
    return 0;
}
