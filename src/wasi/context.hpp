// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "wasi/abi.hpp"
#include "wasi/tree.hpp"
#include "wasm/instance.hpp"

/// wasi_snapshot_preview1 as a pure function of the task (docs/formats/wasi.md).
///
/// Nothing here asks the machine: arguments and environment come from the task, files from the
/// tree, time from the fuel consumed, randomness from a stream keyed by the task's id. Two
/// providers that run one task see the same bytes in the same order.
///
/// What a hostile module may try: pointers outside its memory (Errno::fault), paths that leave the
/// root (Errno::perm), descriptors it does not hold (Errno::badf), filling the machine (TreeLimits,
/// descriptors_max, and fuel in proportion to the bytes each call moves).
namespace millrace::wasi {

constexpr std::size_t descriptors_max = 1024;
constexpr std::uint32_t iovecs_max = 1024;
constexpr std::uint32_t root_descriptor = 3;

/// 2025-01-01T00:00:00Z: real time of a task that has consumed no fuel.
constexpr std::uint64_t epoch_ns = 1'735'689'600'000'000'000ull;
/// Monotonic time then. Not 0, which some programs take for "never".
constexpr std::uint64_t monotonic_start_ns = 1'000'000'000ull;

struct ContextInput {
    std::vector<std::string> arguments;  ///< with argv[0]
    std::vector<std::pair<std::string, std::string>> environment;
    SharedBytes standard_input;  ///< null: empty
    Hash32 seed;                 ///< of random_get
    bool has_root = true;        ///< descriptor 3 is the tree, under the name "/"
};

enum class Stream : std::uint8_t { none, input, output, error };

struct Descriptor {
    Stream stream = Stream::none;
    Inode inode = 0;  ///< when stream is none
    std::uint64_t offset = 0;
    std::uint16_t flags = 0;
    Rights base = 0;
    Rights inheriting = 0;
    bool is_preopened = false;
};

/// A range of the caller's memory.
struct Piece {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
};

/// A reading or writing call that is under way in parts: the buffers are those of its first part,
/// whatever the module's memory says by now.
struct Transfer {
    std::vector<Piece> pieces;
    std::uint64_t size = 0;
    std::uint64_t position = 0;  ///< in the file
};

/// One host call: typed access to its arguments and to the caller's memory.
class Call {
  public:
    Call(wasm::HostContext& host, std::span<const wasm::Value> args) noexcept
        : host_{host}, args_{args} {}

    [[nodiscard]] std::uint32_t u32(std::size_t index) const { return args_[index].as_i32(); }
    [[nodiscard]] std::uint64_t u64(std::size_t index) const { return args_[index].as_i64(); }
    [[nodiscard]] std::uint16_t u16(std::size_t index) const {
        return static_cast<std::uint16_t>(args_[index].as_i32());
    }
    [[nodiscard]] wasm::Memory& memory() { return host_.memory(); }
    [[nodiscard]] std::uint64_t fuel_used() const { return host_.fuel_used(); }

    /// Before an effect; when false the function returns at once, with any Errno.
    [[nodiscard]] bool charge(std::uint64_t fuel) {
        if (!host_.charge(fuel)) out_of_fuel = true;
        return !out_of_fuel;
    }
    /// A path argument: pointer and length at `index`. Null: Errno::fault.
    [[nodiscard]] std::optional<std::string> path(std::size_t index);

    /// Work in parts (wasm::HostContext::progress): how far this call has come.
    [[nodiscard]] std::uint64_t progress() const { return host_.progress(); }
    /// `done` of `whole` bytes are done. True when that is all; else the function is called again.
    [[nodiscard]] bool is_finished(std::uint64_t done, std::uint64_t whole) {
        again = done < whole;
        host_.set_progress(again ? done : 0);
        return !again;
    }

    bool out_of_fuel = false;
    bool again = false;
    std::optional<std::uint32_t> exit_code;

  private:
    wasm::HostContext& host_;
    std::span<const wasm::Value> args_;
};

class Context {
  public:
    Context(ContextInput input, FileTree tree);

    /// Offers every function of wasi_snapshot_preview1 to `linker`. This object must outlive the
    /// store behind it and stay where it is.
    void define(wasm::Linker& linker);

    /// Is told the fuel consumed, at host calls; for progress, not for results.
    void on_progress(std::function<void(std::uint64_t fuel)> told) { progress_ = std::move(told); }

    /// A hash over every host call from here on: its function, arguments and answer. For
    /// checkpoints (docs/formats/checkpoint.md); what calls did to memory and files follows from
    /// it.
    void log_calls() noexcept { logs_calls_ = true; }
    [[nodiscard]] const Hash32& call_log();

    [[nodiscard]] FileTree& tree() noexcept { return tree_; }
    [[nodiscard]] Bytes take_standard_output() noexcept { return std::move(standard_output_); }
    [[nodiscard]] Bytes take_standard_error() noexcept { return std::move(standard_error_); }
    /// The type that an import of this name must have, as wasm::ImportInfo writes it: "func (i32,
    /// i32) -> (i32)". Empty: there is no such function.
    static std::string import_type(std::string_view function_name);

