// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Calls and creations: who pays what, and what stays after a failure.

#include <gtest/gtest.h>

#include "evm/create_address.hpp"
#include "evm/delegation.hpp"
#include "evm/machine_sample.hpp"

namespace millrace::evm {
namespace {

const Address self = sample_address(2);
const Address other = sample_address(3);

std::string push20(const Address& address) {
    return "73" + to_hex(address.view());
}
/// CALL of `other`: no input, no output.
std::string call_other(std::string_view value = "6000", std::string_view gas = "61ffff") {
    return "6000600060006000" + std::string{value} + push20(other) + std::string{gas} + "f1";
}
constexpr std::string_view return_top = "60005260206000f3";

TEST(Call, price_of_a_call_by_revision) {
    struct Case {
        Revision revision;
        std::string_view value;
        std::int64_t gas_used;  ///< beyond the seven pushes
    };
    constexpr Case cases[] = {
        {Revision::frontier, "6000", 40 + 25'000},  // even without value
        {Revision::tangerine_whistle, "6000", 700 + 25'000},
        {Revision::spurious_dragon, "6000", 700},
        {Revision::spurious_dragon, "6001", 700 + 9000 + 25'000 - 2300},
        {Revision::berlin, "6000", 2600},
        {Revision::osaka, "6001", 2600 + 9000 + 25'000 - 2300},
    };
    for (const Case& expected : cases) {
        Sample sample{expected.revision};
        sample.host.account(self).balance = U256{10};
        const CallResult result = sample.run(call_other(expected.value));
        EXPECT_EQ(result.status, Status::success);
        EXPECT_EQ(Sample::gas_used(result), 7 * 3 + expected.gas_used);
    }
}

TEST(Call, more_gas_than_there_is_fails_only_before_eip150) {
    Sample before{Revision::homestead};
    before.host.account(other);
    EXPECT_EQ(before.run(call_other("6000", "63ffffffff")).status, Status::out_of_gas);
    Sample after{Revision::tangerine_whistle};
    after.host.account(other);
    EXPECT_EQ(after.run(call_other("6000", "63ffffffff")).status, Status::success);
}

TEST(Call, callee_gets_all_but_a_64th) {
    Sample sample;
    sample.host.put_code(other, assemble("fe"));  // burns what it gets
    const CallResult result = sample.run(call_other("6000", "63ffffffff"));
    const std::int64_t before = Sample::gas - 7 * 3 - 2600;
    EXPECT_EQ(result.gas_left, before / 64);
}

TEST(Call, value_moves_and_comes_back_on_failure) {
    Sample sample;
    sample.host.account(self).balance = U256{10};
    EXPECT_EQ(word_of(sample.run(call_other("6004") + std::string{return_top})), U256{1});
    EXPECT_EQ(sample.host.balance(other), U256{4});
    EXPECT_EQ(sample.host.balance(self), U256{6});
    sample.host.put_code(other, assemble("60006000fd"));
    EXPECT_EQ(word_of(sample.run(call_other("6004") + std::string{return_top})), U256{0});
    EXPECT_EQ(sample.host.balance(self), U256{6});
    EXPECT_EQ(word_of(sample.run(call_other("6007") + std::string{return_top})), U256{0});
}

TEST(Call, return_data_is_of_the_last_callee) {
    Sample sample;
    sample.host.put_code(other, assemble("602a60005260206000fd"));  // reverts with 42
    const CallResult result = sample.run(call_other() + "503d6000600 03e" + "60206000f3");
    EXPECT_EQ(word_of(result), U256{42});
}

TEST(Call, output_longer_than_asked_is_cut) {
    Sample sample;
    sample.host.put_code(other, assemble("7f" + std::string(64, '1') + "60005260206000f3"));
    const CallResult result =
        sample.run("60026000 60006000 6000" + push20(other) + "61fffff1 50" + "60206000f3");
    EXPECT_EQ(to_hex(result.output), "1111" + std::string(60, '0'));
}

TEST(Call, delegate_and_callcode_keep_the_storage_owner) {
    // The callee stores its caller and the value.
    const Bytes callee = assemble("33600055 34600155 30600255");
    Sample delegate;
    delegate.host.put_code(other, callee);
    delegate.host.account(self);
    delegate.run("6000600060006000" + push20(other) + "62ffffff f4");
    EXPECT_EQ(delegate.host.storage(self, U256{0}).words[0] & 0xff, 1U);
    EXPECT_EQ(delegate.host.storage(self, U256{2}).words[0] & 0xff, 2U);
    Sample callcode;
    callcode.host.account(self).balance = U256{9};
    callcode.host.put_code(other, callee);
    callcode.run("60006000600060006005" + push20(other) + "62ffffff f2");
    EXPECT_EQ(callcode.host.storage(self, U256{0}).words[0] & 0xff, 2U);
    EXPECT_EQ(callcode.host.storage(self, U256{1}), U256{5});
    EXPECT_EQ(callcode.host.balance(self), U256{9});
}

TEST(Call, static_calls_change_nothing) {
    // SSTORE, TSTORE, LOG0, CREATE, SELFDESTRUCT, CALL with value.
    for (const std::string_view code : {"6001600055", "600160005d", "60006000a0", "600060006000f0",
                                        "6000ff", "6000600060006000600160006000f1"}) {
        Sample sample;
        sample.host.account(self).balance = U256{10};
        sample.host.put_code(other, assemble(code));
        const CallResult result =
            sample.run("6000600060006000" + push20(other) + "61ffff fa" + std::string{return_top});
        EXPECT_EQ(word_of(result), U256{0}) << code;
        Message message = Sample::message();
        message.is_static = true;
        message.recipient = message.code_address = other;
        EXPECT_EQ(sample.call(message).status, Status::static_violation) << code;
    }
}

TEST(Call, depth_ends_at_1024) {
    // Calls itself with all its gas and counts in storage how often it was entered.
    Sample sample{Revision::frontier};
    const std::string code =
        "600054600101600055"
        "6000600060006000600030"
        "620186a05a03f1";
    sample.run(code, std::int64_t{1} << 60);
    EXPECT_EQ(sample.host.storage(self, U256{0}), U256{1025});
}

TEST(Call, delegation_runs_the_code_of_another) {
    Sample sample;
    const Address target = sample_address(9);
    sample.host.put_code(target, assemble("3060005260206000f3"));  // ADDRESS
    sample.host.put_code(self, assemble("ef0100" + to_hex(target.view())));
    sample.host.begin_transaction();
    const CallResult result = sample.call(Sample::message());
    EXPECT_EQ(result.output[31], 2);  // as itself
    EXPECT_EQ(sample.host.access_account(target), AccessStatus::warm);

    Sample caller;
    caller.host.put_code(target, assemble("00"));
    caller.host.put_code(other, assemble("ef0100" + to_hex(target.view())));
    EXPECT_EQ(Sample::gas_used(caller.run(call_other())), 7 * 3 + 2600 + 2600);
    Sample before{Revision::cancun};
    before.host.put_code(other, assemble("ef0100" + to_hex(target.view())));
    EXPECT_EQ(word_of(before.run(call_other() + std::string{return_top})), U256{0});
}

TEST(Call, delegation_to_a_precompile_runs_nothing) {
    Sample sample;
    sample.host.put_code(other, assemble("ef01000000000000000000000000000000000000000004"));
    EXPECT_EQ(word_of(sample.run(call_other() + std::string{return_top})), U256{1});
}

/// CREATE of code that returns `runtime`.
Bytes init_of(std::string_view runtime) {
    const Bytes code = assemble(runtime);
    std::string init;
    for (std::size_t index = 0; index < code.size(); ++index)
        init += "60" + to_hex(ByteView{code}.subspan(index, 1)) + "60" +
                to_hex(Bytes{static_cast<std::uint8_t>(index)}) + "53";
    return assemble(init + "60" + to_hex(Bytes{static_cast<std::uint8_t>(code.size())}) + "6000f3");
}

Message creation(const Bytes& init, std::int64_t gas = Sample::gas) {
    Message message;
    message.kind = CallKind::create;
    message.gas = gas;
    message.sender = sample_address(1);
    message.input = init;
    return message;
}

TEST(Create, deploys_and_raises_the_nonce) {
    Sample sample;
    const Bytes init = init_of("6001");
    const CallResult result = sample.call(creation(init));
    EXPECT_EQ(result.status, Status::success);
    EXPECT_TRUE(result.output.empty());
    EXPECT_EQ(result.created, create_address(sample_address(1), 0));
    EXPECT_EQ(to_hex(sample.host.code(result.created)->view()), "6001");
    EXPECT_EQ(sample.host.nonce(sample_address(1)), 1U);
    EXPECT_EQ(sample.host.nonce(result.created), 1U);
    EXPECT_EQ(Sample::gas_used(result), 8 * 3 + 3 + 2 * 200);
}

TEST(Create, a_deposit_too_dear_fails_except_in_frontier) {
    const Bytes init = init_of("6001");
    Sample frontier{Revision::frontier};
    const CallResult empty = frontier.call(creation(init, 100));
    EXPECT_EQ(empty.status, Status::success);
    EXPECT_EQ(frontier.host.code(empty.created)->size(), 0U);
    EXPECT_EQ(empty.gas_left, 100 - 27);
    Sample homestead{Revision::homestead};
    EXPECT_EQ(homestead.call(creation(init, 100)).status, Status::out_of_gas);
}

TEST(Create, refuses_what_must_not_be_code) {
    Sample sample;
    EXPECT_EQ(sample.call(creation(init_of("ef00"))).status, Status::invalid_code_prefix);
    Sample berlin{Revision::berlin};
    EXPECT_EQ(berlin.call(creation(init_of("ef00"))).status, Status::success);
    const Bytes large = assemble("6160016000f3");  // 24,577 zeros
    Sample again;
    EXPECT_EQ(again.call(creation(large, 10'000'000)).status, Status::code_size_exceeded);
    Sample old{Revision::homestead};
    EXPECT_EQ(old.call(creation(large, 10'000'000)).status, Status::success);
}

TEST(Create, does_not_replace_an_account_with_a_history) {
    const Bytes init = init_of("6001");
    const Address created = create_address(sample_address(1), 0);
    Sample with_nonce;
    with_nonce.host.account(created).nonce = 1;
    EXPECT_EQ(with_nonce.call(creation(init)).status, Status::address_collision);
    EXPECT_EQ(with_nonce.host.nonce(sample_address(1)), 1U);
    Sample with_code;
    with_code.host.put_code(created, assemble("00"));
    EXPECT_EQ(with_code.call(creation(init)).status, Status::address_collision);
    Sample with_storage;
    with_storage.host.put_storage(created, U256{1}, U256{1});
    EXPECT_EQ(with_storage.call(creation(init)).status, Status::address_collision);
    Sample with_balance;
    with_balance.host.account(created).balance = U256{5};
    EXPECT_EQ(with_balance.call(creation(init)).status, Status::success);
    EXPECT_EQ(with_balance.host.balance(created), U256{5});
}

TEST(Create, a_sender_at_the_last_nonce_creates_nothing) {
    Sample sample;
    sample.host.account(self).nonce = ~std::uint64_t{0};
    EXPECT_EQ(word_of(sample.run("600060006000f0" + std::string{return_top})), U256{0});
    sample.host.account(sample_address(1)).nonce = ~std::uint64_t{0};
    EXPECT_EQ(sample.call(creation(init_of("00"))).status, Status::nonce_overflow);
}

TEST(Create, init_code_is_paid_and_bounded_from_shanghai) {
    Sample shanghai{Revision::shanghai};
    EXPECT_EQ(shanghai.run("61c00160006000f0").status, Status::out_of_gas);  // 49,153 bytes
    Sample london{Revision::london};
    EXPECT_EQ(london.run("61c00160006000f0").status, Status::success);
    Sample words;
    EXPECT_EQ(Sample::gas_used(words.run("602060006000f0")), 3 * 3 + 3 + 32'000 + 2);
    Sample hashed;
    EXPECT_EQ(Sample::gas_used(hashed.run("6000602060006000f5")), 4 * 3 + 3 + 32'000 + 2 + 6);
}

TEST(SelfDestruct, only_a_new_contract_disappears_from_cancun) {
    const std::string code = push20(other) + "ff";
    for (const Revision revision : {Revision::shanghai, Revision::cancun}) {
        Sample sample{revision};
        sample.host.account(self).balance = U256{7};
        const CallResult result = sample.run(code);
        EXPECT_EQ(result.status, Status::success);
        EXPECT_EQ(sample.host.balance(other), U256{7});
        EXPECT_EQ(sample.host.accounts().at(self).is_destroyed, revision < Revision::cancun);
        EXPECT_EQ(Sample::gas_used(result), 3 + 5000 + 2600 + 25'000);
    }
}

TEST(SelfDestruct, refund_ends_with_london) {
    for (const Revision revision : {Revision::berlin, Revision::london}) {
        Sample sample{revision};
        EXPECT_EQ(sample.run("30ff").gas_refund, revision < Revision::london ? 24'000 : 0);
    }
}

TEST(SelfDestruct, to_itself_burns_only_what_disappears) {
    for (const Revision revision : {Revision::shanghai, Revision::cancun}) {
        Sample sample{revision};
        sample.host.account(self).balance = U256{7};
        sample.run("30ff");
        EXPECT_EQ(sample.host.balance(self), U256{revision < Revision::cancun ? 0U : 7U});
    }
}

TEST(Call, an_arena_serves_one_transaction_after_the_other) {
    Sample sample;
    sample.host.put_code(other, assemble("62100000 51 60005260206000f3"));
    const std::string code = "602a 6220000052" + call_other("6000", "63ffffffff") + "50" +
                             "6220000051" + std::string{return_top};
    for (int round = 0; round < 3; ++round)
        EXPECT_EQ(word_of(sample.run(code, 50'000'000)), U256{42});
}

}  // namespace
}  // namespace millrace::evm
