// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
    Wallet, ZeroHash, account, allocate, call, chain_id, claim, deployMarket, ether, keccak256, malleate, now, register,
    reverts, sign,
} from "./support/market.mjs";

let market;
let requestor;
let providers; // wrong, and two that agree
let tasks = 0;

before(async () => {
    market = await deployMarket();
    requestor = await account();
    providers = [await register(market), await register(market), await register(market)];
});

const as = (wallet) => market.jobs.connect(wallet);
const word = (n) => `0x${n.toString(16).padStart(64, "0")}`;
const right = keccak256("0x01");
const wrong = keccak256("0x02");
const newTask = () => word(++tasks);

/// A signed receipt; everything can be changed, before signing (lease, receipt) and in the keys that sign.
async function signed(task, who, resultId, changes = {}) {
    const lease = {
        job: word(0xbee), task, replica: 0, requestor: requestor.address, provider: who.owner.address,
        fuelLimit: 10n ** 9n, price: 1000n, deadline: BigInt(await now()) + 60n, ...changes.lease,
    };
    const receipt = { lease: await market.jobs.leaseId(lease), task, resultId, fuel: 77n, ...changes.receipt };
    return {
        lease,
        leaseSignature: await sign(changes.requestor ?? requestor, market.jobs, "Lease", lease, changes.domain),
        receipt,
        receiptSignature: await sign(changes.signer ?? who.signer, market.jobs, "Receipt", receipt, changes.domain),
    };
}

/// The three receipts of a proper report, with changes for one of them.
async function report(changes = {}) {
    const task = changes.task ?? newTask();
    const results = [wrong, right, right];
    return Promise.all(providers.map((who, i) =>
        signed(task, changes.who?.[i] ?? who, changes.results?.[i] ?? results[i], changes[i])));
}

const args = ([liar, one, two]) => [liar, [one, two]];
const counters = async (who) => (await market.providers.get(who.owner.address)).counters;

test("a job is posted once and closed once, by its requestor", async () => {
    const root = keccak256("0xabcd");
    const receipt = await call(as(requestor), "post", [root, 48n, ether]);
    assert.deepEqual(receipt.events[0].args, { requestor: requestor.address, job: root, tasks: 48n, cap: ether });
    await reverts(as(requestor), "post", [root, 1n, 0n], "JobAlreadyPosted");
    await reverts(as(requestor), "post", [ZeroHash, 1n, 0n], "JobRootMissing");
    await reverts(as(requestor), "post", [keccak256("0x77"), 0n, 0n], "TasksZero");
    await reverts(as(providers[0].owner), "close", [root], "JobUnknown");
    await call(as(requestor), "close", [root]);
    await reverts(as(requestor), "close", [root], "JobAlreadyClosed");
    await reverts(as(requestor), "post", [root, 1n, 0n], "JobAlreadyPosted");
    const job = await market.jobs.job(requestor.address, root);
    assert.deepEqual([job.tasks, job.closed, job.cap], [48n, true, ether]);
    assert.equal((await market.jobs.job(providers[0].owner.address, root)).tasks, 0n);
});

test("a contradiction breaks the streak, halves the score and is counted once", async () => {
    const liar = providers[0];
    const paid = await allocate(market, requestor, [{ payee: liar.owner.address, cap: ether }]);
    await call(market.deposits.connect(requestor), "settle", [await claim(market, paid, 0, ether, 9n)]);
    assert.deepEqual([...(await counters(liar))], [9n, ether, 0n, 9n, 9n]);
    const evidence = await report();
    const receipt = await call(as(await account()), "reportContradiction", args(evidence));
    assert.deepEqual(receipt.events.map((e) => e.name), ["Contradicted", "ContradictionRecorded"]);
    assert.deepEqual(receipt.events[0].args, {
        job: word(0xbee), task: evidence[0].lease.task, provider: liar.owner.address, resultId: wrong, acceptedId: right,
    });
    assert.deepEqual([...(await counters(liar))], [9n, ether, 1n, 0n, 4n]);
    for (const honest of providers.slice(1)) assert.equal((await counters(honest)).contradictions, 0n);
    const { lease } = evidence[0];
    assert.equal(await market.jobs.isReported(lease.requestor, lease.job, lease.task, lease.provider), true);
    await reverts(as(requestor), "reportContradiction", args(evidence), "AlreadyReported");
    await reverts(as(requestor), "reportContradiction", args([evidence[0], evidence[2], evidence[1]]), "AlreadyReported");
    const again = await report({ task: lease.task, 0: { lease: { replica: 5 } } });
    await reverts(as(requestor), "reportContradiction", args(again), "AlreadyReported");
});

