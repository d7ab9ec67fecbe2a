// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
    ZeroAddress, ZeroHash, account, allocate, balance, call, chain_id, claim, day, deployHostile, deployMarket, ether,
    keccak256, malleate, now, pass, provider, register, reverts, settings, sumTree,
} from "./support/market.mjs";

let market;
let payer;
let alice; // a registered provider
let bob; // a payee that never registered
let allocation; // leaves: alice 10, bob 20, alice's neighbour 30

before(async () => {
    market = await deployMarket();
    payer = await account();
    alice = await register(market);
    bob = await account();
});

const as = (wallet) => market.deposits.connect(wallet);
const settled = (payee, a = allocation) => market.deposits.settled(a.payer.address, a.id, payee);

async function fresh(life) {
    allocation = await allocate(market, payer, [
        { payee: alice.owner.address, cap: 10n * ether },
        { payee: bob.address, cap: 20n * ether },
        { payee: `0x${"c3".repeat(20)}`, cap: 30n * ether },
    ], life);
    return allocation;
}

test("a voucher pays the difference to the payout address, whoever submits it", async () => {
    await fresh();
    const stranger = await account();
    const first = await call(as(stranger), "settle", [await claim(market, allocation, 0, 3n * ether, 3n)]);
    assert.deepEqual(first.events[0].args, {
        payer: payer.address, payee: alice.owner.address, allocation: allocation.id, amount: 3n * ether,
        cumulative: 3n * ether, tasks: 3n,
    });
    assert.equal(await balance(alice.payout), 3n * ether);
    await call(as(stranger), "settle", [await claim(market, allocation, 0, 5n * ether, 4n)]);
    assert.equal(await balance(alice.payout), 5n * ether);
    const counters = (await market.providers.get(alice.owner.address)).counters;
    assert.deepEqual([...counters], [4n, 5n * ether, 0n, 4n, 4n]);
    assert.equal(await market.deposits.settledTasks(payer.address, allocation.id, alice.owner.address), 4n);
});

test("a payee that is not registered is paid itself and leaves no counters", async () => {
    await fresh();
    const had = await balance(bob.address);
    await call(as(payer), "settle", [await claim(market, allocation, 1, ether)]);
    assert.equal((await balance(bob.address)) - had, ether);
    assert.equal((await market.providers.get(bob.address)).owner, ZeroAddress);
});

test("a replayed voucher pays nothing", async () => {
    await fresh();
    const voucher = await claim(market, allocation, 1, 2n * ether);
    await call(as(bob), "settle", [voucher]);
    const again = await call(as(payer), "settle", [voucher]);
    assert.deepEqual(again.events, []);
    assert.equal(await as(payer).settleBatch.staticCall([voucher, voucher]), 0n);
    assert.equal(await settled(bob.address), 2n * ether);
});

test("an older voucher after a newer one pays nothing, in any order and in one batch", async () => {
    await fresh();
    const [one, two, three] = await Promise.all([1n, 2n, 3n].map((n) => claim(market, allocation, 1, n * ether, n)));
    const receipt = await call(as(payer), "settleBatch", [[two, one, three, two]]);
    assert.deepEqual(receipt.events.map((e) => e.args.amount), [2n * ether, ether]);
    assert.equal(await settled(bob.address), 3n * ether);
    assert.equal((await call(as(payer), "settle", [one])).events.length, 0);
});

test("task counts never fall and never bring money", async () => {
    await fresh();
    await call(as(payer), "settle", [await claim(market, allocation, 0, ether, 9n)]);
    const before = (await market.providers.get(alice.owner.address)).counters.acceptedTasks;
    await call(as(payer), "settle", [await claim(market, allocation, 0, 2n * ether, 4n)]);
    await call(as(payer), "settle", [await claim(market, allocation, 0, 2n * ether, 99n)]);
    assert.equal((await market.providers.get(alice.owner.address)).counters.acceptedTasks, before);
});

test("an absurd task count does not block later settlement", async () => {
    const victim = await register(market);
    const a = await allocate(market, payer, [{ payee: victim.owner.address, cap: ether }]);
    const b = await allocate(market, payer, [{ payee: victim.owner.address, cap: ether }]);
    const most = 2n ** 64n - 1n;
    await call(as(payer), "settle", [await claim(market, a, 0, ether, most)]);
    await call(as(payer), "settle", [await claim(market, b, 0, ether, most)]);
    const { counters } = await market.providers.get(victim.owner.address);
    assert.deepEqual([...counters], [most, 2n * ether, 0n, most, await market.providers.SCORE_MAX()]);
});

