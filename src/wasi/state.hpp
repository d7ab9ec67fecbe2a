// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "codec/rlp.hpp"
#include "wasi/context.hpp"
#include "wasm/page_tree.hpp"

/// The state of a task's WASI as bytes (docs/formats/checkpoint.md): what the task was given, open
/// descriptors, every file, directory and link, and how far streams and calls have come. The bytes
/// of files and streams are not in it: each is named by its size and the root of its pages, so that
/// a judge is shown only those that a step touches.
namespace millrace::wasi {

constexpr std::size_t state_bytes_max = std::size_t{320} * 1024;

struct ContentRoot {
    std::uint64_t size = 0;
    Hash32 root;
    bool operator==(const ContentRoot&) const = default;
};
using ContentRoots = std::map<std::uint64_t, ContentRoot>;  ///< by Content

class StateCodec {
  public:
    static Bytes encode(const Context& context, const ContentRoots& roots);
    /// A context in that state whose files and streams are zeros of the right sizes; `roots` gets
    /// what they must be. Checks everything that the functions of this area rely on: the bytes come
    /// from a stranger. `bytes_max` bounds all contents together (wrong_size).
    static Result<std::unique_ptr<Context>, codec::RlpError> decode(ByteView bytes,
                                                                    std::uint64_t bytes_max,
                                                                    ContentRoots& roots);

    /// Every content that there is.
    static void each_content(const Context& context,
                             const std::function<void(std::uint64_t key, ByteView bytes)>& told);
    /// Writes into a content of a decoded context; false when it lies outside.
    static bool put(Context& context, std::uint64_t key, std::uint64_t offset, ByteView bytes);
    /// Lets a context of the same task stand in a decoded one's state. False: the state does not
    /// fit.
    static bool restore(Context& context, ByteView state,
                        const std::map<std::uint64_t, Bytes>& contents);
    static std::uint64_t last_content(const Context& context);
    /// Pages below this were kept since the context was decoded; later ones became zero.
    static std::uint64_t pages_kept(const Context& context, std::uint64_t key);

  private:
    friend class ContentTrees;
    static Node* file(Context& context, std::uint64_t key);
    static FileTree& tree(Context& context) { return context.tree_; }
};

/// The trees over all contents of a running context, kept up with what changes.
class ContentTrees {
  public:
    explicit ContentTrees(Context& context);
    /// Hashes what changed.
    ContentRoots settle();
    /// As settled last; null if there was none.
    [[nodiscard]] const wasm::PageTree* find(std::uint64_t key) const;

  private:
    struct Kept {
        wasm::PageTree tree{20};
        std::uint64_t size = 0;
    };
    Context& context_;
    std::map<std::uint64_t, Kept> trees_;
};

}  // namespace millrace::wasi
