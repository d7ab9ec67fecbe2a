// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/tree.hpp"

namespace millrace::wasi {
namespace {

/// Components still to walk, last first. Symbolic links push theirs on top.
class Pending {
  public:
    void push(std::string_view path) {
        std::size_t end = path.size();
        while (end > 0) {
            const std::size_t slash = path.rfind('/', end - 1);
            const std::size_t start = slash == std::string_view::npos ? 0 : slash + 1;
            if (end > start) parts_.emplace_back(path.substr(start, end - start));
            end = slash == std::string_view::npos ? 0 : slash;
        }
    }
    [[nodiscard]] bool empty() const noexcept { return parts_.empty(); }
    std::string pop() {
        std::string part = std::move(parts_.back());
        parts_.pop_back();
        return part;
    }

  private:
    std::vector<std::string> parts_;
};

std::size_t sequence_size(std::uint8_t lead) noexcept {
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

/// The second byte's range depends on the lead byte: no overlong forms, surrogates, or > U+10FFFF.
bool is_second_byte(std::uint8_t lead, std::uint8_t byte) noexcept {
    const std::uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return byte >= low && byte <= high;
}

}  // namespace

bool is_path_text(std::string_view text) noexcept {
    std::size_t index = 0;
    while (index < text.size()) {
        const auto lead = static_cast<std::uint8_t>(text[index]);
        const std::size_t size = sequence_size(lead);
        if (lead == 0 || size == 0 || index + size > text.size()) return false;
        for (std::size_t next = 1; next < size; ++next) {
            const auto byte = static_cast<std::uint8_t>(text[index + next]);
            if (next == 1 ? !is_second_byte(lead, byte) : (byte & 0xc0) != 0x80) return false;
        }
        index += size;
    }
    return true;
}

/// Walks one component at a time with the chain of directories from `start`, so that ".." goes
/// back the way the walk came and can never pass `start`. An absolute path, also in a symbolic
/// link, would name the host's root: not permitted.
Result<Place, Errno> FileTree::resolve(Inode start, std::string_view path, Lookup lookup,
                                       std::uint64_t& steps) const {
    if (path.empty()) return Err{Errno::noent};
    if (path.size() > path_argument_size_max) return Err{Errno::nametoolong};
    if (!is_path_text(path)) return Err{Errno::ilseq};
    if (path.front() == '/') return Err{Errno::perm};

    Pending pending;
    pending.push(path);
    bool wants_directory = path.back() == '/';
    std::vector<Inode> chain{start};
    std::uint32_t links_followed = 0;
    while (!pending.empty()) {
        ++steps;
        const std::string part = pending.pop();
        const Inode current = chain.back();
        if (part == ".") {
            if (pending.empty()) return Place{0, {}, current, true};
            continue;
        }
        if (part == "..") {
            if (chain.size() == 1) return Err{Errno::perm};
            chain.pop_back();
            if (pending.empty()) return Place{0, {}, chain.back(), true};
            continue;
        }
        if (part.size() > name_size_max) return Err{Errno::nametoolong};
        const auto& entries = node(current).entries;
        const auto found = entries.find(part);
        const bool is_last = pending.empty();
        if (found == entries.end()) {
            if (!is_last) return Err{Errno::noent};
            return Place{current, part, 0, wants_directory};
        }
        const Node& next = node(found->second.inode);
        if (next.type == FileType::symbolic_link) {
            const bool follows =
                !is_last || lookup.follow || (wants_directory && lookup.slash_follows);
            if (!follows) return Place{current, part, found->second.inode, wants_directory};
            if (++links_followed > symlinks_followed_max) return Err{Errno::loop};
            if (next.target.empty()) return Err{Errno::noent};
            if (next.target.front() == '/') return Err{Errno::perm};
            if (is_last && next.target.back() == '/') wants_directory = true;
            pending.push(next.target);
            continue;
        }
        if (is_last) return Place{current, part, found->second.inode, wants_directory};
        if (next.type != FileType::directory) return Err{Errno::notdir};
        chain.push_back(found->second.inode);
    }
    return Place{0, {}, chain.back(), true};
}

}  // namespace millrace::wasi