test("forged vouchers are refused", async () => {
    await fresh();
    const thief = await account();
    const make = (changes) => claim(market, allocation, 1, ether, 1n, changes);
    const good = await make({});
    const refused = async (changes, error) => reverts(as(thief), "settle", [await make(changes)], error);
    await refused({ signer: thief }, "VoucherNotSignedByPayer");
    for (const domain of [
        { name: "millrace" }, { version: "2" }, { chainId: chain_id + 1n }, { verifyingContract: market.jobs.at },
        { salt: keccak256(ZeroHash) }, { salt: undefined },
    ]) await refused({ domain }, "VoucherNotSignedByPayer");
    for (const change of [
        { payer: thief.address }, { payee: thief.address }, { allocation: 99n }, { cumulative: ether - 1n }, { tasks: 2n },
    ]) await refused({ signed: { ...good.voucher, ...change } }, "VoucherNotSignedByPayer");
    await refused({ signature: malleate(good.signature) }, "SignatureMalformed");
    await refused({ signature: "0x" }, "SignatureMalformed");
    await refused({ signature: good.signature.slice(0, -2) }, "SignatureMalformed");
    await refused({ signature: `${good.signature}00` }, "SignatureMalformed");
    await refused({ signature: `${good.signature.slice(0, -2)}00` }, "SignatureMalformed");
    await refused({ signature: `0x${"00".repeat(64)}1b` }, "SignatureMalformed");
    const flipped = good.signature.slice(130) === "1b" ? "1c" : "1b";
    const other = await make({ signature: `${good.signature.slice(0, -2)}${flipped}` });
    await assert.rejects(as(thief).settle.staticCall(other));
    assert.equal(await settled(bob.address), 0n);
});

test("a voucher of one network is worth nothing on another", async () => {
    await fresh();
    const elsewhere = await deployMarket();
    const twin = await allocate({ ...elsewhere }, payer, allocation.tree.leaves);
    const foreign = await claim(elsewhere, twin, 1, ether);
    foreign.voucher.allocation = allocation.id;
    await reverts(as(bob), "settle", [foreign], "VoucherNotSignedByPayer");
});

test("a voucher of one allocation is worth nothing in another", async () => {
    const other = await fresh();
    await fresh();
    const moved = await claim(market, other, 1, ether);
    moved.voucher.allocation = allocation.id;
    await reverts(as(bob), "settle", [moved], "VoucherNotSignedByPayer");
    await reverts(as(bob), "settle", [await claim(market, allocation, 1, ether, 1n, { voucher: { allocation: 10_000n } })],
        "AllocationUnknown");
});

test("a stream never pays over its cap", async () => {
    await fresh();
    await reverts(as(bob), "settle", [await claim(market, allocation, 1, 20n * ether + 1n)], "OverCap");
    await reverts(as(bob), "settle", [await claim(market, allocation, 1, 2n ** 256n - 1n)], "OverCap");
    await call(as(bob), "settle", [await claim(market, allocation, 1, 20n * ether)]);
    assert.equal(await settled(bob.address), 20n * ether);
});

test("forged Merkle-sum proofs are refused", async () => {
    await fresh();
    const proof = allocation.tree.proof(1);
    const refused = async (changes, index = 1) =>
        reverts(as(bob), "settle", [await claim(market, allocation, index, ether, 1n, changes)], "ProofInvalid");
    await refused({ cap: 21n * ether });
    await refused({ cap: 19n * ether });
    for (const index of [0, 2, 3, 5, 2n ** 32n + 1n, 2n ** 255n + 1n]) await refused({ index });
    for (let level = 0; level < proof.length; ++level) {
        const change = (part) => proof.map((step, i) => (i === level ? { ...step, ...part } : step));
        await refused({ proof: change({ sum: proof[level].sum + 1n }) });
        await refused({ proof: change({ sum: proof[level].sum - 1n }) });
        await refused({ proof: change({ sum: 2n ** 256n - 1n }) });
        await refused({ proof: change({ hash: keccak256(proof[level].hash) }) });
    }
    await refused({ proof: proof.slice(1) });
    await refused({ proof: [] });
    await refused({ proof: [...proof, { hash: ZeroHash, sum: 0n }] });
    await refused({ proof: [...proof].reverse() });
    await refused({ proof: Array(40).fill({ hash: ZeroHash, sum: 0n }) });
    await refused({ voucher: { payee: alice.owner.address } }, 1);
});

