// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// What the tests share: a connection, fresh funded accounts, a deployed market, signatures, Merkle-sum trees.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
    Contract, ContractFactory, JsonRpcProvider, Wallet, ZeroAddress, ZeroHash, concat, getCreateAddress,
    keccak256, solidityPacked,
} from "ethers";
import { compile } from "../../compile.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const contracts = path.resolve(here, "../..");
const rpc = process.env.MILLRACE_TEST_RPC;
if (!rpc) throw new Error("MILLRACE_TEST_RPC is not set; run contracts/test/run.sh");

export const ether = 10n ** 18n;
export const day = 86_400;
export const settings = { expiryMin: 60, expiryMax: 30 * day, withdrawalDelay: day, stakeMin: ether, unbondDelay: 7 * day, payoutDelay: day };

export const provider = new JsonRpcProvider(rpc, undefined, { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1 });
export const genesis = (await provider.getBlock(0)).hash;
export const chain_id = (await provider.getNetwork()).chainId;
// What hardhat and anvil both allow a transaction to ask for under Osaka rules.
const gas_limit = 15_000_000;

/// Sends and waits for the receipt; a failed transaction throws.
export async function send(signer, request) {
    const response = await signer.sendTransaction({ gasLimit: gas_limit, ...request });
    const receipt = await response.wait(0) ?? (await receiptOf(response.hash));
    assert.equal(receipt.status, 1, `transaction ${response.hash} failed`);
    return receipt;
}

