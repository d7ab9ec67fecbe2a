// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wasi/abi.hpp"

/// The file tree that a task sees: in memory, copy-on-write, the same on every machine.
///
/// The lower layer is the task's inputs, whose bytes are shared and never change; a file that is
/// written is copied first. Inode numbers count creations from 1 (the root), inputs in the order
/// they were added; they are never used twice. A directory lists its entries in the order they came
/// into it, so that a cookie stays good while others come and go; sorted inputs are listed sorted.
///
/// Nothing here reaches outside: a path can name only what lies below the directory it starts from.
/// Bounds are those of TreeLimits; crossing one sets limit_hit(), which ends the task, because
/// running out must look the same everywhere. Ordinary failures are Errno values, never `success`.
namespace millrace::wasm {
class Watch;
}

namespace millrace::wasi {

/// The bytes of a stream or of a file, for whoever watches what is touched of them.
enum class Content : std::uint64_t { input = 0, output = 1, error = 2, first_file = 3 };

using SharedBytes = std::shared_ptr<const Bytes>;
using Inode = std::uint64_t;
constexpr Content content_of(Inode inode) noexcept {
    return static_cast<Content>(static_cast<std::uint64_t>(Content::first_file) + inode);
}

constexpr std::size_t path_argument_size_max = 4096;
constexpr std::size_t name_size_max = 255;
constexpr std::uint32_t symlinks_followed_max = 40;

enum class LimitHit : std::uint8_t { none = 0, memory = 1, output = 2, files = 3 };

struct TreeLimits {
    std::uint64_t output_bytes = 256ull << 20;  ///< changed files and both streams together
    std::uint32_t nodes = 65'536;  ///< files, directories, links, and their names, at one time
    std::uint32_t changes = 4096;  ///< entries of the output
    std::size_t path_size = 1024;  ///< of an entry of the output
};

/// A name in a directory. Cookies count the names it ever had, from `cookie_first`: those before
/// belong to "." and "..".
struct DirectoryEntry {
    Inode inode = 0;
    std::uint64_t cookie = 0;
};
using DirectoryEntries = std::map<std::string, DirectoryEntry, std::less<>>;
constexpr std::uint64_t cookie_first = 3;

/// One file, directory or symbolic link.
struct Node {
    FileType type = FileType::regular_file;
    std::uint64_t links = 0;  ///< names that lead here
    std::uint64_t opens = 0;  ///< descriptors that hold it
    std::uint64_t accessed_ns = 0, modified_ns = 0, changed_ns = 0;

    SharedBytes shared;  ///< content of an unchanged input; null once the file is its own
    Bytes own;
    DirectoryEntries entries;
    std::map<std::uint64_t, DirectoryEntries::const_iterator> listing;  ///< entries by cookie
    std::uint64_t cookie_next = cookie_first;
    Inode parent = 0;  ///< of a directory
    std::string target;
    // Of a file, for the judge's trees (src/wasi/state.hpp): pages of 4 KiB.
    std::vector<std::uint32_t> changed;  ///< since they were settled, while changes are noted
    std::uint64_t pages_kept = ~std::uint64_t{0};  ///< fewest since then: the rest became zero

    [[nodiscard]] ByteView content() const noexcept {
        return shared ? ByteView{*shared} : ByteView{own};
    }
    [[nodiscard]] std::uint64_t size() const noexcept {
        return type == FileType::symbolic_link ? target.size() : content().size();
    }
};

/// Where a path leads.
struct Place {
    Inode parent = 0;              ///< 0 when the path ends in "." or ".." or is the start itself
    std::string name;              ///< last component, empty when parent is 0
    Inode node = 0;                ///< 0 when there is no such entry yet
    bool wants_directory = false;  ///< the path ended in '/'
};

struct Lookup {
    bool follow = false;        ///< follow a symbolic link in the last place
    bool slash_follows = true;  ///< a trailing '/' follows one too
};

class FileTree {
  public:
    FileTree(TreeLimits limits, std::uint64_t now_ns);

    static constexpr Inode root = 1;

    /// Inputs, before the task starts. False when the path is not a relative, clean path or leads
    /// through a file.
    bool add_input(std::string_view path, SharedBytes content);
    bool add_input_directory(std::string_view path);

    [[nodiscard]] const Node& node(Inode inode) const;
    [[nodiscard]] bool is_directory(Inode inode) const {
        return node(inode).type == FileType::directory;
    }

    /// Resolves `path` below the directory `start`. `steps` counts components walked, for fuel.
    Result<Place, Errno> resolve(Inode start, std::string_view path, Lookup lookup,
                                 std::uint64_t& steps) const;