test("the padding of the tree pays nobody", async () => {
    await fresh();
    const padding = { payee: ZeroAddress, cap: 0n };
    allocation.tree.leaves[3] = padding;
    await reverts(as(bob), "settle", [await claim(market, allocation, 3, 0n)], "ZeroAddress");
    await reverts(as(bob), "settle", [await claim(market, allocation, 3, 0n, 1n, { voucher: { payee: bob.address } })],
        "ProofInvalid");
});

test("an inner node cannot pass for a leaf", async () => {
    await fresh();
    // A tree with half the leaves, claimed under the root of the whole: the proof is one level too short.
    const { tree } = allocation;
    const above = tree.proof(1)[1];
    await reverts(as(bob), "settle", [await claim(market, allocation, 1, ether, 1n, { index: 0, cap: 30n * ether, proof: [above] })],
        "ProofInvalid");
});

test("an allocation's total is the sum of its tree, no more and no less", async () => {
    for (const count of [1, 2, 3]) {
        const tree = sumTree(Array(count).fill({ payee: bob.address, cap: 10n }));
        for (const total of [tree.total - 1n, tree.total + 1n]) {
            await call(as(payer), "deposit", [payer.address], { value: total });
            const receipt = await call(as(payer), "allocate", [tree.root, total, count, (await now()) + day]);
            const odd = { tree, id: receipt.events[0].args.allocation, payer };
            await reverts(as(bob), "settle", [await claim(market, odd, 0, 1n)], "ProofInvalid");
        }
    }
});

test("a tree is as deep as its leaf count says", async () => {
    const tree = sumTree([1n, 2n, 3n, 4n].map((cap) => ({ payee: bob.address, cap })));
    for (const leafCount of [1, 2, 5, 2 ** 32 - 1]) {
        await call(as(payer), "deposit", [payer.address], { value: tree.total });
        const receipt = await call(as(payer), "allocate", [tree.root, tree.total, leafCount, (await now()) + day]);
        const odd = { tree, id: receipt.events[0].args.allocation, payer };
        await reverts(as(bob), "settle", [await claim(market, odd, 0, 1n)], "ProofInvalid");
    }
});

test("a dishonest tree cannot promise more than its total", async () => {
    // The sums under the root are made to lie: 15 + 15 under a total of 20.
    const honest = sumTree([{ payee: alice.owner.address, cap: 15n }, { payee: bob.address, cap: 15n }]);
    await call(as(payer), "deposit", [payer.address], { value: 20n });
    const receipt = await call(as(payer), "allocate", [honest.root, 20n, 2, (await now()) + day]);
    const lying = { tree: honest, id: receipt.events[0].args.allocation, payer };
    await reverts(as(bob), "settle", [await claim(market, lying, 1, 15n)], "ProofInvalid");
    const short = honest.proof(1).map((step) => ({ ...step, sum: 5n }));
    await reverts(as(bob), "settle", [await claim(market, lying, 1, 15n, 1n, { proof: short })], "ProofInvalid");
});

test("a payee in two leaves has one stream, bounded by the larger cap", async () => {
    const both = await allocate(market, payer, [
        { payee: bob.address, cap: 5n * ether }, { payee: bob.address, cap: 8n * ether },
    ]);
    await call(as(bob), "settle", [await claim(market, both, 0, 5n * ether)]);
    await call(as(bob), "settle", [await claim(market, both, 1, 8n * ether)]);
    await reverts(as(bob), "settle", [await claim(market, both, 1, 8n * ether + 1n)], "OverCap");
    await reverts(as(bob), "settle", [await claim(market, both, 0, 5n * ether, 1n, { close: true })], "OverCap");
    await call(as(bob), "settle", [await claim(market, both, 1, 8n * ether, 1n, { close: true })]);
    const state = await market.deposits.allocation(payer.address, both.id);
    assert.deepEqual([state.settled, state.freed, state.total], [8n * ether, 0n, 13n * ether]);
});

