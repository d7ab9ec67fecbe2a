// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "spec/agree_shrink.hpp"

#include <algorithm>
#include <vector>

#include "wasm/code_writer.hpp"
#include "wasm/module.hpp"

namespace millrace::spec {

using wasm::CodeWriter;
namespace {

std::uint64_t read_number(const Bytes& bytes, std::size_t& at) {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const std::uint8_t byte = bytes.at(at++);
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if ((byte & 0x80U) == 0) return value;
    }
}

/// A valid module, taken apart at its code section.
struct Parts {
    Bytes before;
    std::vector<Bytes> bodies;
    Bytes after;

    explicit Parts(const Bytes& module) {
        for (std::size_t at = 8; at < module.size();) {
            const std::size_t start = at;
            const std::uint8_t id = module.at(at++);
            const auto size = static_cast<std::size_t>(read_number(module, at));
            if (id == 10) {
                before.assign(module.begin(), module.begin() + static_cast<std::ptrdiff_t>(start));
                after.assign(module.begin() + static_cast<std::ptrdiff_t>(at + size), module.end());
                for (std::uint64_t left = read_number(module, at); left > 0; --left) {
                    const auto length = static_cast<std::size_t>(read_number(module, at));
                    const auto first = module.begin() + static_cast<std::ptrdiff_t>(at);
                    bodies.emplace_back(first, first + static_cast<std::ptrdiff_t>(length));
                    at += length;
                }
                return;
            }
            at += size;
        }
    }
    [[nodiscard]] Bytes module() const {
        CodeWriter list;
        list.number(bodies.size());
        for (const Bytes& body : bodies)
            list.sized(body);
        CodeWriter made;
        made.put(before);
        made.section(10, list.bytes());
        made.put(after);
        return made.take();
    }
};

const Bytes emptied{0, wasm::op::unreachable, wasm::op::end};

/// What may stand for a piece.
const std::vector<Bytes>& fillings() {
    static const std::vector<Bytes> list{{},
                                         {wasm::op::drop},
                                         {wasm::op::i32_const, 0},
                                         {wasm::op::i64_const, 0},
                                         {wasm::op::f32_const, 0, 0, 0, 0},
                                         {wasm::op::f64_const, 0, 0, 0, 0, 0, 0, 0, 0},
                                         {wasm::op::local_get, 0}};
    return list;
}

}  // namespace

Shrunk shrink(const Bytes& module, const std::function<bool(const Bytes&)>& is_bad,
              std::uint64_t tries_max) {
    Parts parts{module};
    Shrunk result;
    /// Keeps the change when the module stays valid and bad.
    const auto attempt = [&](Bytes& body, Bytes changed) {
        if (result.tries >= tries_max) return false;
        std::swap(body, changed);
        const Bytes candidate = parts.module();
        if (wasm::Module::load(candidate)) {
            ++result.tries;
            if (is_bad(candidate)) return true;
        }
        std::swap(body, changed);
        return false;
    };
    for (Bytes& body : parts.bodies) {
        if (body != emptied) attempt(body, emptied);
    }
    bool has_changed = true;
    while (has_changed && result.tries < tries_max) {
        has_changed = false;
        for (Bytes& body : parts.bodies) {
            if (body == emptied) continue;
            for (std::size_t size = body.size(); size > 0; size = std::min(size - 1, body.size())) {
                for (std::size_t at = 0; at + size <= body.size();) {
                    bool is_kept = false;
                    for (const Bytes& filling : fillings()) {
                        if (filling.size() >= size) continue;
                        Bytes changed{body.begin(), body.begin() + static_cast<std::ptrdiff_t>(at)};
                        changed.insert(changed.end(), filling.begin(), filling.end());
                        changed.insert(changed.end(),
                                       body.begin() + static_cast<std::ptrdiff_t>(at + size),
                                       body.end());
                        if (!attempt(body, std::move(changed))) continue;
                        is_kept = true;
                        has_changed = true;
                        break;
                    }
                    if (!is_kept) ++at;
                }
            }
        }
    }
    result.module = parts.module();
    for (const Bytes& body : parts.bodies) {
        result.code_bytes += body.size();
        if (body != emptied) ++result.functions;
    }
    return result;
}

}  // namespace millrace::spec
