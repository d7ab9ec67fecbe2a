// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// eth_simulateV1: blocks of calls on top of the chain, with state and headers overridden.

#include "node/api/simulation.hpp"

namespace millrace::node {
namespace {

Answer simulate(const Call& call) {
    MILLRACE_TRY(const BlockId id, call.block(1));
    MILLRACE_TRY(const Height base, call.require(id));
    const auto header = call.view->header(base);
    if (!header) return server_error("header not found");
    MILLRACE_TRY(const SimulationRequest request, read_simulation(call.at(0), *header));
    MILLRACE_TRY(auto state, call.state(id));
    auto roots = call.view->roots(base);
    if (roots == nullptr) return no_tries_of(base);
    return Simulation{call, request, base, *header, std::move(state), std::move(roots)}.run();
}

constexpr Method methods[] = {
    {.name = "eth_simulateV1",
     .arguments_min = 1,
     .arguments_max = 2,
     .now = simulate,
     .summary = "runs blocks of calls on top of a block, state and headers overridden"},
};

}  // namespace

std::span<const Method> simulate_methods() {
    return methods;
}

}  // namespace millrace::node
