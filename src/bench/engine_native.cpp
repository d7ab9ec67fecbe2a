// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <dlfcn.h>

#include <ctime>

#include "bench/engine.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

class NativeEngine : public Engine {
  public:
    explicit NativeEngine(fs::path folder) : folder_{std::move(folder)} {}

    [[nodiscard]] std::string name() const override { return "native"; }

    Outcome<Sample> run(const Kernel& kernel) override {
        const fs::path path = folder_ / (kernel.name + ".so");
        void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        void* symbol = library != nullptr ? dlsym(library, "run") : nullptr;
        if (symbol == nullptr) {
            return Err{Failure{"the native kernel cannot be loaded", path.string(),
                               "build the target bench-kernels again"}};
        }
        const auto function = reinterpret_cast<std::int64_t (*)(std::int32_t)>(symbol);
        const double start = processor_seconds();
        const std::int64_t checksum = function(kernel.size);
        const double seconds = processor_seconds() - start;
        dlclose(library);
        return Sample{checksum, seconds, std::nullopt};
    }

  private:
    fs::path folder_;
};

}  // namespace

std::vector<Kernel> all_kernels() {
    return {{"gemm", 30},
            {"nbody", 400},
            {"sha256", 200},
            {"lz", 20},
            {"mandelbrot", 480},
            {"json", 28},
            {"chess", 13},
            {"sqlite", 130},
            {"lua", 110},
            // The first one again, as WebAssembly with SIMD.
            {"gemm-simd", 30, false}};
}

double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::unique_ptr<Engine> make_native_engine(const fs::path& folder, std::string& absence) {
    if (!fs::exists(folder / "gemm.so")) {
        absence = "clang-19 was absent when this program was built";
        return nullptr;
    }
    return std::make_unique<NativeEngine>(folder);
}

}  // namespace millrace::bench
