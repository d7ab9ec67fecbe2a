// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "sim/model_task.hpp"

#include "base/prng.hpp"
#include "compute/provider_event.hpp"

namespace millrace::sim {

Bytes noise(std::uint64_t seed, std::size_t size) {
    Prng prng{seed};
    Bytes content(size);
    for (std::uint8_t& byte : content)
        byte = static_cast<std::uint8_t>(prng.next());
    return content;
}

ModelOutput run_model(const types::TaskSpec& task, const std::optional<Hash32>& lie) {
    const Hash32 id = task.id();
    std::uint64_t seed = 0;
    for (std::size_t index = 0; index < 8; ++index)
        seed = seed << 8 | id.bytes[index];
    Prng prng{seed};
    ModelOutput output;
    output.standard_output = noise(seed + 1, prng.below(200));
    if (prng.below(4) != 0)
        output.files.emplace_back("out/part.bin", noise(seed + 2, prng.below(40'000)));
    if (prng.below(4) == 0)
        output.files.emplace_back("out/small.txt", noise(seed + 3, 1 + prng.below(20)));
    output.summary.fuel = Fuel{100'000'000 + prng.below(900'000'000)};
    output.summary.exit = types::ExitKind::exited;
    output.summary.memory_root = id;
    if (lie) {
        Bytes& target = output.files.empty() ? output.standard_output : output.files.front().second;
        compute::provider::falsify(target, *lie);
    }
    std::vector<types::OutputEntry> entries;
    for (const auto& [path, content] : output.files)
        entries.push_back({.path = path, .content = crypto::blob_id(content), .deleted = false});
    output.summary.output_root = types::output_root(entries);
    output.summary.stdout_root = crypto::blob_id(output.standard_output).root;
    return output;
}

}  // namespace millrace::sim