test("trees of every small size verify at every leaf", async () => {
    for (const count of [1, 2, 3, 4, 5, 7, 8, 9]) {
        const leaves = Array.from({ length: count }, (_, i) => ({
            payee: `0x${(0xabc000 + i).toString(16).padStart(40, "0")}`, cap: BigInt(i * i + 1),
        }));
        const a = await allocate(market, payer, leaves);
        const claims = await Promise.all(leaves.map((leaf, i) => claim(market, a, i, leaf.cap)));
        assert.equal(await as(payer).settleBatch.staticCall(claims), a.tree.total);
    }
});

test("nobody allocates more than is free", async () => {
    const poor = await account();
    const root = keccak256("0x01");
    const expiry = (await now()) + day;
    await reverts(as(poor), "allocate", [root, 1n, 1, expiry], "FreeDepositTooSmall");
    await call(as(poor), "deposit", [poor.address], { value: 100n });
    await reverts(as(poor), "allocate", [root, 101n, 1, expiry], "FreeDepositTooSmall");
    await reverts(as(poor), "allocate", [root, 2n ** 128n + 1n, 1, expiry], "FreeDepositTooSmall");
    await reverts(as(poor), "allocate", [root, 2n ** 256n - 1n, 1, expiry], "FreeDepositTooSmall");
    await call(as(poor), "allocate", [root, 60n, 1, expiry]);
    await reverts(as(poor), "allocate", [root, 41n, 1, expiry], "FreeDepositTooSmall");
    assert.equal(await market.deposits.free(poor.address), 40n);
    assert.equal(await market.deposits.allocationCount(poor.address), 1n);
    assert.equal(await as(poor).allocate.staticCall(root, 40n, 1, expiry, { from: poor.address }), 1n);
});

test("malformed deposits and allocations are refused", async () => {
    const expiry = (await now()) + day;
    const root = keccak256("0x01");
    await call(as(payer), "deposit", [payer.address], { value: 10n });
    await reverts(as(payer), "deposit", [ZeroAddress], "ZeroAddress", { value: 1n });
    await reverts(as(payer), "deposit", [payer.address], "ZeroAmount");
    await reverts(as(payer), "allocate", [ZeroHash, 1n, 1, expiry], "RootMissing");
    await reverts(as(payer), "allocate", [root, 0n, 1, expiry], "ZeroAmount");
    await reverts(as(payer), "allocate", [root, 1n, 0, expiry], "LeafCountZero");
    await reverts(as(payer), "allocate", [root, 1n, 1, await now()], "ExpiryOutOfBounds");
    await reverts(as(payer), "allocate", [root, 1n, 1, (await now()) + settings.expiryMax + 60], "ExpiryOutOfBounds");
    await reverts(as(payer), "allocate", [root, 1n, 1, 2n ** 64n - 1n], "ExpiryOutOfBounds");
    await assert.rejects(provider.call({ from: payer.address, to: market.deposits.at, value: 1n }), "plain transfers are refused");
});

test("only the payee closes its stream, and what is unused returns to the payer", async () => {
    await fresh();
    const stranger = await account();
    const closing = await claim(market, allocation, 0, 4n * ether, 4n, { close: true });
    for (const caller of [stranger, payer, bob]) await reverts(as(caller), "settle", [closing], "NotThePayee");
    const had = await market.deposits.free(payer.address);
    const receipt = await call(as(alice.signer), "settle", [closing]);
    assert.deepEqual(receipt.events.map((e) => e.name), ["Settled", "Closed", "SettlementRecorded"]);
    assert.equal((await market.deposits.free(payer.address)) - had, 6n * ether);
    assert.equal(await market.deposits.closed(payer.address, allocation.id, alice.owner.address), true);
    await reverts(as(alice.owner), "settle", [await claim(market, allocation, 0, 5n * ether)], "StreamClosed");
    await reverts(as(alice.owner), "settle", [closing], "StreamClosed");
    assert.equal(await as(stranger).settle.staticCall({ ...closing, close: false }), 0n);
});

