// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// A seeded random walk over Deposits beside a naive model in plain numbers. After every operation the
// contract's balance is the sum of what the model says it owes; the outcome of every operation, good or
// bad, is the one the model foretells. A failure prints the seed; MILLRACE_TEST_SEED repeats it.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
    account, balance, call, claim, day, deployMarket, now, pass, register, reverts, settings, sumTree, Wallet,
} from "./support/market.mjs";

const operation_count = 400;
const seeds = (process.env.MILLRACE_TEST_SEED ?? "1,20261121").split(",").map(BigInt);

/// SplitMix64.
function generator(seed) {
    let state = seed;
    const mask = 2n ** 64n - 1n;
    const next = () => {
        state = (state + 0x9e3779b97f4a7c15n) & mask;
        let z = state;
        z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
        z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
        return z ^ (z >> 31n);
    };
    const below = (n) => Number(next() % BigInt(n));
    return { below, pick: (list) => list[below(list.length)], chance: (percent) => below(100) < percent };
}

class Model {
    constructor(payers) {
        this.accounts = new Map(payers.map((p) => [p.address, { free: 0n, pending: 0n, at: 0, allocations: [] }]));
        this.paid = new Map();
    }

    owed() {
        let sum = 0n;
        for (const { free, pending, allocations } of this.accounts.values()) {
            sum += free + pending;
            for (const a of allocations) sum += a.tree.total - a.settled - a.freed;
        }
        return sum;
    }

    /// Why the claim is refused, or what it pays.
    judge(a, index, cumulative, close, callerIsPayee) {
        const stream = a.streams[index];
        if (a.released) return { error: "AllocationAlreadyReleased" };
        if (cumulative > a.tree.leaves[index].cap) return { error: "OverCap" };
        if (close && !callerIsPayee) return { error: "NotThePayee" };
        if (stream.closed && (cumulative > stream.settled || close)) return { error: "StreamClosed" };
        return { pays: cumulative > stream.settled ? cumulative - stream.settled : 0n };
    }

    settle(a, index, cumulative, close, pays) {
        const stream = a.streams[index];
        const { payee, cap } = a.tree.leaves[index];
        stream.settled += pays;
        a.settled += pays;
        this.paid.set(payee, (this.paid.get(payee) ?? 0n) + pays);
        if (!close) return;
        stream.closed = true;
        a.freed += cap - stream.settled;
        this.accounts.get(a.payer.address).free += cap - stream.settled;
    }
}

