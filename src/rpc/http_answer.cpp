// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/http_answer.hpp"

namespace millrace::rpc {
namespace {

const char* reason(std::uint16_t status) {
    switch (status) {
        case 200:
            return "OK";
        case 204:
            return "No Content";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 413:
            return "Payload Too Large";
        case 417:
            return "Expectation Failed";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        default:
            return status < 400 ? "OK" : "Error";
    }
}

}  // namespace

std::string write_head(const AnswerHead& head) {
    std::string text = "HTTP/1.1 ";
    text += std::to_string(head.status);
    text += ' ';
    text += reason(head.status);
    text += "\r\n";
    if (head.status != 204) {
        text += "Content-Type: ";
        text += head.type;
        text += "\r\nContent-Length: ";
        text += std::to_string(head.size);
        text += "\r\n";
    }
    text += head.extra;
    if (!head.keep_alive) {
        text += "Connection: close\r\n";
    } else if (head.old) {
        text += "Connection: keep-alive\r\n";
    }
    text += "\r\n";
    return text;
}

}  // namespace millrace::rpc
