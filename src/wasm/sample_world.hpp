// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasm/instance.hpp"
#include "wasm/sample_modules.hpp"

/// For tests: one module in a store of its own.
namespace millrace::wasm {

struct World {
    explicit World(const Bytes& bytes, StoreLimits limits = {}) : store{limits} {
        auto loaded = Module::load(bytes);
        if (!loaded) {
            ADD_FAILURE() << loaded.error().text();
            return;
        }
        module = std::move(loaded).value();
    }
    Instance& start() {
        auto built = linker.instantiate(module);
        if (!built) ADD_FAILURE() << built.error().message;
        instance = built.value();
        return *instance;
    }
    std::string run(std::string_view name, std::vector<Value> args = {}) {
        if (instance == nullptr) start();
        return to_text(instance->invoke(name, args));
    }
    Store store;
    Linker linker{store};
    std::shared_ptr<const Module> module;
    Instance* instance = nullptr;
};

/// A module of one function "f", with a memory of 1 to 3 pages.
inline Bytes one(const FuncType& type, Bytes code, std::uint32_t locals = 0) {
    return ModuleWriter{}.memory(1, 3).function("f", type, std::move(code), locals).bytes();
}

}  // namespace millrace::wasm