test("a stream that never paid closes without a voucher, by its payee alone", async () => {
    await fresh();
    const empty = await claim(market, allocation, 1, 0n, 0n, { signature: "0x", close: true });
    await reverts(as(alice.owner), "settle", [empty], "NotThePayee");
    const receipt = await call(as(bob), "settle", [empty]);
    assert.deepEqual(receipt.events.map((e) => [e.name, e.args.freed]), [["Closed", 20n * ether]]);
});

test("an unsigned claim of nothing does nothing", async () => {
    await fresh();
    const empty = await claim(market, allocation, 1, 0n, 99n, { signature: "0x" });
    assert.deepEqual((await call(as(payer), "settle", [empty])).events, []);
    assert.equal(await market.deposits.settledTasks(payer.address, allocation.id, bob.address), 0n);
});

test("release waits for the expiry, frees what is left, and ends the allocation", async () => {
    await fresh(3600);
    await call(as(bob), "settle", [await claim(market, allocation, 1, 5n * ether, 1n, { close: true })]);
    await reverts(as(payer), "release", [allocation.id], "AllocationNotExpired");
    await pass(3600);
    await reverts(as(bob), "release", [allocation.id], "AllocationUnknown");
    // Expired, not released: claims still pay.
    await call(as(payer), "settle", [await claim(market, allocation, 0, ether)]);
    const had = await market.deposits.free(payer.address);
    await call(as(payer), "release", [allocation.id]);
    assert.equal((await market.deposits.free(payer.address)) - had, (60n - 20n - 1n) * ether);
    await reverts(as(payer), "release", [allocation.id], "AllocationAlreadyReleased");
    await reverts(as(payer), "settle", [await claim(market, allocation, 0, 2n * ether)], "AllocationAlreadyReleased");
    const state = await market.deposits.allocation(payer.address, allocation.id);
    assert.equal(state.total, state.settled + state.freed);
});

test("money that waits for withdrawal cannot be promised, and promised money cannot wait", async () => {
    const saver = await account();
    await call(as(saver), "deposit", [saver.address], { value: 100n });
    await reverts(as(saver), "requestWithdrawal", [101n], "FreeDepositTooSmall");
    await reverts(as(saver), "requestWithdrawal", [0n], "ZeroAmount");
    await reverts(as(saver), "withdraw", [], "NothingPending");
    await reverts(as(saver), "cancelWithdrawal", [], "NothingPending");
    await call(as(saver), "requestWithdrawal", [70n]);
    const expiry = (await now()) + 20 * day;
    await reverts(as(saver), "allocate", [keccak256("0x01"), 31n, 1, expiry], "FreeDepositTooSmall");
    await call(as(saver), "allocate", [keccak256("0x01"), 30n, 1, expiry]);
    await reverts(as(saver), "requestWithdrawal", [1n], "FreeDepositTooSmall");
    await reverts(as(saver), "withdraw", [], "WithdrawalTooEarly");
    await call(as(saver), "cancelWithdrawal");
    assert.equal(await market.deposits.free(saver.address), 70n);
    await call(as(saver), "requestWithdrawal", [20n]);
    await pass(settings.withdrawalDelay / 2);
    await call(as(saver), "requestWithdrawal", [10n]); // restarts the delay for all of it
    await pass(settings.withdrawalDelay / 2 + 60);
    await reverts(as(saver), "withdraw", [], "WithdrawalTooEarly");
    await pass(settings.withdrawalDelay / 2);
    const receipt = await call(as(saver), "withdraw");
    assert.equal(receipt.events[0].args.amount, 30n);
    await reverts(as(saver), "withdraw", [], "NothingPending");
    assert.deepEqual([...(await market.deposits.pendingWithdrawal(saver.address))], [0n, 0n]);
});

test("anyone may deposit for anyone, and only the named payer can use it", async () => {
    const friend = await account();
    const lucky = await account();
    const receipt = await call(as(friend), "deposit", [lucky.address], { value: 5n });
    assert.deepEqual(receipt.events[0].args, { payer: lucky.address, from: friend.address, amount: 5n });
    assert.equal(await market.deposits.free(friend.address), 0n);
    assert.equal(await market.deposits.free(lucky.address), 5n);
});

