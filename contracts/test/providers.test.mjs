// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
    Wallet, ZeroAddress, ZeroHash, account, balance, call, day, deployHostile, deployMarket, ether, keccak256, now, pass,
    register, reverts, settings,
} from "./support/market.mjs";

let market;
before(async () => {
    market = await deployMarket();
});

const as = (wallet) => market.providers.connect(wallet);
const terms = [keccak256("0x01"), "10.0.0.1:7000", 5n, 2];
const get = (provider) => market.providers.get(provider.owner.address);

test("a registration is readable in full", async () => {
    const p = await register(market);
    const entry = await get(p);
    assert.deepEqual(
        [entry.owner, entry.signer, entry.payout, entry.nodeKey, entry.endpoint, entry.price, entry.slots, entry.active],
        [p.owner.address, p.signer.address, p.payout, ...p.terms.slice(0, 3), BigInt(p.terms[3]), true],
    );
    assert.equal(entry.stake, settings.stakeMin);
    assert.equal(Number(entry.registeredAt), await now());
    assert.deepEqual([...entry.counters], [0n, 0n, 0n, 0n, 0n]);
    assert.equal(await market.providers.payoutOf(p.owner.address), p.payout);
});

test("malformed registrations are refused", async () => {
    const owner = await account();
    const payout = owner.address;
    const refused = (args, error, value = settings.stakeMin) => reverts(as(owner), "register", args, error, { value });
    await refused([...terms, owner.address, payout], "StakeTooSmall", settings.stakeMin - 1n);
    await refused([ZeroHash, ...terms.slice(1), owner.address, payout], "NodeKeyMissing");
    await refused([terms[0], "", 5n, 2, owner.address, payout], "EndpointSizeInvalid");
    await refused([terms[0], "e".repeat(129), 5n, 2, owner.address, payout], "EndpointSizeInvalid");
    await refused([...terms.slice(0, 3), 0, owner.address, payout], "SlotsZero");
    await refused([...terms, ZeroAddress, payout], "ZeroAddress");
    await refused([...terms, owner.address, ZeroAddress], "ZeroAddress");
    await call(as(owner), "register", [terms[0], "e".repeat(128), 0n, 1, owner.address, payout], { value: settings.stakeMin });
    await refused([...terms, owner.address, payout], "AlreadyRegistered");
});

test("owner and signer change terms; strangers change nothing", async () => {
    const p = await register(market);
    const stranger = await account();
    await call(as(p.signer), "update", [p.owner.address, terms[0], "host:1", 7n, 9]);
    let entry = await get(p);
    assert.deepEqual([entry.nodeKey, entry.endpoint, entry.price, entry.slots], [terms[0], "host:1", 7n, 9n]);
    await call(as(p.owner), "update", [p.owner.address, terms[0], "host:2", 8n, 1]);
    await call(as(p.signer), "setActive", [p.owner.address, false]);
    entry = await get(p);
    assert.deepEqual([entry.endpoint, entry.active], ["host:2", false]);
    await reverts(as(p.owner), "update", [p.owner.address, terms[0], "", 8n, 1], "EndpointSizeInvalid");
    await reverts(as(stranger), "update", [p.owner.address, ...terms], "NotOwnerNorSigner");
    await reverts(as(stranger), "setActive", [p.owner.address, true], "NotOwnerNorSigner");
    await reverts(as(stranger), "update", [stranger.address, ...terms], "NotRegistered");
    await reverts(as(stranger), "update", [ZeroAddress, ...terms], "NotRegistered");
});

test("the hot key touches neither keys nor money", async () => {
    const p = await register(market);
    const attempts = [
        ["setSigner", [p.signer.address]], ["requestPayoutChange", [p.signer.address]], ["cancelPayoutChange", []],
        ["addStake", [], { value: 1n }], ["requestUnbond", [1n]], ["cancelUnbond", []], ["withdrawStake", []],
    ];
    for (const [method, args, overrides] of attempts) {
        await reverts(as(p.signer), method, args, "NotRegistered", overrides);
    }
});

