// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/context.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "wasm/watch.hpp"

namespace millrace::wasi {

Hash32 random_block(const Hash32& seed, std::uint64_t block) {
    constexpr std::string_view label = "millrace-random-v1";
    Bytes input = to_bytes(as_bytes(label));
    input.insert(input.end(), seed.bytes.begin(), seed.bytes.end());
    for (int shift = 0; shift < 64; shift += 8) {
        input.push_back(static_cast<std::uint8_t>(block >> shift));
    }
    return crypto::sha256(input);
}

std::optional<std::string> Call::path(std::size_t index) {
    const std::uint32_t length = u32(index + 1);
    if (!memory().contains(u32(index), length)) return std::nullopt;
    // A path over the bound fails in resolve(); no more than that is copied.
    const auto bytes =
        memory().read(u32(index), std::min<std::size_t>(length, path_argument_size_max + 1));
    return std::string{as_text(*bytes)};
}

Context::Context(ContextInput input, FileTree tree)
    : input_{std::move(input)}, tree_{std::move(tree)} {
    for (const auto& [name, value] : input_.environment) {
        environment_.emplace_back(name).append("=").append(value);
    }
    constexpr Rights stream_rights =
        right::fd_fdstat_set_flags | right::fd_filestat_get | right::poll_fd_readwrite;
    for (const Stream stream : {Stream::input, Stream::output, Stream::error}) {
        Descriptor made;
        made.stream = stream;
        made.base = stream_rights | (stream == Stream::input ? right::fd_read : right::fd_write);
        descriptors_.emplace_back(made);
    }
    if (input_.has_root) {
        Descriptor made;
        made.inode = FileTree::root;
        made.base = right::of_directory;
        made.inheriting = right::all;
        made.is_preopened = true;
        tree_.open(FileTree::root);
        descriptors_.emplace_back(made);
    }
}

// ------------------------------------------------------------------------------- binding

/// `params`: i = i32, I = i64. The result is an Errno, but proc_exit has none.
struct Context::Entry {
    std::string_view name;
    std::string_view params;
    Errno (Context::*function)(Call&);
};

std::span<const Context::Entry> Context::functions() {
    static constexpr Entry table[] = {
        {"args_get", "ii", &Context::args_get},
        {"args_sizes_get", "ii", &Context::args_sizes_get},
        {"environ_get", "ii", &Context::environ_get},
        {"environ_sizes_get", "ii", &Context::environ_sizes_get},
        {"clock_res_get", "ii", &Context::clock_res_get},
        {"clock_time_get", "iIi", &Context::clock_time_get},
        {"fd_advise", "iIIi", &Context::fd_advise},
        {"fd_allocate", "iII", &Context::fd_allocate},
        {"fd_close", "i", &Context::fd_close},
        {"fd_datasync", "i", &Context::fd_datasync},
        {"fd_fdstat_get", "ii", &Context::fd_fdstat_get},
        {"fd_fdstat_set_flags", "ii", &Context::fd_fdstat_set_flags},
        {"fd_fdstat_set_rights", "iII", &Context::fd_fdstat_set_rights},
        {"fd_filestat_get", "ii", &Context::fd_filestat_get},
        {"fd_filestat_set_size", "iI", &Context::fd_filestat_set_size},
        {"fd_filestat_set_times", "iIIi", &Context::fd_filestat_set_times},
        {"fd_pread", "iiiIi", &Context::fd_pread},
        {"fd_prestat_get", "ii", &Context::fd_prestat_get},
        {"fd_prestat_dir_name", "iii", &Context::fd_prestat_dir_name},
        {"fd_pwrite", "iiiIi", &Context::fd_pwrite},
        {"fd_read", "iiii", &Context::fd_read},
        {"fd_readdir", "iiiIi", &Context::fd_readdir},
        {"fd_renumber", "ii", &Context::fd_renumber},
        {"fd_seek", "iIii", &Context::fd_seek},
        {"fd_sync", "i", &Context::fd_sync},
        {"fd_tell", "ii", &Context::fd_tell},
        {"fd_write", "iiii", &Context::fd_write},
        {"path_create_directory", "iii", &Context::path_create_directory},
        {"path_filestat_get", "iiiii", &Context::path_filestat_get},
        {"path_filestat_set_times", "iiiiIIi", &Context::path_filestat_set_times},
        {"path_link", "iiiiiii", &Context::path_link},
        {"path_open", "iiiiiIIii", &Context::path_open},
        {"path_readlink", "iiiiii", &Context::path_readlink},
        {"path_remove_directory", "iii", &Context::path_remove_directory},
        {"path_rename", "iiiiii", &Context::path_rename},
        {"path_symlink", "iiiii", &Context::path_symlink},
        {"path_unlink_file", "iii", &Context::path_unlink_file},
        {"poll_oneoff", "iiii", &Context::poll_oneoff},
        {"proc_exit", "i", &Context::proc_exit},
        {"proc_raise", "i", &Context::proc_raise},
        {"random_get", "ii", &Context::random_get},
        {"sched_yield", "", &Context::sched_yield},
        {"sock_accept", "iii", &Context::sock_accept},
        {"sock_recv", "iiiiii", &Context::sock_recv},
        {"sock_send", "iiiii", &Context::sock_send},
        {"sock_shutdown", "ii", &Context::sock_shutdown},
    };
    return table;
}

namespace {

wasm::FuncType type_of(std::string_view name, std::string_view params) {
    wasm::FuncType type;
    for (const char kind : params) {
        type.params.push_back(kind == 'I' ? wasm::ValueType::i64 : wasm::ValueType::i32);
    }
    if (name != "proc_exit") type.results = {wasm::ValueType::i32};
    return type;
}

}  // namespace

std::string Context::import_type(std::string_view function_name) {
    for (const Entry& entry : functions()) {
        if (entry.name != function_name) continue;
        return "func " + wasm::to_text(type_of(entry.name, entry.params));
    }
    return {};
}

void Context::define(wasm::Linker& linker) {
    for (const Entry& entry : functions()) {
        wasm::HostFunction function;
        function.type = type_of(entry.name, entry.params);
        function.call = [this, &entry](wasm::HostContext& host, std::span<const wasm::Value> args,
                                       std::span<wasm::Value> results) {
            return run(entry, host, args, results);
        };
        linker.define_function("wasi_snapshot_preview1", std::string{entry.name},
                               std::move(function));
    }
}

wasm::HostOutcome Context::run(const Entry& entry, wasm::HostContext& host,
                               std::span<const wasm::Value> args, std::span<wasm::Value> results) {
    if (progress_) progress_(host.fuel_used());
    Call call{host, args};
    const Errno error = (this->*entry.function)(call);
    if (call.out_of_fuel) return wasm::HostOutcome::out_of_fuel();
    if (call.again) return wasm::HostOutcome::again();
    if (!transfer_.pieces.empty()) transfer_ = {};
    if (logs_calls_) log_call(entry, host.fuel_used(), args, error);
    if (call.exit_code) return wasm::HostOutcome::exit(*call.exit_code);
    if (tree_.limit_hit() == LimitHit::output) {
        return wasm::HostOutcome::trap(wasm::TrapKind::limit_exceeded, "output limit");
    }
    if (tree_.limit_hit() == LimitHit::files) {
        return wasm::HostOutcome::trap(wasm::TrapKind::limit_exceeded, "limit of files");
    }
    if (!results.empty()) results[0] = wasm::Value::i32(static_cast<std::uint32_t>(error));
    return wasm::HostOutcome::done();
}

// The rule's, not a tuning: the log depends on where it is cut.
constexpr std::size_t call_bytes_max = 4'096;

void Context::log_call(const Entry& entry, std::uint64_t fuel, std::span<const wasm::Value> args,
                       Errno error) {
    const auto append = [this](std::uint64_t value) {
        for (unsigned shift = 0; shift < 64; shift += 8)
            calls_.push_back(static_cast<std::uint8_t>(value >> shift));
    };
    append(static_cast<std::uint64_t>(&entry - functions().data()));
    append(fuel);
    for (const wasm::Value& value : args)
        append(value.bits);
    append(static_cast<std::uint64_t>(error));
    if (calls_.size() >= call_bytes_max) hash_calls();
}

void Context::hash_calls() {
    Bytes all = to_bytes(call_log_.view());
    all.insert(all.end(), calls_.begin(), calls_.end());
    call_log_ = crypto::sha256(all);
    calls_.clear();
}

const Hash32& Context::call_log() {
    if (!calls_.empty()) hash_calls();
    return call_log_;
}

// ------------------------------------------------------------------- arguments, environment

Errno Context::write_sizes(Call& call, const std::vector<std::string>& strings) {
    std::uint64_t bytes = 0;
    for (const std::string& text : strings)
        bytes += text.size() + 1;
    wasm::Memory& memory = call.memory();
    if (!memory.range(call.u32(0), 4) || !memory.range(call.u32(1), 4)) return Errno::fault;
    (void)memory.write_u32(call.u32(0), static_cast<std::uint32_t>(strings.size()));
    (void)memory.write_u32(call.u32(1), static_cast<std::uint32_t>(bytes));
    return Errno::success;
}

/// The pointers at argument 0, the strings at argument 1, in parts of both together.
Errno Context::write_strings(Call& call, const std::vector<std::string>& strings) {
    Bytes pointers;
    Bytes text;
    const std::uint32_t at = call.u32(1);
    for (const std::string& each : strings) {
        const auto pointer = at + static_cast<std::uint32_t>(text.size());
        for (unsigned shift = 0; shift < 32; shift += 8)
            pointers.push_back(static_cast<std::uint8_t>(pointer >> shift));
        text.insert(text.end(), each.begin(), each.end());
        text.push_back(0);
    }
    const std::uint64_t done = call.progress();
    if (done == 0 && !call.charge((text.size() + pointers.size()) / 16)) return Errno::io;
    wasm::Memory& memory = call.memory();
    if (!memory.contains(call.u32(0), pointers.size()) || !memory.contains(at, text.size())) {
        return Errno::fault;
    }
    const std::uint64_t whole = pointers.size() + text.size();
    if (done > whole) return refuse();
    const std::uint64_t end = std::min(whole, done + wasm::step_bytes_max);
    const auto part = [&](std::uint32_t target, const Bytes& bytes, std::uint64_t first) {
        const std::uint64_t from = std::clamp<std::uint64_t>(done, first, first + bytes.size());
        const std::uint64_t to = std::clamp<std::uint64_t>(end, first, first + bytes.size());
        (void)memory.write(target + (from - first),
                           ByteView{bytes}.subspan(from - first, to - from));
    };
    part(call.u32(0), pointers, 0);
    part(at, text, pointers.size());
    (void)call.is_finished(end, whole);
    return Errno::success;
}

Errno Context::args_get(Call& call) {
    return write_strings(call, input_.arguments);
}
Errno Context::args_sizes_get(Call& call) {
    return write_sizes(call, input_.arguments);
}
Errno Context::environ_get(Call& call) {
    return write_strings(call, environment_);
}
Errno Context::environ_sizes_get(Call& call) {
    return write_sizes(call, environment_);
}

// ------------------------------------------------------------------------------------- time

/// One nanosecond passes per unit of fuel, and whatever poll_oneoff slept. Fuel is below 2^41 and
/// sleep saturates, so that time never turns back.
std::uint64_t Context::realtime_ns(const Call& call) const {
    return epoch_ns + call.fuel_used() + slept_ns_;
}

std::optional<std::uint64_t> Context::clock_ns(std::uint32_t id, const Call& call) const {
    switch (id) {
        case clock_id::realtime:
            return realtime_ns(call);
        case clock_id::monotonic:
            return monotonic_start_ns + call.fuel_used() + slept_ns_;
        case clock_id::process_cputime:
        case clock_id::thread_cputime:
            return call.fuel_used();
        default:
            return std::nullopt;
    }
}

Errno Context::clock_res_get(Call& call) {
    if (!clock_ns(call.u32(0), call)) return Errno::inval;
    return call.memory().write_u64(call.u32(1), 1) ? Errno::success : Errno::fault;
}

Errno Context::clock_time_get(Call& call) {
    const auto now = clock_ns(call.u32(0), call);
    if (!now) return Errno::inval;
    return call.memory().write_u64(call.u32(2), *now) ? Errno::success : Errno::fault;
}

// ------------------------------------------------------------------------ randomness, process

Errno Context::random_get(Call& call) {
    const std::uint64_t size = call.u32(1);
    std::uint64_t done = call.progress();
    if (!call.memory().contains(call.u32(0), size)) return Errno::fault;
    if (done == 0 && !call.charge(size)) return Errno::io;
    const std::uint64_t end = std::min(size, done + wasm::step_bytes_max);
    while (done < end) {
        if (random_rest_.empty()) {
            random_rest_ = to_bytes(random_block(input_.seed, random_block_++).view());
        }
        const std::size_t part = std::min<std::size_t>(end - done, random_rest_.size());
        (void)call.memory().write(call.u32(0) + done, ByteView{random_rest_}.first(part));
        random_rest_.erase(random_rest_.begin(),
                           random_rest_.begin() + static_cast<std::ptrdiff_t>(part));
        done += part;
    }
    (void)call.is_finished(done, size);
    return Errno::success;
}

Errno Context::proc_exit(Call& call) {
    call.exit_code = call.u32(0);
    return Errno::success;
}

Errno Context::proc_raise(Call&) {
    return Errno::nosys;
}
Errno Context::sched_yield(Call&) {
    return Errno::success;
}

}  // namespace millrace::wasi
