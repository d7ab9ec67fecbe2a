// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "evm/machine.hpp"

#include <gtest/gtest.h>

#include "evm/create_address.hpp"
#include "evm/machine_sample.hpp"

namespace millrace::evm {
namespace {

TEST(Machine, adds_and_returns) {
    Sample sample;
    const CallResult result = sample.run("6002600301 60005260206000f3");
    EXPECT_EQ(result.status, Status::success);
    EXPECT_EQ(word_of(result), U256{5});
    EXPECT_EQ(sample.gas_used(result), 7 * 3 + 3);
}

}  // namespace
}  // namespace millrace::evm
