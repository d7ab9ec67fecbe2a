// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/quantity.hpp"
#include "codec/rlp.hpp"
#include "crypto/merkle.hpp"

namespace millrace::types {

/// A blob as it travels: its plain content address, and the root of the same bytes enciphered with
/// the job's key (crypto/cipher.hpp, label = plain.root). Both have plain.size bytes.
struct SealedBlob {
    crypto::BlobId plain;
    Hash32 sealed_root;
    auto operator<=>(const SealedBlob&) const = default;
    [[nodiscard]] crypto::BlobId sealed() const noexcept { return {sealed_root, plain.size}; }
};

/// One file of a task's input tree or of its output. Paths are relative, '/'-separated, UTF-8,
/// without empty, "." or ".." parts, at most path_size_max bytes.
struct FileEntry {
    std::string path;
    SealedBlob blob;
    auto operator<=>(const FileEntry&) const = default;
};

inline constexpr std::size_t path_size_max = 1024;
inline constexpr std::size_t files_per_task_max = 4096;
inline constexpr std::size_t arguments_max = 1024;  ///< args, and env pairs
inline constexpr std::size_t argument_size_max = 64 * 1024;
inline constexpr std::uint64_t blob_size_max = 1ull << 32;  ///< 4 GiB
inline constexpr std::uint64_t fuel_per_task_max = 1ull << 40;
inline constexpr std::uint64_t memory_per_task_max = 1ull << 32;
inline constexpr std::uint64_t output_per_task_max = 1ull << 32;
/// An encoded TaskSpec has to fit a lease offer's frame with room for the rest of it.
inline constexpr std::size_t task_spec_size_max = 896 * 1024;
inline constexpr std::size_t profile_size_max = 64;
/// First item of an encoded TaskSpec; another number is refused.
inline constexpr std::uint64_t task_spec_version = 1;

/// Well-formed UTF-8 (RFC 3629: shortest form, no surrogates).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

[[nodiscard]] bool is_valid_path(std::string_view path) noexcept;

/// True when the paths can be files of one tree: sorted, distinct, each valid, and none is a folder
/// of another ("a" beside "a/b").
[[nodiscard]] bool is_valid_tree(const std::vector<FileEntry>& files) noexcept;

/// Limits are part of the task: reaching one is a deterministic result, the same on each provider.
struct TaskLimits {
    Fuel fuel{std::uint64_t{1} << 36};
    std::uint64_t memory_bytes = 1ull << 30;    ///< linear memory, all memories together
    std::uint64_t output_bytes = 256ull << 20;  ///< changed files, stdout and stderr together
    auto operator<=>(const TaskLimits&) const = default;
};

/// Everything that decides a task's result. Hashed canonical RLP; two tasks with one id have one
/// result. `files` are sorted by path and distinct, `env` sorted by name and distinct.
struct TaskSpec {
    Hash32 job;
    std::uint64_t index = 0;
    SealedBlob module;
    std::vector<std::string> arguments;  ///< argv[1..]; argv[0] is "main.wasm" for every task
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<FileEntry> files;
    TaskLimits limits;
    bool operator==(const TaskSpec&) const = default;

    /// [version, job, index, module, arguments, environment, files, [fuel, memory, output]].
    [[nodiscard]] Bytes encode() const;
    /// Refuses what is over the bounds above, not sorted, not distinct, an argument or environment
    /// string with a NUL, an environment name that is empty or contains '='.
    static Result<TaskSpec, codec::RlpError> decode(ByteView wire);
    /// Keccak-256 of encode().
    [[nodiscard]] Hash32 id() const;
    /// What random_get is keyed by: Keccak-256 of canonical RLP ["millrace-seed-v1", module, args,
    /// env, files] with plain roots and sizes only. Job, index, key and limits are left out, so
    /// that the same program with the same inputs has the same result for whoever runs it, here
    /// too.
    [[nodiscard]] Hash32 content_seed() const;
};

/// How a task ended. All of these are results: replicas must agree on them.
enum class ExitKind : std::uint8_t {
    exited = 1,          ///< code = what the program returned or passed to proc_exit
    trapped = 2,         ///< code = wasm::TrapKind as a number
    out_of_fuel = 3,     ///< fuel = the limit
    limit_exceeded = 4,  ///< code = 1 memory, 2 output, 3 files
};

/// What a task's result id commits to (design 6.5):
/// Keccak-256 of canonical RLP [profile, exit, code, output root, stdout root, fuel, memory root,
/// checkpoint root]. The output root is Keccak-256 of the canonical RLP list of [path, plain root,
/// size] of changed files sorted by path; a deleted input has root and size 0 and is flagged by
/// size 2^64-1. stderr is delivered, not compared.
struct ResultSummary {
    std::string profile = "det-1/1";  ///< profile name / cost table version
    ExitKind exit = ExitKind::exited;
    std::uint32_t code = 0;
    Hash32 output_root;
    Hash32 stdout_root;
    Fuel fuel;
    Hash32 memory_root;      ///< root of the final linear memory (crypto/merkle.hpp)
    Hash32 checkpoint_root;  ///< docs/formats/checkpoint.md; zero for a short task, without any
    bool operator==(const ResultSummary&) const = default;

    [[nodiscard]] Hash32 result_id() const;
    void encode_to(codec::RlpWriter& writer) const;
    static Result<ResultSummary, codec::RlpError> decode_from(codec::RlpReaderView& reader);
};

/// One changed file, in the clear, as the output root hashes it.
struct OutputEntry {
    std::string path;
    crypto::BlobId content;
    bool deleted = false;
    auto operator<=>(const OutputEntry&) const = default;
};
Hash32 output_root(const std::vector<OutputEntry>& sorted_entries);

}  // namespace millrace::types
