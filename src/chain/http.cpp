// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "chain/http.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>

namespace millrace::chain {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t url_size_max = 2048;
constexpr std::uint32_t header_size_max = 64 * 1024;

/// At most 100 characters, control characters as '?'.
std::string printable_part(std::string text) {
    text.resize(std::min<std::size_t>(text.size(), 100));
    for (char& symbol : text) {
        if (symbol < ' ' || symbol > '~') symbol = '?';
    }
    return text;
}

/// Shows scheme and host only: user information and the path may be secrets.
Failure bad_url(std::string_view text) {
    const std::size_t scheme = text.find("://");
    const std::size_t start = scheme == std::string_view::npos ? 0 : scheme + 3;
    std::string_view host = text.substr(start, text.find_first_of("/?", start) - start);
    const std::size_t user = host.rfind('@');
    if (user != std::string_view::npos) host = host.substr(user + 1);
    return {"this is no http:// or https:// address of a node",
            printable_part(std::string{text.substr(0, start)} + std::string{host}),
            "write it as http://127.0.0.1:8545, without user and password"};
}

bool all_digits(std::string_view text) {
    return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string HttpUrl::name() const {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return (tls ? "https://" : "http://") + shown + ":" + port;
}

Outcome<HttpUrl> parse_http_url(std::string_view text) {
    const std::string_view whole = text;
    HttpUrl url;
    if (text.size() > url_size_max) return Err{bad_url(whole)};
    for (const char symbol : text) {
        if (symbol <= ' ' || symbol > '~') return Err{bad_url(whole)};
    }
    if (text.starts_with("https://")) {
        url.tls = true;
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
    } else {
        return Err{bad_url(whole)};
    }
    const std::size_t path = text.find_first_of("/?");
    url.target = path == std::string_view::npos ? "/" : std::string{text.substr(path)};
    if (url.target[0] != '/') url.target.insert(0, 1, '/');
    std::string_view authority = text.substr(0, path);
    if (authority.find('@') != std::string_view::npos) return Err{bad_url(whole)};
    std::string_view port;
    if (authority.starts_with("[")) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) return Err{bad_url(whole)};
        url.host = std::string{authority.substr(1, close - 1)};
        authority.remove_prefix(close + 1);
        if (!authority.empty() && authority[0] != ':') return Err{bad_url(whole)};
        port = authority.empty() ? "" : authority.substr(1);
    } else {
        const std::size_t colon = authority.find(':');
        url.host = std::string{authority.substr(0, colon)};
        if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    }
    if (url.host.empty() || port.size() > 5 || !all_digits(port)) return Err{bad_url(whole)};
    url.port = port.empty() ? (url.tls ? "443" : "80") : std::string{port};
    return url;
}

/// Beast times asynchronous calls only, so each step is started, and the context run until it ends.
struct HttpClient::State {
    HttpUrl url;
    asio::io_context context{1};
    std::optional<asio::ssl::context> tls_context;
    std::optional<beast::tcp_stream> plain;
    std::optional<TlsStream> tls;
    beast::flat_buffer buffer;

    explicit State(HttpUrl initial) : url{std::move(initial)} {}

    [[nodiscard]] bool connected() const { return plain.has_value() || tls.has_value(); }
    beast::tcp_stream& lowest() { return tls ? beast::get_lowest_layer(*tls) : *plain; }

    void drop() {
        plain.reset();
        tls.reset();
        buffer.clear();
        context.restart();
        context.poll();
    }

    /// Runs until the step's handler has stored its result.
    void finish_step() {
        context.restart();
        context.run();
    }

    Failure failure(const char* doing, const error_code& error, SteadyTime deadline) const {
        if (error == beast::error::timeout || std::chrono::steady_clock::now() >= deadline) {
            return {std::string{"the chain node did not answer in time while "} + doing, url.name(),
                    "is it running and reachable from here?"};
        }
        if (error == asio::error::connection_refused) {
            return {"nothing listens where the chain node should be", url.name(),
                    "start the network (millrace up) or correct the RPC address"};
        }
        if (error == http::error::body_limit) {
            return {"the chain node's answer is larger than 32 MiB", url.name(),
                    "ask for a smaller range of blocks"};
        }
        return {std::string{"the chain node cannot be reached: "} + doing + ": " + error.message(),
                url.name(), "is it running and reachable from here?"};
    }