    /// Is told what host calls touch of the contents of files and streams; null: nobody.
    void watch(wasm::Watch* watch) noexcept { tree_.watch(watch); }

  private:
    friend class StateCodec;  // src/wasi/state.cpp
    struct Entry;
    static std::span<const Entry> functions();
    wasm::HostOutcome run(const Entry& entry, wasm::HostContext& host,
                          std::span<const wasm::Value> args, std::span<wasm::Value> results);

    // context.cpp: arguments, time, randomness, process
    Errno args_get(Call& call);
    Errno args_sizes_get(Call& call);
    Errno environ_get(Call& call);
    Errno environ_sizes_get(Call& call);
    Errno clock_res_get(Call& call);
    Errno clock_time_get(Call& call);
    Errno random_get(Call& call);
    Errno proc_exit(Call& call);
    Errno proc_raise(Call& call);
    Errno sched_yield(Call& call);
    // context_fd.cpp: descriptors
    Errno fd_advise(Call& call);
    Errno fd_allocate(Call& call);
    Errno fd_close(Call& call);
    Errno fd_datasync(Call& call);
    Errno fd_fdstat_get(Call& call);
    Errno fd_fdstat_set_flags(Call& call);
    Errno fd_fdstat_set_rights(Call& call);
    Errno fd_filestat_get(Call& call);
    Errno fd_filestat_set_size(Call& call);
    Errno fd_filestat_set_times(Call& call);
    Errno fd_prestat_get(Call& call);
    Errno fd_prestat_dir_name(Call& call);
    Errno fd_renumber(Call& call);
    Errno fd_sync(Call& call);
    Errno sock_accept(Call& call);
    Errno sock_recv(Call& call);
    Errno sock_send(Call& call);
    Errno sock_shutdown(Call& call);
    // context_io.cpp: moving bytes
    Errno fd_pread(Call& call);
    Errno fd_pwrite(Call& call);
    Errno fd_read(Call& call);
    Errno fd_readdir(Call& call);
    Errno fd_seek(Call& call);
    Errno fd_tell(Call& call);
    Errno fd_write(Call& call);
    Errno poll_oneoff(Call& call);
    // context_path.cpp
    Errno path_create_directory(Call& call);
    Errno path_filestat_get(Call& call);
    Errno path_filestat_set_times(Call& call);
    Errno path_link(Call& call);
    Errno path_open(Call& call);
    Errno path_readlink(Call& call);
    Errno path_remove_directory(Call& call);
    Errno path_rename(Call& call);
    Errno path_symlink(Call& call);
    Errno path_unlink_file(Call& call);

    [[nodiscard]] std::uint64_t realtime_ns(const Call& call) const;
    /// Time that a clock shows; null for a clock there is not.
    [[nodiscard]] std::optional<std::uint64_t> clock_ns(std::uint32_t id, const Call& call) const;
    [[nodiscard]] Descriptor* find(std::uint32_t number);
    /// An open regular file with the rights asked for: badf, or notcapable.
    Errno check_file(std::uint32_t number, Rights needed, Descriptor*& found);
    /// Lowest free number from 3 up. Null: descriptors_max are open.
    [[nodiscard]] std::optional<std::uint32_t> free_descriptor() const;
    std::uint32_t add_descriptor(Descriptor made);
    void release(Descriptor& closed);
    Errno resolve_at(Call& call, std::uint32_t number, std::size_t path_index, Rights needed,
                     Lookup lookup, Place& place);
    Errno write_filestat(Call& call, std::uint32_t pointer, const Descriptor* stream, Inode inode);
    Errno set_times(Call& call, Inode inode, std::uint64_t accessed, std::uint64_t modified,
                    std::uint16_t flags);
    Errno begin_transfer(Call& call);
    Errno refuse();
    Errno read_at(Call& call, Descriptor& from, std::uint64_t offset, std::uint64_t& done);
    Errno write_at(Call& call, Descriptor& to, std::optional<std::uint64_t> offset,
                   std::uint64_t& done);
    Errno write_strings(Call& call, const std::vector<std::string>& strings);
    Errno write_sizes(Call& call, const std::vector<std::string>& strings);

    ContextInput input_;
    std::vector<std::string> environment_;  ///< "NAME=value"
    FileTree tree_;
    std::vector<std::optional<Descriptor>> descriptors_;
    std::uint64_t slept_ns_ = 0;
    std::uint64_t random_block_ = 0;
    Bytes random_rest_;
    Bytes standard_output_;
    Bytes standard_error_;
    Transfer transfer_;
    bool logs_calls_ = false;
    Hash32 call_log_;
    Bytes calls_;  ///< records that are not in it yet
    void hash_calls();
    void log_call(const Entry& entry, std::uint64_t fuel, std::span<const wasm::Value> args,
                  Errno error);
    std::function<void(std::uint64_t)> progress_;
};

/// The bytes [first, first + 32) of the stream of random_get, first = 32 * block:
/// SHA-256("millrace-random-v1" ‖ seed ‖ block as u64 LE).
Hash32 random_block(const Hash32& seed, std::uint64_t block);

}  // namespace millrace::wasi
