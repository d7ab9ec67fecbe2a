// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/backend.hpp"

namespace millrace::node {

/// What a node answers to; docs/rpc.md is made from it.
struct ApiMethod {
    std::string_view name;
    std::string_view summary;
    bool development = false;  ///< on development networks only
};
std::vector<ApiMethod> api_methods();

/// The meaning of Ethereum's JSON-RPC: text in, text out, no sockets. Method by method as
/// ethereum/execution-apis specifies, error codes as geth gives them (-32700, -32600, -32601,
/// -32602, -32000, 3 for reverts with data). Any thread; reads run where they are called, on a view
/// of the chain, and so never wait for a block being executed.
class Api {
  public:
    struct Limits {
        std::size_t batch_max = 1'000;             ///< requests in one batch
        std::size_t batch_answer_max = 32u << 20;  ///< bytes; the rest of the batch is refused
        std::size_t json_depth_max = 64;
        std::uint64_t call_gas_max = 50'000'000;
        std::uint64_t logs_blocks_max = 100'000;
        std::size_t logs_max = 20'000;
        std::size_t filters_max = 10'000;  ///< over all clients; unused ones end after 5 minutes
        std::size_t subscriptions_per_session_max = 128;
    };
    /// Identifies who asks and can be told later; a null push means plain HTTP.
    struct Caller {
        std::uint64_t session = 0;
        std::function<bool(std::string message)> push;
        /// Whether the time that this message may take, a request or a whole batch, has passed;
        /// null: it may take any. Asked between the blocks a search for logs walks, the runs of an
        /// estimate and the requests of a batch: what is left then is answered with -32002, as geth
        /// does. Code run by one call is bounded by call_gas_max instead.
        std::function<bool()> is_late{};
    };
    using Reply = std::function<void(std::string answer)>;

    /// The backend outlives it. `client` is what web3_clientVersion says: "Millrace/0.1.0/…".
    /// `secret` is random and nobody else's: ids of filters and subscriptions follow from it.
    Api(Backend& backend, Limits limits, std::string client, const Hash32& secret);
    ~Api();

    /// One request or a batch. `reply` is called once, here or on another thread; empty when there
    /// is nothing to answer (only notifications).
    void handle(const Caller& caller, std::string_view body, Reply reply);
    /// Ends its subscriptions.
    void session_closed(std::uint64_t session);
    /// Numbers for metrics: requests by method (known names only), errors by code.
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counters() const;

    struct State;  ///< node/api/method.hpp

  private:
    std::unique_ptr<State> state_;
};

}  // namespace millrace::node