test("a replaced signer loses its rights at once and stays answerable", async () => {
    const p = await register(market);
    const next = await account();
    await reverts(as(p.owner), "setSigner", [ZeroAddress], "ZeroAddress");
    await call(as(p.owner), "setSigner", [next.address]);
    await reverts(as(p.signer), "setActive", [p.owner.address, false], "NotOwnerNorSigner");
    assert.equal(await market.providers.mayActFor(p.owner.address, p.signer.address), false);
    assert.equal(await market.providers.mayActFor(p.owner.address, next.address), true);
    assert.equal(await market.providers.wasSigner(p.owner.address, p.signer.address), true);
    assert.equal(await market.providers.wasSigner(p.owner.address, p.owner.address), false);
});

test("nobody may act for an unregistered payee but itself", async () => {
    const stranger = await account();
    assert.equal(await market.providers.mayActFor(stranger.address, stranger.address), true);
    assert.equal(await market.providers.mayActFor(stranger.address, ZeroAddress), false);
    assert.equal(await market.providers.mayActFor(ZeroAddress, stranger.address), false);
    assert.equal(await market.providers.payoutOf(stranger.address), stranger.address);
});

test("a payout change waits, can be cancelled, and shows when it is in force", async () => {
    const p = await register(market);
    const [b, c] = [Wallet.createRandom().address, Wallet.createRandom().address];
    await reverts(as(p.owner), "requestPayoutChange", [ZeroAddress], "ZeroAddress");
    await call(as(p.owner), "requestPayoutChange", [b]);
    assert.equal(await market.providers.payoutOf(p.owner.address), p.payout);
    assert.equal((await get(p)).nextPayout, b);
    await call(as(p.owner), "cancelPayoutChange");
    await pass(settings.payoutDelay);
    assert.equal(await market.providers.payoutOf(p.owner.address), p.payout);
    await call(as(p.owner), "requestPayoutChange", [b]);
    await pass(settings.payoutDelay);
    assert.equal(await market.providers.payoutOf(p.owner.address), b);
    assert.deepEqual([(await get(p)).payout, (await get(p)).nextPayout], [b, ZeroAddress]);
    // A new request keeps what is in force and replaces what waits.
    await call(as(p.owner), "requestPayoutChange", [c]);
    assert.equal(await market.providers.payoutOf(p.owner.address), b);
    await call(as(p.owner), "requestPayoutChange", [p.payout]);
    await pass(settings.payoutDelay);
    assert.equal(await market.providers.payoutOf(p.owner.address), p.payout);
});

test("stake leaves after the delay, to the owner, and never below the minimum of an active provider", async () => {
    const p = await register(market);
    const mine = as(p.owner);
    await reverts(mine, "addStake", [], "ZeroAmount");
    await call(mine, "addStake", [], { value: 3n * ether });
    await reverts(mine, "requestUnbond", [0n], "ZeroAmount");
    await reverts(mine, "requestUnbond", [3n * ether + 1n], "StakeTooSmall");
    await reverts(mine, "requestUnbond", [5n * ether], "StakeTooSmall");
    await reverts(mine, "withdrawStake", [], "NothingUnbonding");
    await reverts(mine, "cancelUnbond", [], "NothingUnbonding");
    await call(mine, "requestUnbond", [2n * ether]);
    await pass(settings.unbondDelay - day);
    await reverts(mine, "withdrawStake", [], "UnbondTooEarly");
    await call(mine, "requestUnbond", [1n * ether]); // restarts the delay for all of it
    await pass(2 * day);
    await reverts(mine, "withdrawStake", [], "UnbondTooEarly");
    await pass(settings.unbondDelay);
    const held = await balance(market.providers.at);
    const receipt = await call(mine, "withdrawStake");
    assert.deepEqual(receipt.events[0].args, { owner: p.owner.address, amount: 3n * ether });
    assert.equal(held - (await balance(market.providers.at)), 3n * ether);
    await call(mine, "setActive", [p.owner.address, false]);
    await call(mine, "requestUnbond", [settings.stakeMin]);
    await reverts(mine, "setActive", [p.owner.address, true], "StakeTooSmall");
    await call(mine, "cancelUnbond");
    await call(mine, "setActive", [p.owner.address, true]);
});