test("evidence forged in any signature is refused", async () => {
    const thief = await account();
    const refused = async (changes, error) =>
        reverts(as(thief), "reportContradiction", args(await report(changes)), error);
    for (const i of [0, 1, 2]) {
        await refused({ [i]: { requestor: thief } }, "LeaseNotSignedByRequestor");
        await refused({ [i]: { signer: thief } }, "ReceiptNotSignedByProvider");
        // The owner's cold key is not the signer.
        await refused({ [i]: { signer: providers[i].owner } }, "ReceiptNotSignedByProvider");
        await refused({ [i]: { signer: providers[(i + 1) % 3].signer } }, "ReceiptNotSignedByProvider");
        for (const domain of [
            { verifyingContract: market.deposits.at }, { chainId: chain_id + 1n }, { salt: ZeroHash }, { name: "Mill" },
            { version: "2" },
        ]) await refused({ [i]: { domain } }, "LeaseNotSignedByRequestor");
        for (const field of ["leaseSignature", "receiptSignature"]) {
            for (const forge of [malleate, () => "0x", (s) => s.slice(0, -2), (s) => `${s}00`]) {
                const evidence = await report();
                evidence[i][field] = forge(evidence[i][field]);
                await reverts(as(thief), "reportContradiction", args(evidence), "SignatureMalformed");
            }
        }
    }
});

test("evidence changed in any field after signing is refused", async () => {
    const changed = {
        lease: {
            job: [keccak256("0x99"), "DifferentTask"], task: [keccak256("0x99"), "DifferentTask"], replica: [9, "ReceiptOfOtherLease"],
            requestor: [Wallet.createRandom().address, "DifferentTask"],
            provider: [Wallet.createRandom().address, "ProviderNotRegistered"], fuelLimit: [1n, "ReceiptOfOtherLease"],
            price: [1n, "ReceiptOfOtherLease"], deadline: [1n, "ReceiptOfOtherLease"],
        },
        receipt: {
            lease: [keccak256("0x99"), "ReceiptOfOtherLease"], task: [keccak256("0x99"), "ReceiptOfOtherTask"],
            resultId: [keccak256("0x99"), null], fuel: [1n, "ReceiptNotSignedByProvider"],
        },
    };
    for (const [part, fields] of Object.entries(changed)) {
        for (const [field, [value, error]] of Object.entries(fields)) {
            for (const i of [0, 1, 2]) {
                const evidence = await report();
                evidence[i][part][field] = value;
                const wanted = error ?? (i === 0 ? "ReceiptNotSignedByProvider" : "ResultsDoNotContradict");
                await reverts(as(requestor), "reportContradiction", args(evidence), wanted);
            }
        }
    }
});

test("receipts of different tasks, jobs or requestors contradict nothing", async () => {
    for (const i of [0, 1, 2]) {
        const other = keccak256("0x55");
        for (const changes of [
            { lease: { job: other } }, { lease: { task: other }, receipt: { task: other } },
            { lease: { requestor: providers[0].owner.address }, requestor: providers[0].owner },
        ]) await reverts(as(requestor), "reportContradiction", args(await report({ [i]: changes })), "DifferentTask");
        // A receipt that names another task than its own lease.
        await reverts(as(requestor), "reportContradiction", args(await report({ [i]: { receipt: { task: other } } })),
            "ReceiptOfOtherTask");
    }
});

test("a receipt proves nothing under another lease of the same provider", async () => {
    const evidence = await report();
    const other = await signed(evidence[0].lease.task, providers[0], wrong, { lease: { replica: 3 } });
    evidence[0] = { ...evidence[0], receipt: other.receipt, receiptSignature: other.receiptSignature };
    await reverts(as(requestor), "reportContradiction", args(evidence), "ReceiptOfOtherLease");
});

test("results that agree, or that all differ, contradict nobody", async () => {
    for (const results of [
        [right, right, right], [wrong, right, wrong], [wrong, wrong, right], [wrong, right, keccak256("0x03")],
    ]) await reverts(as(requestor), "reportContradiction", args(await report({ results })), "ResultsDoNotContradict");
});

test("three receipts must come from three distinct providers", async () => {
    const [a, b] = providers;
    for (const who of [[a, b, b], [a, a, b], [a, b, a]]) {
        await reverts(as(requestor), "reportContradiction", args(await report({ who })), "ProvidersNotDistinct");
    }
    const sameSigner = await register(market, { signer: b.signer });
    await reverts(as(requestor), "reportContradiction", args(await report({ who: [a, b, sameSigner] })), "ProvidersNotDistinct");
    const samePayout = await register(market, { payout: b.payout });
    await reverts(as(requestor), "reportContradiction", args(await report({ who: [a, b, samePayout] })), "ProvidersNotDistinct");
    await reverts(as(requestor), "reportContradiction", args(await report({ who: [samePayout, a, b] })), "ProvidersNotDistinct");
    const stranger = { owner: await account(), signer: await account() };
    await reverts(as(requestor), "reportContradiction", args(await report({ who: [a, b, stranger] })), "ProviderNotRegistered");
    await reverts(as(requestor), "reportContradiction", args(await report({ who: [stranger, a, b] })), "ProviderNotRegistered");
});

test("a liar does not escape by changing its key", async () => {
    const liar = await register(market);
    const evidence = await report({ who: [liar] });
    await call(market.providers.connect(liar.owner), "setSigner", [(await account()).address]);
    await call(as(requestor), "reportContradiction", args(evidence));
    assert.equal((await counters(liar)).contradictions, 1n);
});