async function walk(seed) {
    const random = generator(seed);
    const market = await deployMarket();
    const payers = [await account(), await account(), await account()];
    const payees = [];
    for (let i = 0; i < 4; ++i) payees.push(i < 2 ? await register(market) : { owner: await account(), payout: null });
    const model = new Model(payers);
    const as = (wallet) => market.deposits.connect(wallet);
    let clock = await now();
    const amount = (bound) => BigInt(random.below(bound)) + 1n;
    const counts = { good: 0, refused: 0 };

    const attempt = async (wallet, method, args, error, overrides) => {
        if (error) {
            ++counts.refused;
            await reverts(as(wallet), method, args, error, overrides);
            return false;
        }
        ++counts.good;
        await call(as(wallet), method, args, overrides);
        return true;
    };

    // Times decide by wide margins: the chain's clock moves on by itself as blocks are made.
    const after = (time) => (clock > time + 600 ? true : clock < time - 600 ? false : null);

    const operations = {
        async deposit(payer, state) {
            const value = amount(100_000);
            await attempt(random.pick(payers), "deposit", [payer.address], null, { value });
            state.free += value;
        },
        async allocate(payer, state) {
            const leaves = Array.from({ length: 1 + random.below(6) }, () => ({ cap: BigInt(random.below(20_000)) }));
            // Distinct payees: a payee in two leaves has a test of its own.
            leaves.forEach((leaf, i) => (leaf.payee = i < 4 ? payees[i].owner.address : Wallet.createRandom().address));
            leaves[0].cap += 1n;
            const tree = sumTree(leaves);
            const error = tree.total > state.free ? "FreeDepositTooSmall" : null;
            const expiry = clock + 3600 + random.below(5 * day);
            if (!(await attempt(payer, "allocate", [tree.root, tree.total, tree.leafCount, expiry], error))) return;
            const streams = leaves.map(() => ({ settled: 0n, closed: false }));
            const id = BigInt(state.allocations.length);
            state.free -= tree.total;
            state.allocations.push({ tree, id, expiry, payer, streams, settled: 0n, freed: 0n, released: false });
        },
        async settle(payer, state) {
            if (state.allocations.length === 0) return;
            const batch = [];
            const restore = remember(model);
            let error = null;
            const a = random.pick(state.allocations);
            const caller = random.chance(60) ? random.pick(payees) : { owner: payer };
            for (let n = 1 + random.below(4); n > 0; --n) {
                const index = random.below(a.tree.leaves.length);
                const { cap, payee } = a.tree.leaves[index];
                const over = random.chance(5) ? 1n : 0n;
                const cumulative = (cap * BigInt(random.below(101))) / 100n + (over && cap + 1n);
                const close = random.chance(15);
                batch.push(await claim(market, a, index, cumulative, BigInt(random.below(50)), { close }));
                if (error) continue;
                const verdict = model.judge(a, index, cumulative, close, caller.owner.address === payee);
                error = verdict.error ?? null;
                if (!error) model.settle(a, index, cumulative, close, verdict.pays);
            }
            if (error) restore();
            if (batch.length === 1) await attempt(caller.owner, "settle", [batch[0]], error);
            else await attempt(caller.owner, "settleBatch", [batch], error);
        },
        async release(payer, state) {
            if (state.allocations.length === 0) return;
            const a = random.pick(state.allocations);
            const expired = after(a.expiry);
            if (expired === null) return;
            const error = a.released ? "AllocationAlreadyReleased" : expired ? null : "AllocationNotExpired";
            if (!(await attempt(payer, "release", [a.id], error))) return;
            const rest = a.tree.total - a.settled - a.freed;
            a.released = true;
            a.freed += rest;
            state.free += rest;
        },
        async requestWithdrawal(payer, state) {
            const wanted = amount(20_000);
            const error = wanted > state.free ? "FreeDepositTooSmall" : null;
            if (!(await attempt(payer, "requestWithdrawal", [wanted], error))) return;
            state.free -= wanted;
            state.pending += wanted;
            state.at = clock + settings.withdrawalDelay;
        },
        async cancelWithdrawal(payer, state) {
            if (!random.chance(30)) return;
            if (!(await attempt(payer, "cancelWithdrawal", [], state.pending ? null : "NothingPending"))) return;
            state.free += state.pending;
            state.pending = 0n;
        },
        async withdraw(payer, state) {
            const due = after(state.at);
            if (state.pending && due === null) return;
            const error = !state.pending ? "NothingPending" : due ? null : "WithdrawalTooEarly";
            if (await attempt(payer, "withdraw", [], error)) state.pending = 0n;
        },
        async time() {
            await pass(random.below(2 * day));
        },
    };
    const weighted = ["deposit", "allocate", "allocate", "settle", "settle", "settle", "settle", "release", "requestWithdrawal",
        "cancelWithdrawal", "withdraw", "time"];

    const compare = async () => {
        for (const payer of payers) {
            const state = model.accounts.get(payer.address);
            assert.equal(await market.deposits.free(payer.address), state.free);
            assert.equal((await market.deposits.pendingWithdrawal(payer.address)).amount, state.pending);
            assert.equal(await market.deposits.allocationCount(payer.address), BigInt(state.allocations.length));
            for (const a of state.allocations) {
                const seen = await market.deposits.allocation(payer.address, a.id);
                assert.deepEqual([seen.total, seen.settled, seen.freed, seen.released], [a.tree.total, a.settled, a.freed, a.released]);
                assert.ok(seen.settled + seen.freed <= seen.total);
                for (const [i, { payee }] of a.tree.leaves.entries()) {
                    assert.equal(await market.deposits.settled(payer.address, a.id, payee), a.streams[i].settled);
                }
            }
        }
        for (const { owner, payout } of payees.filter((p) => p.payout)) {
            assert.equal(await balance(payout), model.paid.get(owner.address) ?? 0n);
            assert.equal((await market.providers.get(owner.address)).counters.paidTotal, model.paid.get(owner.address) ?? 0n);
        }
    };

    for (let n = 0; n < operation_count; ++n) {
        clock = await now();
        const payer = random.pick(payers);
        const name = random.pick(weighted);
        await operations[name](payer, model.accounts.get(payer.address));
        assert.equal(await balance(market.deposits.at), model.owed(), `after operation ${n}, ${name}`);
    }
    await compare();
    assert.ok(counts.good > 150 && counts.refused > 40, `the walk was tame: ${counts.good} done, ${counts.refused} refused`);

    // At the end everybody gets everything back: nothing is stuck.
    await pass(settings.expiryMax);
    for (const payer of payers) {
        const state = model.accounts.get(payer.address);
        for (const a of state.allocations.filter((x) => !x.released)) await call(as(payer), "release", [a.id]);
        const rest = await market.deposits.free(payer.address);
        if (rest > 0n) await call(as(payer), "requestWithdrawal", [rest]);
    }
    await pass(settings.withdrawalDelay + 60);
    for (const payer of payers) {
        if ((await market.deposits.pendingWithdrawal(payer.address)).amount > 0n) await call(as(payer), "withdraw");
    }
    assert.equal(await balance(market.deposits.at), 0n);
}

/// Remembers the model's money; the returned function puts it back.
function remember(model) {
    const saved = [...model.accounts.values()].map((state) => [state, { ...state },
        state.allocations.map((a) => [a, { ...a, streams: a.streams.map((s) => ({ ...s })) }])]);
    const paid = new Map(model.paid);
    return () => {
        for (const [state, old, allocations] of saved) {
            Object.assign(state, old);
            for (const [a, before] of allocations) Object.assign(a, before);
        }
        model.paid = paid;
    };
}

for (const seed of seeds) {
    test(`money is conserved over ${operation_count} random operations, seed ${seed}`, () => walk(seed));
}