test("an owner contract that calls back while it withdraws stake gains nothing", async () => {
    const attacker = await deployHostile("Reentrant");
    const other = await register(market); // somebody else's stake is there to be stolen
    const code = market.providers.interface;
    const act = (method, args = [], value = 0n) =>
        call(attacker, "execute", [market.providers.at, code.encodeFunctionData(method, args)], { value });
    await act("register", [...terms, attacker.at, attacker.at], settings.stakeMin);
    await act("setActive", [attacker.at, false]);
    await act("requestUnbond", [settings.stakeMin]);
    await pass(settings.unbondDelay);
    await call(attacker, "arm", [market.providers.at, code.encodeFunctionData("withdrawStake")]);
    await act("withdrawStake");
    assert.deepEqual([await attacker.attempts(), await attacker.successes()], [1n, 0n]);
    assert.equal(await balance(attacker.at), settings.stakeMin);
    assert.equal((await get(other)).stake, settings.stakeMin);
});

test("an owner contract that refuses coins keeps its stake", async () => {
    const owner = await deployHostile("Reentrant");
    const code = market.providers.interface;
    const act = (method, args = [], value = 0n) =>
        call(owner, "execute", [market.providers.at, code.encodeFunctionData(method, args)], { value });
    await act("register", [...terms, owner.at, owner.at], settings.stakeMin);
    await act("setActive", [owner.at, false]);
    await act("requestUnbond", [settings.stakeMin]);
    await pass(settings.unbondDelay);
    await call(owner, "refuse", [true]);
    const data = code.encodeFunctionData("withdrawStake");
    await assert.rejects(owner.execute.staticCall(market.providers.at, data));
    assert.equal((await market.providers.get(owner.at)).unbonding, settings.stakeMin);
    await call(owner, "refuse", [false]);
    await act("withdrawStake");
    assert.equal(await balance(owner.at), settings.stakeMin);
});

test("counters move by nobody's word", async () => {
    const p = await register(market);
    for (const caller of [p.owner, p.signer, market.deployer]) {
        await reverts(as(caller), "recordSettled", [p.owner.address, 1n, 1n], "OnlyDeposits");
        await reverts(as(caller), "recordContradiction", [p.owner.address], "OnlyJobs");
    }
});

test("the list is stable, paged and bounded", async () => {
    const own = await deployMarket({ stakeMin: 0n });
    const owners = [];
    for (let i = 0; i < 5; ++i) owners.push((await register(own)).owner.address);
    const list = own.providers;
    assert.equal(await list.count(), 5n);
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map((i) => list.ownerAt(i))), owners);
    const names = async (start, size) => (await list.page(start, size)).map((entry) => entry.owner);
    assert.deepEqual(await names(0, 100), owners);
    assert.deepEqual(await names(1, 2), owners.slice(1, 3));
    assert.deepEqual(await names(4, 2), owners.slice(4));
    assert.deepEqual(await names(5, 2), []);
    assert.deepEqual(await names(2n ** 256n - 1n, 100), []);
    assert.deepEqual(await names(0, 0), []);
    await reverts(list, "page", [0, 101], "PageTooLarge");
    await reverts(list, "ownerAt", [5], "IndexOutOfRange");
});

test("a provider of a market without stake needs none", async () => {
    const own = await deployMarket({ stakeMin: 0n });
    const owner = await account();
    await call(own.providers.connect(owner), "register", [...terms, owner.address, owner.address]);
    assert.equal((await own.providers.get(owner.address)).active, true);
});
