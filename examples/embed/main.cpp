// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// embed PLUGIN.wasm TEXT: a host of plug-ins. It lends the plug-in one function, gives it a text,
// and stops it when it uses more fuel than it was granted. See docs/embedding.md.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <millrace/engine.hpp>
#include <string>

using namespace millrace::engine;

namespace {

int complain(const Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.text().c_str());
    return 1;
}

/// What the plug-in may call: host.log(address, size).
HostEnd log_line(Caller& caller, std::span<const Value> arguments, std::span<Value>) {
    const auto text = caller.read(arguments[0].as_i32(), arguments[1].as_i32());
    if (!text) return HostEnd::trap("host.log was given a text outside of the memory");
    if (!caller.charge(text->size())) return HostEnd::out_of_fuel();
    std::printf("plug-in says: %.*s\n", static_cast<int>(text->size()),
                reinterpret_cast<const char*>(text->data()));
    return HostEnd::done();
}

/// The same in either tier: text and fuel are equal to the last instruction.
int use_plugin(const Module& module, const MachineCode* code, const std::string& text) {
    auto plugin = Instance::create(module, {.imports = {{.module = "host",
                                                         .name = "log",
                                                         .parameters = {Type::i32, Type::i32},
                                                         .call = log_line}},
                                            .limits = {.fuel = 1'000'000, .memory_bytes = 1 << 20},
                                            .code = code});
    if (!plugin) return complain(plugin.error());
    auto buffer = plugin->call("buffer", {});
    if (!buffer) return complain(buffer.error());
    const std::uint32_t address = buffer->values.at(0).as_i32();
    const BytesView bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    if (!plugin->write(address, bytes)) return complain({"the text is too long", "", ""});
    auto words = plugin->call("title", {Value::i32(static_cast<std::uint32_t>(text.size()))});
    if (!words) return complain(words.error());
    if (words->kind != CallResult::Kind::returned) return complain({words->text, "title", ""});
    const auto answer = plugin->read(address, text.size());
    std::printf("%s: \"%.*s\", %u words, fuel %llu\n", code == nullptr ? "interpreted" : "compiled",
                static_cast<int>(answer->size()), reinterpret_cast<const char*>(answer->data()),
                words->values.at(0).as_i32(), static_cast<unsigned long long>(plugin->fuel_used()));
    const auto endless = plugin->call("hang", {});
    std::printf("a plug-in that hangs: %s\n", endless ? endless->text.c_str() : "no such function");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return complain({"two arguments: PLUGIN.wasm TEXT", "", ""});
    std::ifstream file{argv[1], std::ios::binary};
    if (!file) return complain({"the plug-in cannot be read", argv[1], ""});
    const Bytes bytes{std::istreambuf_iterator<char>{file}, {}};
    const auto module = Module::load(bytes);
    if (!module) return complain(module.error());
    if (const int status = use_plugin(*module, nullptr, argv[2]); status != 0) return status;
    const auto code = MachineCode::compile(*module);
    if (code) return use_plugin(*module, &*code, argv[2]);
    std::printf("not compiled: %s\n", code.error().text().c_str());
    return 0;
}
