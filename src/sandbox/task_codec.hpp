// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <variant>

#include "aot/tier.hpp"
#include "base/failure.hpp"
#include "codec/rlp.hpp"
#include "sandbox/isolation.hpp"
#include "sandbox/lockdown.hpp"
#include "wasi/run.hpp"

/// What a parent and its worker say to each other, over a socket and a pipe (docs/sandbox.md).
///
/// To the worker: one WorkerPlan, and with it the descriptor of the image, which the worker maps;
/// and, after it has locked itself, u64 LE size, then canonical RLP of one WorkerTask; nothing
/// more. From the worker: frames of u8 type, u64 LE size, payload: Ready first, Progress now and
/// then, and one WorkerReport, Refusal or Failure last.
///
/// The parent takes the worker for captured: sizes are bounded before memory is given, and the
/// hashes of a report are computed again from what it delivers.
namespace millrace::sandbox {

struct WorkerTask {
    wasi::SharedBytes module;  ///< may be null beside `compiled`, and does not leave this process
    wasi::TaskInput input;
    /// The module's image (aot/image.hpp), checked; null: it is interpreted. Not in the frame: it
    /// comes before, with the plan. It is all that the worker needs of the module.
    wasi::SharedBytes compiled = nullptr;
};

/// A report tells its checkpoints one by one up to this number; their root is in the summary.
/// Tasks of the market have at most 256 (2^40 fuel).
constexpr std::size_t checkpoints_told_max = 4'096;

/// A result with what it took here; the times are not part of the result.
struct WorkerReport {
    wasi::TaskOutcome outcome;
    std::uint64_t compile_us = 0;  ///< decoding, validating
    std::uint64_t run_us = 0;
};

struct Ready {
    Isolation isolation;
};
struct Progress {
    Fuel fuel;
};
/// The module can be no task, here or anywhere. A Failure, in contrast, is this machine's.
struct Refusal {
    Failure failure;
};
using WorkerEvent = std::variant<Ready, Progress, WorkerReport, Refusal, Failure>;

/// From the parent, which is trusted; read before the lockdown that it describes.
struct WorkerPlan {
    LockdownLimits limits;
    /// Of the image in the file whose descriptor comes with the plan; no size, no file: interpret.
    std::uint64_t image_size = 0;
    std::uint64_t image_offset = 0;
};
constexpr std::size_t worker_plan_size = 40;
Bytes encode_plan(const WorkerPlan& plan);
WorkerPlan decode_plan(std::span<const std::uint8_t, worker_plan_size> wire);

constexpr std::uint64_t task_frame_size_max = 16ull << 30;

/// With the size in front.
Bytes encode_task(const WorkerTask& task);
/// Without the size.
Result<WorkerTask, codec::RlpError> decode_task(ByteView wire);

Bytes encode_event(const WorkerEvent& event);

/// Splits what a worker writes into events.
class WorkerReader {
  public:
    explicit WorkerReader(const types::TaskLimits& limits);
    void feed(ByteView bytes);
    /// Null: more bytes are needed. After a Failure of its own the stream is dead.
    Outcome<std::optional<WorkerEvent>> next();

  private:
    std::uint64_t payload_size_max_;
    Bytes buffer_;
    std::size_t consumed_ = 0;
};

struct LoadedModule {
    std::shared_ptr<const wasm::Module> module;
    std::uint64_t compile_us = 0;
};

/// Decodes, validates, and checks that a task may be made of it. The Failure is a refusal.
Outcome<LoadedModule> load_here(ByteView module);
/// The same of a module's machine code, from the outline in it: nothing is validated again, because
/// the code was made of a validated module (aot/image.hpp).
Outcome<LoadedModule> load_here(const aot::LoadedImage& compiled);

/// Runs the task in this process, without any sandbox: what the worker does inside, and what
/// `--no-sandbox` asks for.
Outcome<WorkerReport> run_here(const LoadedModule& loaded, const wasi::TaskInput& input,
                               std::function<void(Fuel)> progress = {},
                               std::shared_ptr<const aot::LoadedImage> compiled = nullptr);
Outcome<WorkerReport> run_here(const WorkerTask& task);

}  // namespace millrace::sandbox