    Outcome<Tcp::resolver::results_type> resolve(SteadyTime deadline) {
        Tcp::resolver resolver{context};
        asio::steady_timer timer{context, deadline};
        error_code result;
        Tcp::resolver::results_type endpoints;
        resolver.async_resolve(url.host, url.port,
                               [&](const error_code& error, Tcp::resolver::results_type found) {
                                   result = error;
                                   endpoints = std::move(found);
                                   timer.cancel();
                               });
        timer.async_wait([&](const error_code& error) {
            if (!error) resolver.cancel();
        });
        finish_step();
        if (result) return Err{failure("looking up its name", result, deadline)};
        return endpoints;
    }

    Outcome<void> connect(SteadyTime deadline) {
        MILLRACE_TRY(const auto endpoints, resolve(deadline));
        if (url.tls) {
            MILLRACE_TRY_VOID(make_tls());
        } else {
            plain.emplace(context);
        }
        error_code result;
        lowest().expires_at(deadline);
        lowest().async_connect(
            endpoints, [&](const error_code& error, const Tcp::endpoint&) { result = error; });
        finish_step();
        if (result) return Err{failure("connecting", result, deadline)};
        error_code ignored;
        static_cast<void>(lowest().socket().set_option(Tcp::no_delay{true}, ignored));
        if (!tls) return {};
        tls->async_handshake(asio::ssl::stream_base::client,
                             [&](const error_code& error) { result = error; });
        finish_step();
        if (result) return Err{failure("agreeing on TLS", result, deadline)};
        return {};
    }

    Outcome<void> make_tls() {
        if (!tls_context) {
            tls_context.emplace(asio::ssl::context::tls_client);
            error_code error;
            static_cast<void>(tls_context->set_default_verify_paths(error));
            static_cast<void>(tls_context->set_verify_mode(asio::ssl::verify_peer, error));
        }
        tls.emplace(context, *tls_context);
        error_code error;
        tls->set_verify_callback(asio::ssl::host_name_verification{url.host}, error);
        if (error || SSL_set_tlsext_host_name(tls->native_handle(), url.host.c_str()) != 1) {
            return Err{Failure{"TLS cannot be set up for this host", url.name(), ""}};
        }
        return {};
    }

    template <typename Stream>
    Outcome<std::string> exchange(Stream& stream, const std::string* body, SteadyTime deadline,
                                  bool& answered) {
        http::request<http::string_body> request{body ? http::verb::post : http::verb::get,
                                                 url.target, 11};
        request.set(http::field::host, url.name().substr(url.tls ? 8 : 7));
        request.set(http::field::user_agent, "millrace");
        if (body != nullptr) {
            request.set(http::field::content_type, "application/json");
            request.body() = *body;
            request.prepare_payload();
        }
        error_code result;
        lowest().expires_at(deadline);
        http::async_write(stream, request,
                          [&](const error_code& error, std::size_t) { result = error; });
        finish_step();
        if (result) return Err{failure("sending", result, deadline)};
        http::response_parser<http::string_body> parser;
        parser.body_limit(response_size_max);
        parser.header_limit(header_size_max);
        http::async_read(stream, buffer, parser,
                         [&](const error_code& error, std::size_t) { result = error; });
        finish_step();
        answered = parser.got_some();
        if (result) return Err{failure("waiting for its answer", result, deadline)};
        auto response = parser.release();
        if (!response.keep_alive()) drop();
        return std::move(response.body());
    }
};

HttpClient::HttpClient(HttpUrl url) : state_{std::make_unique<State>(std::move(url))} {}
HttpClient::~HttpClient() = default;

Outcome<std::string> HttpClient::post(const std::string& body, Duration timeout) {
    return ask(&body, timeout);
}

Outcome<std::string> HttpClient::get(Duration timeout) {
    return ask(nullptr, timeout);
}

Outcome<std::string> HttpClient::ask(const std::string* body, Duration timeout) {
    State& state = *state_;
    const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
    try {
        for (;;) {
            const bool reused = state.connected();
            if (!reused) {
                auto connected = state.connect(deadline);
                if (!connected.has_value()) {
                    state.drop();
                    return Err{std::move(connected).error()};
                }
            }
            bool answered = false;
            auto response = state.tls ? state.exchange(*state.tls, body, deadline, answered)
                                      : state.exchange(*state.plain, body, deadline, answered);
            if (response.has_value()) return response;
            state.drop();
            // A kept connection that the peer closed while it was idle: once more on a new one.
            // Every request of ours may be repeated.
            const bool in_time = std::chrono::steady_clock::now() < deadline;
            if (!reused || answered || !in_time) return response;
        }
    } catch (const std::exception& error) {
        state.drop();
        return Err{Failure{std::string{"the chain node cannot be reached: "} + error.what(),
                           state.url.name(), ""}};
    }
}

}  // namespace millrace::chain
