// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <string>

#include "rpc/server.hpp"

/// Private to rpc/: a request as it is read, and what is thought of it as soon as its header is
/// there, before a byte of its body is waited for.
namespace millrace::rpc {

/// A body that grows with what arrives: Beast's own string body reserves what the header promises.
struct GrowingBody {
    using value_type = std::string;
    class reader {
      public:
        template <bool is_request, class Fields>
        reader(boost::beast::http::header<is_request, Fields>& /*header*/, value_type& body)
            : body_{body} {}
        void init(const boost::optional<std::uint64_t>& /*length*/,
                  boost::system::error_code& error) {
            error = {};
        }
        template <class Buffers>
        std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
            error = {};
            std::size_t size = 0;
            for (auto at = boost::asio::buffer_sequence_begin(buffers);
                 at != boost::asio::buffer_sequence_end(buffers); ++at) {
                const boost::asio::const_buffer part{*at};
                body_.append(static_cast<const char*>(part.data()), part.size());
                size += part.size();
            }
            return size;
        }
        void finish(boost::system::error_code& error) { error = {}; }

      private:
        value_type& body_;
    };
};
using HttpRequest = boost::beast::http::request<GrowingBody>;
using HttpParser = boost::beast::http::request_parser<GrowingBody>;

struct Verdict {
    enum class Then : std::uint8_t {
        call,     ///< JSON-RPC
        page,     ///< for the handler
        upgrade,  ///< to WebSocket
        say,      ///< `status` and `text`, when the body has been read
        refuse,   ///< `status` and `text`, and no further request on this connection
    };
    Then then = Then::say;
    std::uint16_t status = 200;
    const char* text = "";
    std::string extra_head{};
    bool wants_interim = false;  ///< "100 Continue" before it sends its body
};

/// Host, Origin, method, target and Expect (http_rules.hpp says why). `is_whole`: the body has
/// arrived with the header.
Verdict judge(const HttpRequest& request, bool is_whole, const Server::Options& options);

}  // namespace millrace::rpc
