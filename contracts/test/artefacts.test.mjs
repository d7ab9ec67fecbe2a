// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { Interface, keccak256 } from "ethers";
import { hashTypedData, hashStruct } from "viem";
import { artefact, chain_id, deployMarket, domain, genesis, provider, types, ZeroAddress } from "./support/market.mjs";

const names = ["Capabilities", "Providers", "Deposits", "Jobs"];
const page = fs.readFileSync(new URL("../../docs/formats/contracts.md", import.meta.url), "utf8");

test("the documented interface is the compiled one", () => {
    for (const name of names) {
        const section = page.slice(page.indexOf(`## ${name}: interface`)).split("\n## ")[0];
        for (const fragment of new Interface(artefact(name).abi).fragments) {
            if (fragment.type === "event") {
                assert.ok(section.includes(fragment.topicHash), `${name}: topic of ${fragment.name}`);
                assert.ok(section.includes(fragment.format("full").replace("event ", "")), `${name}: ${fragment.name}`);
            } else if (fragment.type !== "constructor") {
                assert.ok(section.includes(fragment.selector), `${name}: selector of ${fragment.name}`);
                assert.ok(section.includes(`\`${fragment.name}(`), `${name}: ${fragment.name}`);
            }
        }
    }
});

test("deployed code is the artefact's with its immutables filled in", async () => {
    const market = await deployMarket();
    for (const name of names) {
        const { deployedBytecode, immutableReferences } = artefact(name);
        const code = await provider.getCode(market[name.toLowerCase()].at);
        let expected = deployedBytecode;
        for (const [immutable, places] of Object.entries(immutableReferences)) {
            const value = BigInt(await market[name.toLowerCase()][immutable]());
            for (const { start, length } of places) {
                assert.equal(length, 32);
                const word = value.toString(16).padStart(64, "0");
                expected = expected.slice(0, 2 + 2 * start) + word + expected.slice(2 + 2 * (start + length));
            }
        }
        assert.equal(keccak256(code), keccak256(expected), name);
    }
});

test("capabilities name the deployment and say what is absent", async () => {
    const market = await deployMarket();
    const all = await market.capabilities.all();
    assert.deepEqual(all.toArray(), [
        1n, genesis, market.providers.at, market.deposits.at, market.jobs.at, ZeroAddress, ZeroAddress, ZeroAddress,
        ZeroAddress, ZeroAddress,
    ]);
    assert.equal(await market.capabilities.version(), 1n);
    assert.equal(await market.deposits.providers(), market.providers.at);
    assert.equal(await market.jobs.providers(), market.providers.at);
});

test("digests agree with a second implementation of EIP-712", async () => {
    const { deposits, jobs } = await deployMarket();
    const word = (n) => `0x${n.toString(16).padStart(64, "0")}`;
    const a = `0x${"a1".repeat(20)}`;
    const b = `0x${"b2".repeat(20)}`;
    const cases = [
        [deposits, "Voucher", "voucherDigest", { payer: a, payee: b, allocation: 7n, cumulative: 10n ** 30n, tasks: 9n }],
        [jobs, "Lease", "leaseDigest", { job: word(1), task: word(2), replica: 3, requestor: a, provider: b, fuelLimit: 4n, price: 5n, deadline: 6n }],
        [jobs, "Commitment", "commitmentDigest", { lease: word(1), commitment: word(2) }],
        [jobs, "Receipt", "receiptDigest", { lease: word(1), task: word(2), resultId: word(3), fuel: 2n ** 64n - 1n }],
    ];
    for (const [contract, primaryType, view, message] of cases) {
        const typed = { types: { [primaryType]: types[primaryType] }, primaryType, message };
        const wanted = hashTypedData({ ...typed, domain: domain(contract, { chainId: chain_id }) });
        assert.equal(await contract[view](message), wanted, primaryType);
    }
    const lease = cases[1][3];
    assert.equal(await jobs.leaseId(lease), hashStruct({ data: lease, primaryType: "Lease", types: { Lease: types.Lease } }));
});
