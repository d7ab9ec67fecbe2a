// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <fstream>
#include <iterator>
#include <map>

#include "aot/compile.hpp"
#include "aot/tier.hpp"
#include "bench/engine.hpp"
#include "wasm/instance.hpp"
#include "wasm/module_data.hpp"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

class CompiledEngine : public Engine {
  public:
    CompiledEngine(fs::path folder, aot::Metering metering)
        : folder_{std::move(folder)}, metering_{metering} {}

    [[nodiscard]] std::string name() const override {
        return is_metered() ? "compiled" : "unmetered";
    }

    Outcome<Sample> run(const Kernel& kernel) override {
        const fs::path path = folder_ / (kernel.name + ".wasm");
        std::ifstream file{path, std::ios::binary};
        const std::vector<char> bytes{std::istreambuf_iterator<char>{file}, {}};
        const auto module = wasm::Module::load(
            ByteView{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        if (!module) return Err{Failure{module.error().text(), path.string(), ""}};
        MILLRACE_TRY(auto image, image_of(kernel.name, module.value()->data().bytes));
        wasm::Store store;
        store.use(aot::make_tier([&](const wasm::Module&) { return image; }));
        store.set_fuel_limit(std::uint64_t{1} << 50);
        wasm::Linker linker{store};
        auto instance = linker.instantiate(module.value());
        if (!instance) return Err{Failure{instance.error().message, path.string(), ""}};
        const std::uint64_t fuel_before = store.fuel_used();
        const wasm::Value size = wasm::Value::i32(static_cast<std::uint32_t>(kernel.size));
        const double start = processor_seconds();
        const wasm::RunOutcome outcome = instance.value()->invoke("run", {&size, 1});
        const double seconds = processor_seconds() - start;
        const auto* returned = std::get_if<wasm::Returned>(&outcome);
        if (returned == nullptr || returned->values.size() != 1) {
            return Err{
                Failure{"the kernel ended with: " + wasm::to_text(outcome), path.string(), ""}};
        }
        Sample sample{static_cast<std::int64_t>(returned->values[0].as_i64()), seconds, {}};
        if (is_metered()) sample.fuel = store.fuel_used() - fuel_before;
        return sample;
    }

  private:
    [[nodiscard]] bool is_metered() const noexcept { return metering_ == aot::Metering::exact; }
    using Image = std::shared_ptr<const aot::LoadedImage>;
    /// Compiled at the first run of a kernel; that time is not measured here.
    Outcome<Image> image_of(const std::string& name, ByteView bytes) {
        Image& known = images_[name];
        if (known == nullptr) {
            aot::CompileJob job;
            job.metering = metering_;
            MILLRACE_TRY(const Bytes file, aot::compile_elsewhere(bytes, job));
            MILLRACE_TRY(known, aot::LoadedImage::load(file, metering_));
        }
        return known;
    }

    fs::path folder_;
    aot::Metering metering_;
    std::map<std::string, Image> images_;
};

std::unique_ptr<Engine> make(const fs::path& folder, std::string& absence, aot::Metering metering) {
    if (!fs::exists(folder / "gemm.wasm")) {
        absence = "clang-19 was absent when this program was built";
        return nullptr;
    }
    return std::make_unique<CompiledEngine>(folder, metering);
}

}  // namespace

std::unique_ptr<Engine> make_compiled_engine(const fs::path& folder, std::string& absence) {
    return make(folder, absence, aot::Metering::exact);
}

std::unique_ptr<Engine> make_unmetered_engine(const fs::path& folder, std::string& absence) {
    return make(folder, absence, aot::Metering::none);
}

}  // namespace millrace::bench
