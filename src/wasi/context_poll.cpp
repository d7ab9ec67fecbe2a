// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// poll_oneoff: files and streams are always ready, so only clocks make a task wait, and waiting
// only moves its own time forward.

#include <algorithm>
#include <limits>

#include "wasi/context.hpp"

namespace millrace::wasi {
namespace {

/// Few enough that one step of a judge can repeat a call.
constexpr std::uint32_t subscriptions_max = 256;
/// Keeps every clock below 2^64 however long a task sleeps.
constexpr std::uint64_t slept_ns_max = std::uint64_t{1} << 62;

enum class EventType : std::uint8_t { clock = 0, fd_read = 1, fd_write = 2 };

struct Event {
    std::uint64_t user_data = 0;
    Errno error = Errno::success;
    EventType type = EventType::clock;
    std::uint64_t bytes = 0;
    std::uint16_t flags = 0;
    std::uint64_t wait_ns = 0;  ///< until a clock's event; 0 for everything else
};

void write_event(wasm::Memory& memory, std::uint64_t at, const Event& event) {
    const auto out = memory.range(at, event_size);
    std::ranges::fill(*out, std::uint8_t{0});
    (void)memory.write_u64(at, event.user_data);
    (void)memory.write_u16(at + 8, static_cast<std::uint16_t>(event.error));
    (void)memory.write_u8(at + 10, static_cast<std::uint8_t>(event.type));
    (void)memory.write_u64(at + 16, event.bytes);
    (void)memory.write_u16(at + 24, event.flags);
}

}  // namespace

Errno Context::poll_oneoff(Call& call) {
    const std::uint32_t count = call.u32(2);
    if (count == 0 || count > subscriptions_max) return Errno::inval;
    if (!call.charge(std::uint64_t{count} * 8)) return Errno::io;
    wasm::Memory& memory = call.memory();
    const bool in_range = memory.contains(call.u32(0), std::uint64_t{count} * subscription_size) &&
                          memory.contains(call.u32(1), std::uint64_t{count} * event_size) &&
                          memory.contains(call.u32(3), 4);
    if (!in_range) return Errno::fault;

    std::vector<Event> events;
    std::uint64_t wait_ns = std::numeric_limits<std::uint64_t>::max();
    for (std::uint32_t index = 0; index < count; ++index) {
        const std::uint64_t at = call.u32(0) + std::uint64_t{index} * subscription_size;
        const std::uint8_t tag = *memory.read_u8(at + 8);
        if (tag > 2) return Errno::inval;
        Event event;
        event.user_data = *memory.read_u64(at);
        event.type = static_cast<EventType>(tag);
        const std::uint32_t subject = *memory.read_u32(at + 16);
        if (event.type == EventType::clock) {
            const auto now = clock_ns(subject, call);
            const std::uint64_t timeout = *memory.read_u64(at + 24);
            const bool is_absolute = (*memory.read_u16(at + 40) & 1) != 0;
            if (!now) {
                event.error = Errno::inval;
            } else if (is_absolute) {
                event.wait_ns = timeout > *now ? timeout - *now : 0;
            } else {
                event.wait_ns = timeout;
            }
        } else {
            const Rights needed =
                event.type == EventType::fd_read ? right::fd_read : right::fd_write;
            const Descriptor* open = find(subject);
            if (open == nullptr) {
                event.error = Errno::badf;
            } else if ((open->base & needed) == 0 && open->stream != Stream::none) {
                event.error = Errno::badf;
            } else if ((open->base & right::poll_fd_readwrite) == 0) {
                event.error = Errno::notcapable;
            } else if (event.type == EventType::fd_read) {
                std::uint64_t size = 0;
                if (open->stream == Stream::none) {
                    size = tree_.node(open->inode).size();
                } else if (input_.standard_input) {
                    size = input_.standard_input->size();
                }
                event.bytes = size > open->offset ? size - open->offset : 0;
                if (event.bytes == 0 && open->stream == Stream::input) event.flags = 1;  // hang-up
            }
        }
        wait_ns = std::min(wait_ns, event.wait_ns);
        events.push_back(event);
    }

    slept_ns_ = std::min(slept_ns_max, slept_ns_ + std::min(wait_ns, slept_ns_max));
    std::uint32_t happened = 0;
    for (const Event& event : events) {
        if (event.wait_ns > wait_ns) continue;
        write_event(memory, call.u32(1) + std::uint64_t{happened} * event_size, event);
        ++happened;
    }
    (void)memory.write_u32(call.u32(3), happened);
    return Errno::success;
}

}  // namespace millrace::wasi
