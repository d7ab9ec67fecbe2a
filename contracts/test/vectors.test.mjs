// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// vectors.json: digests, signatures and Merkle-sum trees as ethers makes them and the contracts accept them
// (the other tests of this folder use the same functions). vectors_test.cpp holds the C++ side to them.
// MILLRACE_WRITE_VECTORS=1 writes the file anew.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { AbiCoder, SigningKey, TypedDataEncoder, Wallet, computeAddress, concat, keccak256 } from "ethers";
import { sumTree, types } from "./support/market.mjs";

const file = new URL("vectors.json", import.meta.url);
const hash = (text) => keccak256(new TextEncoder().encode(text));
const address = (text) => `0x${hash(text).slice(26)}`;

function typed(type, value, separator, verifyingContract, keyName) {
    const domain = { name: "Millrace", version: "1", chainId: separator.chain_id, verifyingContract, salt: separator.genesis };
    const digest = TypedDataEncoder.hash(domain, { [type]: types[type] }, value);
    const key = hash(keyName);
    return {
        type, ...Object.fromEntries(Object.entries(value).map(([name, field]) => [name, String(field)])),
        struct_hash: TypedDataEncoder.hashStruct(type, { [type]: types[type] }, value), digest,
        key, signer: computeAddress(key), signature: new SigningKey(key).sign(digest).serialized,
    };
}

function tree(caps) {
    const built = sumTree(caps.map((cap, i) => ({ payee: new Wallet(hash(`payee ${i}`)).address, cap })));
    const step = ({ hash: sibling, sum }) => ({ hash: sibling, sum: String(sum) });
    return {
        root: built.root, total: String(built.total),
        leaves: built.leaves.map(({ payee, cap }, i) => ({ payee, cap: String(cap), proof: built.proof(i).map(step) })),
    };
}

function vectors() {
    const network = { chain_id: "4503599627370495", genesis: hash("genesis"), deposits: address("deposits"), jobs: address("jobs") };
    const separator = (contract) => TypedDataEncoder.hashDomain({
        name: "Millrace", version: "1", chainId: network.chain_id, verifyingContract: contract, salt: network.genesis,
    });
    const lease = {
        job: hash("job"), task: hash("task"), replica: 4294967295, requestor: address("requestor"), provider: address("provider"),
        fuelLimit: 18446744073709551615n, price: 2n ** 200n + 3n, deadline: 1795000000n,
    };
    const [task, result, salt] = [hash("task"), hash("result"), hash("salt")];
    const chain_word = AbiCoder.defaultAbiCoder().encode(["uint256"], [network.chain_id]);
    const commitment = keccak256(concat([chain_word, task, lease.provider, result, salt]));
    const lease_id = TypedDataEncoder.hashStruct("Lease", { Lease: types.Lease }, lease);
    const voucher = {
        payer: address("requestor"), payee: address("provider"), allocation: 7n, cumulative: 10n ** 24n + 1n, tasks: 48n,
    };
    return {
        network: { ...network, deposits_separator: separator(network.deposits), jobs_separator: separator(network.jobs) },
        lease: typed("Lease", lease, network, network.jobs, "requestor"),
        commitment: { ...typed("Commitment", { lease: lease_id, commitment }, network, network.jobs, "provider"), task, provider: lease.provider, result_id: result, salt },
        receipt: typed("Receipt", { lease: lease_id, task, resultId: result, fuel: 123456789012345n }, network, network.jobs, "provider"),
        voucher: typed("Voucher", voucher, network, network.deposits, "requestor"),
        trees: [[5n], [1n, 2n], [0n, 10n ** 18n, 7n], [1n, 2n, 3n, 4n, 5n], [2n ** 255n, 2n ** 254n]].map(tree),
    };
}

test("digests, signatures and trees are those of vectors.json", () => {
    const text = `${JSON.stringify(vectors(), null, 1)}\n`;
    if (process.env.MILLRACE_WRITE_VECTORS) fs.writeFileSync(file, text);
    assert.equal(fs.readFileSync(file, "utf8"), text);
});