test("a payout contract that calls back gains nothing", async () => {
    const attacker = await deployHostile("Reentrant");
    const owner = await account();
    await register(market, { owner, payout: attacker.at });
    const a = await allocate(market, payer, [
        { payee: owner.address, cap: 10n * ether }, { payee: bob.address, cap: 90n * ether },
    ]);
    const next = await claim(market, a, 0, 9n * ether);
    const code = market.deposits.interface;
    const attempts = [
        code.encodeFunctionData("settle", [next]), code.encodeFunctionData("settleBatch", [[next]]),
        code.encodeFunctionData("withdraw"),
    ];
    for (const [i, data] of attempts.entries()) {
        await call(attacker, "arm", [market.deposits.at, data]);
        const due = BigInt(i + 1) * ether;
        await call(as(payer), "settle", [await claim(market, a, 0, due)]);
        assert.deepEqual([await attacker.attempts(), await attacker.successes()], [BigInt(i + 1), 0n]);
        assert.equal(await balance(attacker.at), due);
        assert.equal(await settled(owner.address, a), due);
    }
});

test("a payer contract that calls back while it withdraws gains nothing", async () => {
    const attacker = await deployHostile("Reentrant");
    const code = market.deposits.interface;
    const act = (data, value = 0n) => call(attacker, "execute", [market.deposits.at, data], { value });
    await act(code.encodeFunctionData("deposit", [attacker.at]), 10n);
    await act(code.encodeFunctionData("requestWithdrawal", [6n]));
    await pass(settings.withdrawalDelay + 60);
    await call(attacker, "arm", [market.deposits.at, code.encodeFunctionData("withdraw")]);
    await act(code.encodeFunctionData("withdraw"));
    assert.deepEqual([await attacker.attempts(), await attacker.successes()], [1n, 0n]);
    assert.equal(await balance(attacker.at), 6n);
    // Functions that move no coins are open while paying; they find the state already settled.
    await act(code.encodeFunctionData("requestWithdrawal", [1n]));
    await pass(settings.withdrawalDelay + 60);
    await call(attacker, "arm", [market.deposits.at, code.encodeFunctionData("requestWithdrawal", [3n])]);
    await act(code.encodeFunctionData("withdraw"));
    assert.equal(await balance(attacker.at), 7n);
    assert.equal(await market.deposits.free(attacker.at), 0n);
    assert.equal((await market.deposits.pendingWithdrawal(attacker.at)).amount, 3n);
});

test("a payout contract that refuses coins harms only its own settlements", async () => {
    const refusing = await deployHostile("Refusing");
    const owner = await account();
    await register(market, { owner, payout: refusing.at });
    const a = await allocate(market, payer, [
        { payee: owner.address, cap: 10n * ether }, { payee: bob.address, cap: 10n * ether },
    ]);
    const bad = await claim(market, a, 0, ether);
    const good = await claim(market, a, 1, ether);
    const [named] = await reverts(as(payer), "settle", [bad], "PaymentRefused");
    assert.equal(named, refusing.at);
    await reverts(as(payer), "settleBatch", [[good, bad]], "PaymentRefused");
    await call(as(payer), "settle", [good]);
    assert.equal(await settled(owner.address, a), 0n);
    assert.equal(await settled(bob.address, a), ether);
    // The money is not lost: the owner changes the payout address and settles again.
    await call(market.providers.connect(owner), "requestPayoutChange", [owner.address]);
    await pass(settings.payoutDelay);
    await call(as(payer), "settle", [bad]);
    assert.equal(await settled(owner.address, a), ether);
});

test("a payout contract that burns all gas or answers with megabytes fails alone", async () => {
    for (const name of ["Burning", "Verbose"]) {
        const payout = await deployHostile(name);
        const owner = await account();
        await register(market, { owner, payout: payout.at });
        const a = await allocate(market, payer, [{ payee: owner.address, cap: ether }]);
        const bad = await claim(market, a, 0, ether);
        await reverts(as(payer), "settle", [bad], "PaymentRefused", { gasLimit: 5_000_000 });
    }
});

test("one bad claim undoes its whole batch", async () => {
    await fresh();
    const good = await claim(market, allocation, 0, ether);
    const bad = await claim(market, allocation, 1, ether, 1n, { signer: bob });
    await reverts(as(payer), "settleBatch", [[good, bad]], "VoucherNotSignedByPayer");
    assert.equal(await settled(alice.owner.address), 0n);
});
