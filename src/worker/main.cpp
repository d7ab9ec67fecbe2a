// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// millrace-worker PARENT: runs one task and ends (docs/sandbox.md). Started by sandbox::Worker
// only, perhaps long before there is a task; reads it from descriptor 0, writes events to
// descriptor 1.
//
// The order is the point: lock down first, then read. From then on nothing may allocate by opening
// files, log, or use descriptors other than 0 and 1; a forbidden call ends the process.

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "aot/tier.hpp"
#include "crypto/hash.hpp"
#include "crypto/merkle.hpp"
#include "sandbox/lockdown.hpp"
#include "sandbox/task_codec.hpp"

namespace {

using namespace millrace;

bool write_all(ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t count = write(1, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
}

bool read_all(std::span<std::uint8_t> target) {
    while (!target.empty()) {
        const ssize_t count = read(0, target.data(), target.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        target = target.subspan(static_cast<std::size_t>(count));
    }
    return true;
}

int fail(Failure failure) {
    (void)write_all(sandbox::encode_event(std::move(failure)));
    return 0;
}

/// Made while there is memory, for when there is none.
Bytes& out_of_memory_frame() {
    static Bytes frame = sandbox::encode_event(
        Failure{"the worker ran out of memory", "address space limit of the worker",
                "lower the task's memory and output limits, or use a larger machine"});
    return frame;
}

[[noreturn]] void on_out_of_memory() {
    (void)write_all(out_of_memory_frame());
    _exit(0);
}

std::uint64_t number_of(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// The hash library reads its configuration at the first use: that must be over before the lock.
void warm_up() {
    const Bytes sample(crypto::blob_leaf_size * 2 + 1);
    (void)crypto::blob_id(sample);
    (void)crypto::sha256(sample);
    crypto::Sha256 hash;
    hash.update(sample);
    (void)hash.finish();
}

using PlanWire = std::array<std::uint8_t, sandbox::worker_plan_size>;

/// The plan, and the image's descriptor when one comes with it, else -1.
bool receive_plan(PlanWire& wire, int& image) {
    image = -1;
    iovec part{wire.data(), wire.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t count = 0;
    do {
        count = recvmsg(0, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return false;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&image, CMSG_DATA(header), sizeof image);
    return read_all(std::span{wire}.subspan(static_cast<std::size_t>(count)));
}

/// The image as code that runs. From the parent, like the program itself.
Outcome<std::shared_ptr<const aot::LoadedImage>> map_image(int file,
                                                           const sandbox::WorkerPlan& plan) {
    if (!aot::prepare_thread())
        return Err{Failure{"the worker cannot handle faults of compiled code", "", ""}};
    return aot::LoadedImage::map(file, plan.image_offset, plan.image_size);
}

int run(std::shared_ptr<const aot::LoadedImage> compiled) {
    std::array<std::uint8_t, 8> header{};
    if (!read_all(header)) return 1;
    std::uint64_t size = 0;
    for (std::size_t index = 0; index < 8; ++index) {
        size |= std::uint64_t{header[index]} << (8 * index);
    }
    if (size > sandbox::task_frame_size_max) return 1;
    sandbox::WorkerTask task;
    {
        Bytes wire(static_cast<std::size_t>(size));
        if (!read_all(wire)) return 1;
        auto decoded = sandbox::decode_task(wire);
        if (!decoded) {
            return fail({"the worker got a malformed task",
                         std::string{codec::to_text(decoded.error())}, "reinstall millrace"});
        }
        task = std::move(decoded).value();
    }
    constexpr std::uint64_t progress_step = 1u << 26;
    std::uint64_t told = 0;
    const auto loaded = compiled ? sandbox::load_here(*compiled) : sandbox::load_here(*task.module);
    if (!loaded) {
        return write_all(sandbox::encode_event(sandbox::Refusal{loaded.error()})) ? 0 : 1;
    }
    task.module.reset();
    const auto tell = [&](Fuel fuel) {
        if (fuel.value - told < progress_step) return;
        told = fuel.value;
        (void)write_all(sandbox::encode_event(sandbox::Progress{fuel}));
    };
    auto report = sandbox::run_here(*loaded, task.input, tell, std::move(compiled));
    if (!report) return fail(report.error());
    return write_all(sandbox::encode_event(std::move(report).value())) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    warm_up();
    (void)out_of_memory_frame();
    auto lockdown = sandbox::Lockdown::begin(static_cast<pid_t>(number_of(argv[1])));
    if (!lockdown) return fail(lockdown.error());
    PlanWire wire{};
    int image_file = -1;
    if (!receive_plan(wire, image_file)) return 0;  // no task came
    const sandbox::WorkerPlan plan = sandbox::decode_plan(wire);
    std::shared_ptr<const aot::LoadedImage> compiled;
    if (plan.image_size != 0) {
        auto image = map_image(image_file, plan);
        if (!image) return fail(image.error());
        compiled = std::move(image).value();
    }
    if (image_file >= 0) close(image_file);
    std::set_new_handler(on_out_of_memory);
    const auto isolation = lockdown->close(plan.limits);
    if (!isolation) return fail(isolation.error());
    if (!write_all(sandbox::encode_event(sandbox::Ready{*isolation}))) return 1;
    const int status = run(std::move(compiled));
    _exit(status);  // no destructors: gigabytes go back faster this way
}
