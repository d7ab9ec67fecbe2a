// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.hpp"

namespace millrace::bench {

/// Posts JSON over many kept-alive connections from one thread, one request in flight on each (a
/// closed loop): small enough that the server, not the client, is what is measured. Speaks only
/// what such a server answers: HTTP/1.1, status 200, a Content-Length.
class LoadClient {
  public:
    /// An answer takes at most so long, and is at most so long.
    static constexpr int answer_ms_max = 120'000;
    static constexpr std::size_t answer_size_max = 64u << 20;

    /// `url`: http://HOST:PORT with a numeric host.
    static Outcome<std::unique_ptr<LoadClient>> connect(const std::string& url,
                                                        std::size_t connections);
    LoadClient(const LoadClient&) = delete;
    LoadClient& operator=(const LoadClient&) = delete;
    ~LoadClient();

    /// The next body for this connection, read before the next call; empty: it has done its part.
    using Next = std::function<std::string_view(std::size_t connection)>;
    /// False ends the run: this is not the answer that was asked for.
    using Check = std::function<bool(std::size_t connection, std::string_view answer)>;
    struct Times {
        double seconds = 0;  ///< from the first byte sent to the last one received
        std::vector<double> latencies_us;
    };
    Outcome<Times> run(const Next& next, const Check& check);

  private:
    struct Connection;
    LoadClient(std::string url, std::string head);
    Outcome<void> add(const std::string& endpoint);
    Outcome<void> send(Connection& connection);
    Outcome<bool> receive(Connection& connection);
    [[nodiscard]] Failure broken(const std::string& what) const;

    const std::string url_;
    const std::string head_;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace millrace::bench