    // Each changes the tree or says why not. `now_ns` becomes the changed nodes' time.
    Result<Inode, Errno> create_file(const Place& place, std::uint64_t now_ns);
    Errno create_directory(const Place& place, std::uint64_t now_ns);
    Errno create_symlink(std::string_view target, const Place& place, std::uint64_t now_ns);
    Errno link(const Place& source, const Place& target, std::uint64_t now_ns);
    Errno rename(const Place& source, const Place& target, std::uint64_t now_ns);
    Errno unlink_file(const Place& place, std::uint64_t now_ns);
    Errno remove_directory(const Place& place, std::uint64_t now_ns);

    /// Writes at `offset`, zeros in between when it lies beyond the end.
    Errno write(Inode inode, std::uint64_t offset, ByteView source, std::uint64_t now_ns);
    Errno resize(Inode inode, std::uint64_t size, std::uint64_t now_ns);
    /// What a write of `size` bytes at `offset` does before it copies them: the file becomes its
    /// own and as long as needed.
    Errno make_room(Inode inode, std::uint64_t offset, std::uint64_t size, std::uint64_t now_ns);
    /// Bytes that a write of this kind would copy or zero besides the written ones, for fuel.
    [[nodiscard]] std::uint64_t hidden_work(Inode inode, std::uint64_t end) const;
    /// Directories between `inode` and the root: what a rename has to walk.
    [[nodiscard]] std::uint64_t depth(Inode inode) const;
    void set_times(Inode inode, std::uint64_t accessed_ns, std::uint64_t modified_ns,
                   std::uint64_t now_ns);

    /// A descriptor holds a node, so that it lives on when its last name goes.
    void open(Inode inode);
    void close(Inode inode);

    /// Tells the watch, if there is one, that a call uses this part of a content; false: refused.
    bool touch(Content key, ByteView content, std::uint64_t offset, std::uint64_t length);
    void watch(wasm::Watch* watch) noexcept { watch_ = watch; }
    void refuse() noexcept;
    /// From now on nodes note which of their pages change.
    void note_changes() noexcept { notes_changes_ = true; }

    /// Output that lies outside the tree (stdout, stderr). False when over the limit.
    bool charge_stream(std::uint64_t bytes);
    [[nodiscard]] LimitHit limit_hit() const noexcept { return limit_hit_; }

    struct Change {
        std::string path;
        SharedBytes content;  ///< null when an input was deleted
    };
    /// What differs from the inputs, sorted by path: regular files that are new or whose bytes
    /// changed, and inputs that are gone. Directories and symbolic links are not delivered.
    /// Takes the contents out of the tree, which is of no further use. More changes than a task may
    /// deliver, or a longer path, is limit_hit() == files; more bytes, each name of a hard-linked
    /// or moved file counted, is limit_hit() == output.
    std::vector<Change> take_changes();

  private:
    friend class StateCodec;  // src/wasi/state.cpp
    void note_change(Node& node, std::uint64_t offset, std::uint64_t length);
    Node& mutable_node(Inode inode);
    Inode add_node(FileType type, std::uint64_t now_ns);
    Errno check_new_name(const Place& place) const;
    bool has_room_for_node();
    bool make_own(Node& node, std::uint64_t keep);
    bool charge_output(std::uint64_t bytes);
    bool charge_growth(std::uint64_t from, std::uint64_t to);
    void attach(const Place& place, Inode inode, std::uint64_t now_ns);
    void detach(const Place& place, std::uint64_t now_ns);
    void release_if_unused(Inode inode);
    [[nodiscard]] bool is_below(Inode inode, Inode ancestor) const;
    Result<Inode, Errno> input_parent(std::string_view path, std::string_view& name);

    TreeLimits limits_;
    std::uint64_t start_ns_;
    std::unordered_map<Inode, Node> nodes_;
    Inode last_inode_ = 0;
    std::uint64_t output_bytes_ = 0;  ///< changed files and streams
    std::uint64_t stream_bytes_ = 0;  ///< streams alone
    std::uint64_t names_ = 0;
    LimitHit limit_hit_ = LimitHit::none;
    std::map<std::string, SharedBytes, std::less<>> inputs_;
    wasm::Watch* watch_ = nullptr;
    bool notes_changes_ = false;
};

/// No NUL, well-formed UTF-8 (Unicode 15, table 3-7).
[[nodiscard]] bool is_path_text(std::string_view text) noexcept;

}  // namespace millrace::wasi
