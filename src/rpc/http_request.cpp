// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/http_request.hpp"

#include <boost/beast/websocket/rfc6455.hpp>

#include "rpc/http_rules.hpp"

namespace millrace::rpc {
namespace {

namespace http = boost::beast::http;
using Then = Verdict::Then;

void refuse(Verdict& verdict, std::uint16_t status, const char* text) {
    verdict.then = Then::refuse;
    verdict.status = status;
    verdict.text = text;
}

/// False: refused.
bool check_sender(const HttpRequest& request, const Server::Options& options, Verdict& verdict) {
    const auto host = request.find(http::field::host);
    const bool host_given = host != request.end();
    if (request.count(http::field::host) > 1 || (!host_given && request.version() >= 11)) {
        refuse(verdict, 400, "a request names one Host\n");
        return false;
    }
    if (host_given) {
        const auto name = host->value();
        if (!host_allowed({name.data(), name.size()}, options.hosts)) {
            refuse(verdict, 403, "this host name is not served here\n");
            return false;
        }
    }
    if (const auto origin = request.find(http::field::origin); origin != request.end()) {
        const auto name = origin->value();
        const std::string allowed =
            allowed_origin({name.data(), name.size()}, options.cors_origins);
        if (allowed.empty()) {
            refuse(verdict, 403, "this origin is not allowed\n");
            return false;
        }
        verdict.extra_head = "Access-Control-Allow-Origin: " + allowed + "\r\nVary: Origin\r\n";
    }
    return true;
}

void judge_method(const HttpRequest& request, Verdict& verdict) {
    const auto target = request.target();
    switch (request.method()) {
        case http::verb::post:
            if (target == "/" || target.starts_with("/?")) {
                verdict.then = Then::call;
            } else {
                verdict.status = 404;
                verdict.text = "JSON-RPC is answered at /\n";
            }
            break;
        case http::verb::get:
            verdict.then =
                boost::beast::websocket::is_upgrade(request) ? Then::upgrade : Then::page;
            break;
        case http::verb::options:
            verdict.status = 204;
            verdict.extra_head +=
                "Allow: GET, POST, OPTIONS\r\n"
                "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                "Access-Control-Allow-Headers: Content-Type\r\n"
                "Access-Control-Max-Age: 600\r\n";
            break;
        default:
            verdict.status = 405;
            verdict.text = "POST JSON-RPC to /\n";
            verdict.extra_head += "Allow: GET, POST, OPTIONS\r\n";
            break;
    }
}

}  // namespace

Verdict judge(const HttpRequest& request, bool is_whole, const Server::Options& options) {
    Verdict verdict;
    if (!check_sender(request, options, verdict)) return verdict;
    judge_method(request, verdict);
    const auto expect = request.find(http::field::expect);
    if (expect != request.end() && !is_whole) {
        verdict.wants_interim = boost::beast::iequals(expect->value(), "100-continue");
        if (!verdict.wants_interim) refuse(verdict, 417, "only 100-continue can be expected\n");
    }
    return verdict;
}

}  // namespace millrace::rpc
