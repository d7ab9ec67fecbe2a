// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "aot/compile.hpp"
#include "crypto/hash.hpp"
#include "engine/state.hpp"

namespace millrace::engine {

namespace {

template <typename Item>
std::vector<std::string> described(const std::vector<Item>& items) {
    std::vector<std::string> lines;
    lines.reserve(items.size());
    for (const Item& item : items)
        lines.push_back(describe(item));
    return lines;
}

}  // namespace

std::string Error::text() const {
    return Failure{what, where, remedy}.text();
}

Error to_error(const Failure& failure) {
    return {failure.what, failure.where, failure.remedy};
}

std::string describe(const wasm::ImportInfo& import) {
    return std::string{import.module} + "." + std::string{import.name} + ": " + import.type;
}

std::string describe(const wasm::ExportInfo& item) {
    return std::string{item.name} + ": " + item.type;
}

Result<Module> Module::load(BytesView bytes) {
    auto loaded = wasm::Module::load(bytes);
    if (!loaded) {
        return Error{loaded.error().text(), "",
                     "docs/formats/profile.md says what a module may contain"};
    }
    auto state = std::make_shared<State>();
    state->module = std::move(loaded).value();
    state->bytes.assign(bytes.begin(), bytes.end());
    state->hash = crypto::sha256(bytes);
    return Module{std::move(state)};
}

std::vector<std::string> Module::imports() const {
    return described(state_->module->imports());
}
std::vector<std::string> Module::exports() const {
    return described(state_->module->exports());
}
const Bytes& Module::bytes() const noexcept {
    return state_->bytes;
}

Result<MachineCode> MachineCode::compile(const Module& module, const Compiler& compiler) {
    auto image = aot::compile_elsewhere(
        module.bytes(), {.program = compiler.program, .seconds_max = compiler.seconds_max});
    if (!image) return to_error(image.error());
    return load(*image);
}

Result<MachineCode> MachineCode::load(BytesView bytes) {
    auto image = aot::LoadedImage::load(bytes);
    if (!image) return to_error(image.error());
    auto state = std::make_shared<State>();
    state->image = std::move(image).value();
    state->bytes.assign(bytes.begin(), bytes.end());
    return MachineCode{std::move(state)};
}

const Bytes& MachineCode::bytes() const noexcept {
    return state_->bytes;
}

std::optional<Error> tier_of(const Module& module, const MachineCode* code,
                             std::unique_ptr<wasm::NativeTier>& tier) {
    tier.reset();
    if (code == nullptr) return std::nullopt;
    const auto image = code->state().image;
    if (image->module() != module.state().hash) {
        return Error{"this machine code was made of another module", "",
                     "compile the module again, or run it interpreted"};
    }
    tier = aot::make_tier([image](const wasm::Module&) {
        return Outcome<std::shared_ptr<const aot::LoadedImage>>{image};
    });
    return std::nullopt;
}

bool can_run_machine_code() noexcept {
    return aot::can_run_here();
}

}  // namespace millrace::engine
