// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/http_rules.hpp"

#include <gtest/gtest.h>

namespace millrace::rpc {
namespace {

TEST(HttpRules, a_host_is_a_number_or_localhost_or_a_name_its_owner_gave) {
    const std::vector<std::string> hosts{"node.example"};
    for (const char* host : {"127.0.0.1", "127.0.0.1:8545", "[::1]", "[::1]:8545", "localhost",
                             "LocalHost:1", "192.0.2.7", "node.example", "NODE.example:80"}) {
        EXPECT_TRUE(host_allowed(host, hosts)) << host;
    }
    for (const char* host : {"", ":", "evil.example", "evil.example:8545", "127.0.0.1.evil.example",
                             "localhost.evil.example", "[::1", "[::1]x", "[evil]", "localhost:evil",
                             "::1", "1.2.3", "node.example.", "localhost:123456"}) {
        EXPECT_FALSE(host_allowed(host, hosts)) << host;
    }
    EXPECT_TRUE(host_allowed("evil.example", {"*"}));
    EXPECT_FALSE(host_allowed(std::string(300, 'a'), {"*"}));
}

TEST(HttpRules, an_origin_is_told_only_when_it_is_listed) {
    EXPECT_EQ(allowed_origin("http://a.example", {}), "");
    EXPECT_EQ(allowed_origin("http://a.example", {"http://b.example"}), "");
    EXPECT_EQ(allowed_origin("http://a.example", {"http://b.example", "http://a.example"}),
              "http://a.example");
    EXPECT_EQ(allowed_origin("null", {"http://a.example"}), "");
    EXPECT_EQ(allowed_origin("http://a.example", {"*"}), "*");
}

}  // namespace
}  // namespace millrace::rpc
