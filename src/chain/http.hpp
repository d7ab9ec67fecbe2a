// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/failure.hpp"
#include "base/time.hpp"

namespace millrace::chain {

struct HttpUrl {
    bool tls = false;
    std::string host;  ///< without the brackets of an IPv6 address
    std::string port;
    std::string target;  ///< path and query; may hold an access key, so it is never printed

    /// "http://host:port".
    [[nodiscard]] std::string name() const;
};
/// http:// or https://, host, optional port and path; no user information, at most 2048 bytes.
Outcome<HttpUrl> parse_http_url(std::string_view text);

/// Posts JSON over one HTTP/1.1 connection, which is kept open between calls and opened anew once
/// when the peer has closed it meanwhile. Not thread-safe. `https` checks the certificate against
/// the system's authorities and the host's name.
class HttpClient {
  public:
    static constexpr std::size_t response_size_max = std::size_t{32} << 20;

    explicit HttpClient(HttpUrl url);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// The body of a response with any status (JSON-RPC errors may come with 4xx); a Failure when
    /// there is none within `timeout`, which covers connecting, sending and receiving together.
    Outcome<std::string> post(const std::string& body, Duration timeout);
    /// The body of the URL's page, under the same rules.
    Outcome<std::string> get(Duration timeout);

  private:
    Outcome<std::string> ask(const std::string* body, Duration timeout);
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::chain
