// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Any sequence of host calls with any arguments: the input becomes a module that makes them, over
// a memory that holds the input too. It must end in a result, and twice in the same one.

#include <algorithm>
#include <array>

#include "base/assert.hpp"
#include "wasi/run.hpp"

namespace {

using namespace millrace;

struct Function {
    std::string_view name;
    std::string_view params;  ///< i = i32, I = i64
};
constexpr Function functions[] = {{"args_get", "ii"},
                                  {"environ_sizes_get", "ii"},
                                  {"clock_time_get", "iIi"},
                                  {"fd_advise", "iIIi"},
                                  {"fd_allocate", "iII"},
                                  {"fd_close", "i"},
                                  {"fd_fdstat_get", "ii"},
                                  {"fd_fdstat_set_flags", "ii"},
                                  {"fd_fdstat_set_rights", "iII"},
                                  {"fd_filestat_get", "ii"},
                                  {"fd_filestat_set_size", "iI"},
                                  {"fd_filestat_set_times", "iIIi"},
                                  {"fd_pread", "iiiIi"},
                                  {"fd_prestat_dir_name", "iii"},
                                  {"fd_pwrite", "iiiIi"},
                                  {"fd_read", "iiii"},
                                  {"fd_readdir", "iiiIi"},
                                  {"fd_renumber", "ii"},
                                  {"fd_seek", "iIii"},
                                  {"fd_write", "iiii"},
                                  {"path_create_directory", "iii"},
                                  {"path_filestat_get", "iiiii"},
                                  {"path_filestat_set_times", "iiiiIIi"},
                                  {"path_link", "iiiiiii"},
                                  {"path_open", "iiiiiIIii"},
                                  {"path_readlink", "iiiiii"},
                                  {"path_remove_directory", "iii"},
                                  {"path_rename", "iiiiii"},
                                  {"path_symlink", "iiiii"},
                                  {"path_unlink_file", "iii"},
                                  {"poll_oneoff", "iiii"},
                                  {"random_get", "ii"},
                                  {"sock_shutdown", "ii"}};
constexpr std::size_t function_count = std::size(functions);

void append_leb(Bytes& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        out.push_back(static_cast<std::uint8_t>(value | 0x80));
    out.push_back(static_cast<std::uint8_t>(value));
}
void append_signed_leb(Bytes& out, std::int64_t value) {
    for (;;) {
        const auto low = static_cast<std::uint8_t>(value & 0x7f);
        value >>= 7;
        const bool is_last =
            (value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0);
        out.push_back(is_last ? low : static_cast<std::uint8_t>(low | 0x80));
        if (is_last) return;
    }
}
void append_text(Bytes& out, std::string_view text) {
    append_leb(out, text.size());
    out.insert(out.end(), text.begin(), text.end());
}
void append_sized(Bytes& out, const Bytes& content) {
    append_leb(out, content.size());
    out.insert(out.end(), content.begin(), content.end());
}
void append_section(Bytes& out, std::uint8_t id, const Bytes& content) {
    out.push_back(id);
    append_sized(out, content);
}

/// Small numbers are the interesting ones: descriptors, flags, pointers into the input.
std::int64_t argument(char kind, std::uint8_t byte) {
    if (kind == 'i') {
        constexpr std::array<std::int64_t, 4> edges{-1, 65'535, 65'536, 0x7fffffff};
        return byte < 252 ? byte : edges[byte - 252u];
    }
    constexpr std::array<std::int64_t, 4> edges{-1, 0x3fffffff, std::int64_t{1} << 62, 4096};
    return byte < 252 ? byte : edges[byte - 252u];
}

Bytes make_module(ByteView input) {
    Bytes types;
    Bytes imports;
    append_leb(types, function_count + 1);
    append_leb(imports, function_count);
    for (std::size_t index = 0; index < function_count; ++index) {
        types.push_back(0x60);
        append_leb(types, functions[index].params.size());
        for (const char kind : functions[index].params)
            types.push_back(kind == 'i' ? 0x7f : 0x7e);
        types.insert(types.end(), {1, 0x7f});
        append_text(imports, "wasi_snapshot_preview1");
        append_text(imports, functions[index].name);
        imports.push_back(0);
        append_leb(imports, index);
    }
    types.insert(types.end(), {0x60, 0, 0});
    Bytes body{0};  // no locals
    for (std::size_t at = 0; at < input.size();) {
        const std::size_t function = input[at++] % function_count;
        for (const char kind : functions[function].params) {
            const std::uint8_t byte = at < input.size() ? input[at++] : std::uint8_t{0};
            body.push_back(kind == 'i' ? 0x41 : 0x42);
            append_signed_leb(body, argument(kind, byte));
        }
        body.push_back(0x10);
        append_leb(body, function);
        body.push_back(0x1a);
    }
    body.push_back(0x0b);
    Bytes exports{2};
    append_text(exports, "_start");
    exports.push_back(0);
    append_leb(exports, function_count);
    append_text(exports, "memory");
    exports.insert(exports.end(), {2, 0});
    Bytes code{1};
    append_sized(code, body);
    Bytes segment{1, 0, 0x41, 0, 0x0b};
    append_sized(segment, to_bytes(input));
    Bytes type_of_start{1};
    append_leb(type_of_start, function_count);

    Bytes module{0, 'a', 's', 'm', 1, 0, 0, 0};
    append_section(module, 1, types);
    append_section(module, 2, imports);
    append_section(module, 3, type_of_start);
    append_section(module, 5, {1, 0, 1});
    append_section(module, 7, exports);
    append_section(module, 10, code);
    append_section(module, 11, segment);
    return module;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes{data, std::min<std::size_t>(size, 2048)};
    const auto module = wasm::Module::load(make_module(bytes));
    MILLRACE_ASSERT(module.has_value());
    wasi::TaskInput input;
    input.arguments = {"main.wasm"};
    input.files = {{"a/b", std::make_shared<const Bytes>(Bytes{1, 2, 3})}};
    input.limits = {.fuel = Fuel{1'000'000}, .memory_bytes = 1 << 20, .output_bytes = 1 << 20};
    const auto first = wasi::run_task(*module, input);
    const auto again = wasi::run_task(*module, input);
    MILLRACE_ASSERT(first.has_value());
    MILLRACE_ASSERT(again.has_value());
    MILLRACE_ASSERT(first->summary == again->summary);
    std::uint64_t delivered = first->standard_output->size() + first->standard_error->size();
    for (const auto& file : first->files)
        delivered += file.id.size;
    MILLRACE_ASSERT(delivered <= input.limits.output_bytes);
    return 0;
}