async function receiptOf(hash) {
    const deadline = Date.now() + 30_000;
    for (;;) {
        const receipt = await provider.getTransactionReceipt(hash);
        if (receipt) return receipt;
        if (Date.now() > deadline) throw new Error(`no receipt of ${hash} within 30 s`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

/// A transaction to `contract` by its runner: the receipt with its events by name.
export async function call(contract, method, args = [], overrides = {}) {
    const request = await contract[method].populateTransaction(...args);
    const receipt = await send(contract.runner, { ...request, ...overrides });
    const events = [];
    for (const log of receipt.logs) {
        for (const known of knownInterfaces) {
            const event = known.parseLog(log);
            if (event) {
                events.push({ name: event.name, args: event.args.toObject(), address: log.address });
                break;
            }
        }
    }
    return Object.assign(receipt, { events });
}
const knownInterfaces = [];

/// Asserts that the call reverts with this custom error of the contract; returns the error's arguments.
export async function reverts(contract, method, args, error, overrides = {}) {
    try {
        await contract[method].staticCall(...args, { from: contract.runner.address, ...overrides });
    } catch (problem) {
        const name = problem.revert?.name ?? contract.interface.parseError(dataOf(problem) ?? "0x")?.name;
        assert.equal(name, error, `${method} reverted otherwise: ${problem.message}`);
        return problem.revert?.args;
    }
    return assert.fail(`${method} succeeded, should revert with ${error}`);
}

function dataOf(problem) {
    return typeof problem.data === "string" ? problem.data : problem.info?.error?.data?.data;
}

/// A new key with money; both development chains know hardhat's call for that.
export async function account(funds = 10_000n * ether) {
    const wallet = new Wallet(Wallet.createRandom().privateKey, provider);
    await provider.send("hardhat_setBalance", [wallet.address, `0x${funds.toString(16)}`]);
    return wallet;
}

export async function now() {
    return (await provider.getBlock("latest")).timestamp;
}

export async function pass(seconds) {
    await provider.send("evm_increaseTime", [Number(seconds)]);
    await provider.send("evm_mine", []);
}

export function artefact(name) {
    return JSON.parse(fs.readFileSync(path.join(contracts, "artifacts", `${name}.json`), "utf8"));
}

async function deployOne(deployer, { abi, bytecode }, args) {
    const request = await new ContractFactory(abi, bytecode).getDeployTransaction(...args);
    const receipt = await send(deployer, request);
    const contract = new Contract(receipt.contractAddress, abi, deployer);
    knownInterfaces.push(contract.interface);
    return Object.assign(contract, { at: receipt.contractAddress });
}

/// The four contracts, deployed in the documented order from a fresh account.
export async function deployMarket(changes = {}) {
    const s = { ...settings, ...changes };
    const deployer = await account();
    const nonce = await deployer.getNonce();
    const [, providers, deposits, jobs] = [0, 1, 2, 3].map((k) =>
        getCreateAddress({ from: deployer.address, nonce: nonce + k }));
    const none = ZeroAddress;
    const parts = [1, genesis, providers, deposits, jobs, none, none, none, none, none];
    knownInterfaces.length = 0;
    const market = {
        capabilities: await deployOne(deployer, artefact("Capabilities"), [parts]),
        providers: await deployOne(deployer, artefact("Providers"), [deposits, jobs, s.stakeMin, s.unbondDelay, s.payoutDelay]),
        deposits: await deployOne(deployer, artefact("Deposits"), [genesis, providers, s.expiryMin, s.expiryMax, s.withdrawalDelay]),
        jobs: await deployOne(deployer, artefact("Jobs"), [genesis, providers]),
        deployer,
    };
    assert.deepEqual([market.providers.at, market.deposits.at, market.jobs.at], [providers, deposits, jobs]);
    return market;
}

let hostile;
/// A contract of test/support/Hostile.sol.
export async function deployHostile(name, args = []) {
    hostile ??= compile({ "Hostile.sol": fs.readFileSync(path.join(here, "Hostile.sol"), "utf8") }).contracts["Hostile.sol"];
    const { abi, evm } = hostile[name];
    return deployOne(await account(), { abi, bytecode: `0x${evm.bytecode.object}` }, args);
}

/// A registered provider: {owner, signer, payout, register arguments}.
export async function register(market, changes = {}) {
    const owner = changes.owner ?? (await account());
    const signer = changes.signer ?? (await account());
    const payout = changes.payout ?? Wallet.createRandom().address;
    const terms = [keccak256(owner.address), "127.0.0.1:7000", 1000n, 4];
    await call(market.providers.connect(owner), "register", [...terms, signer.address, payout], { value: settings.stakeMin });
    return { owner, signer, payout, terms };
}

// --- EIP-712 ---------------------------------------------------------------------------------------------

const fields = (text) => text.split(",").map((field) => {
    const [type, name] = field.split(" ");
    return { type, name };
});
export const types = {
    Voucher: fields("address payer,address payee,uint256 allocation,uint256 cumulative,uint64 tasks"),
    Lease: fields("bytes32 job,bytes32 task,uint32 replica,address requestor,address provider,uint64 fuelLimit,uint256 price,uint64 deadline"),
    Commitment: fields("bytes32 lease,bytes32 commitment"),
    Receipt: fields("bytes32 lease,bytes32 task,bytes32 resultId,uint64 fuel"),
};

export function domain(contract, changes = {}) {
    return { name: "Millrace", version: "1", chainId: chain_id, verifyingContract: contract.at, salt: genesis, ...changes };
}

export function sign(wallet, contract, type, value, changes = {}) {
    return wallet.signTypedData(domain(contract, changes), { [type]: types[type] }, value);
}

/// The same signature with the other s, which recovers the same key.
export function malleate(signature) {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = order - BigInt(`0x${signature.slice(66, 130)}`);
    const v = signature.slice(130) === "1b" ? "1c" : "1b";
    return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${v}`;
}

// --- Merkle-sum trees --------------------------------------------------------------------------------------

const leafHash = (payee, cap) => keccak256(solidityPacked(["uint8", "address", "uint256"], [0, payee, cap]));
const join = (a, b) => ({
    hash: keccak256(concat(["0x01", a.hash, word(a.sum), b.hash, word(b.sum)])),
    sum: a.sum + b.sum,
});
const word = (number) => `0x${number.toString(16).padStart(64, "0")}`;

/// The tree over [{payee, cap}]: {root, total, leafCount, proof(index)}.
export function sumTree(leaves) {
    let level = leaves.map(({ payee, cap }) => ({ hash: leafHash(payee, cap), sum: cap }));
    while ((level.length & (level.length - 1)) !== 0) level.push({ hash: leafHash(ZeroAddress, 0n), sum: 0n });
    const levels = [level];
    while (level.length > 1) {
        level = Array.from({ length: level.length / 2 }, (_, i) => join(level[2 * i], level[2 * i + 1]));
        levels.push(level);
    }
    return {
        root: level[0].hash,
        total: level[0].sum,
        leafCount: leaves.length,
        leaves,
        proof: (index) => levels.slice(0, -1).map((nodes, depth) => {
            const { hash, sum } = nodes[(index >> depth) ^ 1];
            return { hash, sum };
        }),
    };
}

/// Deposits, allocates to `leaves`; {tree, id, expiry}.
export async function allocate(market, payer, leaves, life = day) {
    const tree = sumTree(leaves);
    const mine = market.deposits.connect(payer);
    await call(mine, "deposit", [payer.address], { value: tree.total });
    const expiry = (await now()) + life;
    const receipt = await call(mine, "allocate", [tree.root, tree.total, tree.leafCount, expiry]);
    return { tree, id: receipt.events[0].args.allocation, expiry, payer };
}

/// A claim on leaf `index` of an allocation, with everything changeable for the hostile tests.
export async function claim(market, allocation, index, cumulative, tasks = 1n, changes = {}) {
    const { payee, cap } = allocation.tree.leaves[index];
    const voucher = { payer: allocation.payer.address, payee, allocation: allocation.id, cumulative, tasks, ...changes.voucher };
    const signer = changes.signer ?? allocation.payer;
    return {
        voucher,
        signature: changes.signature ?? (await sign(signer, market.deposits, "Voucher", changes.signed ?? voucher, changes.domain)),
        cap: changes.cap ?? cap,
        index: changes.index ?? index,
        proof: changes.proof ?? allocation.tree.proof(index),
        close: changes.close ?? false,
    };
}

export const balance = (address) => provider.getBalance(address);
export { ZeroAddress, ZeroHash, keccak256, Wallet };
