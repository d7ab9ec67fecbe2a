// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include <string>

#include "wasm/decoder.hpp"

namespace millrace::wasm::decoding {

bool Decoder::run() {
    header();
    while (!failed_ && !reader_.at_end())
        section();
    if (!failed_) finish();
    return !failed_;
}

void Decoder::header() {
    if (reader_.fixed_u32() != 0x6d736100) {
        reader_.fail_at(0, ModuleErrorKind::malformed, "magic header not detected");
        return;
    }
    const std::uint32_t version = reader_.fixed_u32();
    if (!failed_ && version == 0x0001000d) {
        reader_.fail_at(4, ModuleErrorKind::unsupported, "this is a component, not a core module");
    } else if (!failed_ && version != 1) {
        reader_.fail_at(4, ModuleErrorKind::malformed, "unknown binary version");
    }
}

void Decoder::section() {
    const std::size_t start = reader_.offset();
    const std::uint8_t id = reader_.byte();
    if (id > static_cast<std::uint8_t>(Section::tag)) {
        reader_.fail_at(start, ModuleErrorKind::malformed, "malformed section id");
        return;
    }
    const auto section = static_cast<Section>(id);
    const std::uint32_t size = reader_.u32();
    if (failed_) return;
    if (size > reader_.remaining()) {
        reader_.fail_at(start, ModuleErrorKind::malformed,
                        "unexpected end: length of a section out of bounds");
        return;
    }
    if (section != Section::custom) {
        if (section_order(section) <= last_order_) {
            reader_.fail_at(start, ModuleErrorKind::malformed,
                            "unexpected content after last section");
            return;
        }
        last_order_ = section_order(section);
    }
    Reader outer = reader_;
    reader_ = Reader{module_.bytes.data(), outer.offset(), outer.offset() + size, error_, failed_};
    content(section);
    if (!failed_ && !reader_.at_end()) reader_.malformed("section size mismatch");
    outer.skip(size);
    reader_ = outer;
}

void Decoder::content(Section section) {
    switch (section) {
        case Section::custom:
            ++module_.custom_sections;
            reader_.name();
            if (!failed_) reader_.skip(reader_.remaining());
            return;
        case Section::type:
            return types();
        case Section::import:
            return imports();
        case Section::function:
            return functions();
        case Section::table:
            return tables();
        case Section::memory:
            return memories();
        case Section::global:
            return globals();
        case Section::export_:
            return exports();
        case Section::start:
            return start();
        case Section::element:
            return elements();
        case Section::data_count:
            module_.data_count = reader_.u32();
            return;
        case Section::code:
            return code();
        case Section::data:
            return data();
        case Section::tag:
            reader_.unsupported("module uses exceptions (a tag section)");
            return;
    }
}

std::uint32_t Decoder::count(std::uint64_t already, std::uint32_t most, std::string_view what) {
    const std::uint32_t read = reader_.u32();
    // Each entry takes a byte at least, so a larger count is truncated, not excessive.
    if (!failed_ && read <= reader_.remaining() && already + read > most) {
        reader_.over_limit("more than " + std::to_string(most) + " " + std::string{what});
        return 0;
    }
    return failed_ ? 0 : read;
}

void Decoder::functions() {
    const std::uint32_t number = count(module_.functions.size(), functions_max, "functions");
    for (std::uint32_t index = 0; index < number && !failed_; ++index)
        module_.functions.push_back(type_index());
}

void Decoder::exports() {
    const std::uint32_t number = count(0, exports_max, "exports");
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        Export entry;
        entry.name = reader_.name();
        const std::uint8_t kind = reader_.byte();
        if (failed_) return;
        if (kind == 4) {
            reader_.unsupported("module uses exceptions (exports a tag)");
            return;
        }
        if (kind > 3) {
            reader_.malformed("malformed export kind");
            return;
        }
        entry.kind = static_cast<ExternKind>(kind);
        entry.index = reader_.u32();
        if (failed_) return;
        const std::size_t sizes[] = {module_.functions.size(), module_.tables.size(),
                                     module_.memories.size(), module_.globals.size()};
        if (entry.index >= sizes[kind]) {
            reader_.invalid("unknown " + std::string{to_text(entry.kind)} + " " +
                            std::to_string(entry.index) + " in an export");
            return;
        }
        if (entry.kind == ExternKind::function) declare(entry.index);
        const auto position = static_cast<std::uint32_t>(module_.exports.size());
        if (!module_.export_index.emplace(entry.name, position).second) {
            reader_.invalid("duplicate export name \"" + std::string{entry.name} + "\"");
            return;
        }
        module_.exports.push_back(entry);
    }
}

void Decoder::declare(std::uint32_t function) {
    if (module_.declared_functions.size() < module_.functions.size())
        module_.declared_functions.resize(module_.functions.size());
    module_.declared_functions[function] = true;
}

void Decoder::start() {
    const std::uint32_t index = function_index();
    if (failed_) return;
    const FuncType& type = module_.types[module_.functions[index]];
    if (!type.params.empty() || !type.results.empty())
        reader_.invalid("start function must have type () -> ()");
    module_.start = index;
}

std::uint32_t Decoder::function_index() {
    const std::uint32_t index = reader_.u32();
    if (!failed_ && index >= module_.functions.size()) {
        reader_.invalid("unknown function " + std::to_string(index));
        return 0;
    }
    return index;
}

void Decoder::code() {
    const std::uint32_t number = reader_.u32();
    if (failed_) return;
    if (number != module_.functions.size() - module_.imported_functions) {
        reader_.malformed("function and code section have inconsistent lengths");
        return;
    }
    module_.bodies.reserve(number);
    for (std::uint32_t index = 0; index < number && !failed_; ++index) {
        const std::uint32_t size = reader_.u32();
        if (failed_) return;
        if (size > reader_.remaining()) {
            reader_.malformed("unexpected end: length of a function body out of bounds");
            return;
        }
        if (size > body_bytes_max) {
            reader_.over_limit("a function body has more than " + std::to_string(body_bytes_max) +
                               " bytes");
            return;
        }
        Body body;
        body.type = module_.functions[module_.imported_functions + index];
        body.locals_begin = static_cast<std::uint32_t>(reader_.offset());
        body.end = body.locals_begin + size;
        module_.bodies.push_back(body);
        module_.code_bytes += size;
        reader_.skip(size);
    }
}

void Decoder::finish() {
    if (module_.bodies.size() != module_.functions.size() - module_.imported_functions) {
        reader_.malformed("function and code section have inconsistent lengths");
    } else if (module_.data_count.value_or(0) != module_.data.size() && module_.data_count) {
        reader_.malformed("data count and data section have inconsistent lengths");
    }
    module_.declared_functions.resize(module_.functions.size());
}

}  // namespace millrace::wasm::decoding
