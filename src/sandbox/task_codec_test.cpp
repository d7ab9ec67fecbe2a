// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sandbox/task_codec.hpp"

#include <gtest/gtest.h>

#include "wasi/samples.hpp"

namespace millrace::sandbox {
namespace {

WorkerTask full_task() {
    WorkerTask task;
    task.module = std::make_shared<const Bytes>(*from_hex(wasi::samples::writes_and_deletes));
    wasi::TaskInput& input = task.input;
    input.arguments = {"main.wasm", "", "b"};
    input.environment = {{"A", "1"}, {"B", ""}};
    input.files = {{"dir/in", std::make_shared<const Bytes>(Bytes{1, 2})},
                   {"empty", std::make_shared<const Bytes>()}};
    input.directories = {"dir", "other"};
    input.standard_input = std::make_shared<const Bytes>(Bytes{9});
    input.seed.bytes[3] = 4;
    input.limits.fuel = Fuel{123'456};
    return task;
}

TEST(TaskCodec, a_task_survives_the_trip) {
    const WorkerTask task = full_task();
    const Bytes wire = encode_task(task);
    const auto decoded = decode_task(ByteView{wire}.subspan(8));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(encode_task(*decoded), wire);
    EXPECT_EQ(decoded->input.arguments, task.input.arguments);
    EXPECT_EQ(decoded->input.files[0].path, "dir/in");
    EXPECT_EQ(*decoded->input.files[0].content, *task.input.files[0].content);
    EXPECT_EQ(decoded->input.limits, task.input.limits);
}

TEST(TaskCodec, every_truncation_is_refused) {
    const Bytes wire = encode_task(full_task());
    for (std::size_t size = 8; size < wire.size(); ++size) {
        EXPECT_FALSE(decode_task(ByteView{wire}.subspan(8, size - 8)).has_value()) << size;
    }
}

TEST(WorkerReader, splits_events_however_they_arrive) {
    Bytes stream = encode_event(Ready{{Isolation::syscall_filter}});
    for (const WorkerEvent& event :
         {WorkerEvent{Progress{Fuel{5}}}, WorkerEvent{Failure{"what", "where", "remedy"}}}) {
        const Bytes frame = encode_event(event);
        stream.insert(stream.end(), frame.begin(), frame.end());
    }
    WorkerReader reader{{}};
    std::vector<WorkerEvent> events;
    for (const std::uint8_t byte : stream) {
        reader.feed({&byte, 1});
        auto event = reader.next();
        ASSERT_TRUE(event.has_value());
        if (*event) events.push_back(std::move(**event));
    }
    ASSERT_EQ(events.size(), 3u);
    EXPECT_TRUE(std::get<Ready>(events[0]).isolation.has(Isolation::syscall_filter));
    EXPECT_EQ(std::get<Progress>(events[1]).fuel, Fuel{5});
    EXPECT_EQ(std::get<Failure>(events[2]).text(), "what (where); remedy");
}

TEST(WorkerReader, a_report_that_does_not_hash_to_its_summary_is_refused) {
    auto report = run_here(full_task());
    ASSERT_TRUE(report.has_value());
    WorkerReader honest{{}};
    honest.feed(encode_event(*report));
    EXPECT_TRUE(honest.next().has_value());

    report->outcome.files[0].content = std::make_shared<const Bytes>(Bytes{0});
    WorkerReader lied_to{{}};
    lied_to.feed(encode_event(*report));
    EXPECT_FALSE(lied_to.next().has_value());
}

TEST(WorkerReader, a_frame_over_the_output_limit_is_refused_before_it_is_held) {
    WorkerReader reader{{.output_bytes = 1000}};
    const Bytes header{3, 0, 0, 0, 0, 1, 0, 0, 0};
    reader.feed(header);
    EXPECT_FALSE(reader.next().has_value());
}

}  // namespace
}  // namespace millrace::sandbox
