// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// millrace-compile MODULE IMAGE [--threads N] [--seconds N]: compiles a WebAssembly module
// (docs/formats/compiled.md). "-" stands for the standard streams.
// millrace-compile --serve: module after module, for tests.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

#include "compiler/compile.hpp"
#include "crypto/hash.hpp"
#include "sandbox/lockdown.hpp"
#include "wasm/module.hpp"
#include "wasm/profile.hpp"

namespace {

using namespace millrace;

/// A module that makes the compiler eat memory or time ends the compiler, and nothing else.
constexpr std::uint64_t memory_max = 6ULL << 30;

struct Options {
    std::string source;
    std::string target;
    std::uint32_t threads = 0;
    std::uint32_t seconds = 3'600;
    std::uint32_t metered = 1;  ///< 0: for measurements
};

int fail(const Failure& failure) {
    std::fprintf(stderr, "error: %s\n", failure.text().c_str());
    return 1;
}

Outcome<std::string> read_all(const std::string& path) {
    if (path == "-") return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
    std::ifstream input{path, std::ios::binary};
    if (!input) return Err{Failure{"cannot read the module", path, "check the path"}};
    return std::string{std::istreambuf_iterator<char>{input}, {}};
}

Outcome<void> write_all(const std::string& path, const Bytes& bytes) {
    std::ofstream file;
    if (path != "-") file.open(path, std::ios::binary | std::ios::trunc);
    std::ostream& output = path == "-" ? std::cout : file;
    output.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    output.flush();
    if (!output) return Err{Failure{"cannot write the compiled module", path, "check the path"}};
    return {};
}

void limit_myself(const Options& options) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto limit = [](__rlimit_resource resource, std::uint64_t value) {
        const rlimit both{value, value};
        (void)setrlimit(resource, &both);
    };
#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory takes terabytes of address space
    limit(RLIMIT_AS, memory_max);
#endif
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, std::uint64_t{options.seconds} * options.threads);
}

/// Before the first byte of a module: from here on only the three descriptors. Modules named by
/// path are their user's own.
Outcome<void> lock_myself() {
    (void)crypto::sha256({});  // the library reads its configuration at the first use
    return sandbox::enter_compiler_lockdown();
}

int run(const Options& options) {
    if (options.source == "-" && options.target == "-") {
        if (const auto locked = lock_myself(); !locked) return fail(locked.error());
    }
    const auto text = read_all(options.source);
    if (!text) return fail(text.error());
    const auto module = wasm::Module::load(as_bytes(text.value()));
    if (!module) return fail({module.error().text(), options.source, ""});
    const auto image = compiler::compile_module(
        *module.value(),
        {.threads = options.threads,
         .metering = options.metered != 0 ? aot::Metering::exact : aot::Metering::none});
    if (!image) return fail(image.error());
    const auto written = write_all(options.target, aot::encode_image(image.value()));
    return written ? 0 : fail(written.error());
}

/// aot::CompilerService's other end.
int serve() {
    if (const auto locked = lock_myself(); !locked) return fail(locked.error());
    for (;;) {
        std::uint64_t size = 0;
        if (std::fread(&size, sizeof size, 1, stdin) != 1) return 0;
        if (size > wasm::module_bytes_max) return 1;
        Bytes bytes(static_cast<std::size_t>(size));
        if (size > 0 && std::fread(bytes.data(), bytes.size(), 1, stdin) != 1) return 1;
        const auto module = wasm::Module::load(bytes);
        Bytes answer;
        bool is_good = false;
        if (module) {
            const auto image = compiler::compile_module(*module.value(), {.threads = 1});
            is_good = image.has_value();
            answer = is_good ? aot::encode_image(image.value())
                             : to_bytes(as_bytes(image.error().text()));
        } else {
            answer = to_bytes(as_bytes(module.error().text()));
        }
        const std::uint64_t length = answer.size();
        std::fputc(is_good ? 0 : 1, stdout);
        std::fwrite(&length, sizeof length, 1, stdout);
        std::fwrite(answer.data(), answer.size(), 1, stdout);
        if (std::fflush(stdout) != 0) return 1;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view{argv[1]} == "--serve") return serve();
    Options options;
    for (int index = 3; index + 1 < argc; index += 2) {
        const std::string_view number = argv[index + 1];
        const std::string_view name = argv[index];
        std::uint32_t& value = name == "--threads"   ? options.threads
                               : name == "--metered" ? options.metered
                                                     : options.seconds;
        std::from_chars(number.data(), number.data() + number.size(), value);
    }
    if (argc < 3 || argc % 2 == 0) {
        std::fputs(
            "usage: millrace-compile MODULE IMAGE [--threads N] [--seconds N] [--metered 0|1]\n",
            stderr);
        return 2;
    }
    if (options.threads == 0) options.threads = std::max(1U, std::thread::hardware_concurrency());
    options.source = argv[1];
    options.target = argv[2];
    limit_myself(options);
    return run(options);
}
