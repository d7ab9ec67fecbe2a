// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The flow of cast, Foundry's command line. Nothing but the chain is asked: no names of selectors are looked up.
import { spawn } from "node:child_process";
import path from "node:path";
import * as t from "./outcomes.mjs";

const program = path.join(path.dirname(t.need.resolve("@foundry-rs/cast-linux-amd64/package.json")), "bin/cast");
const key_names = ["deployer", "alice", "bob", "carol"];
const ether = 10n ** 18n;
// A proxy that is not there: whatever is not for loopback ends at once.
const nowhere = "http://127.0.0.1:9";
const env = {
    PATH: process.env.PATH, HOME: t.folder, ETH_RPC_URL: t.rpc_url, NO_COLOR: "1", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1",
    NO_PROXY: "127.0.0.1", HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere,
};

/// stdout of one command; throws with its stderr when it fails.
function cast(...args) {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args.map(String), { env, cwd: t.folder, stdio: ["ignore", "pipe", "pipe"] });
        let out = "";
        let err = "";
        child.stdout.on("data", (text) => (out += text));
        child.stderr.on("data", (text) => (err += text));
        child.on("error", reject);
        child.on("close", (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(err.trim() || `exit ${code}`))));
    });
}

const json = async (...args) => JSON.parse(await cast(...args, "--json"));

/// "server returned an error response: error code 3: execution reverted: why, data: "0x…": what it means"
function describe(error) {
    const words = error.message.replace(/^Error: /, "");
    const node = words.match(/error code (-?\d+): (.*?)(?:, data: "(0x[0-9a-f]*)")?(?:: ([^"]*))?$/s);
    return node ? { code: Number(node[1]), node: { message: node[2] }, data: node[3], meaning: node[4] } : { words };
}

const keys = {};
const addresses = {};
for (const [index, name] of key_names.entries()) {
    keys[name] = await cast("wallet", "private-key", t.mnemonic, index);
    addresses[name] = await cast("wallet", "address", "--private-key", keys[name]);
}
const { deployer, alice, bob, carol } = addresses;
let token;
let badge;

function receiptOf(receipt) {
    return {
        status: receipt.status, gasUsed: receipt.gasUsed, type: receipt.type, block: receipt.blockNumber,
        index: receipt.transactionIndex, from: receipt.from, to: receipt.to, contract: receipt.contractAddress,
        logs: receipt.logs.map((log) => [log.address, log.topics, log.data, log.logIndex]),
    };
}

const send = async (from, ...args) => receiptOf(await json("send", "--private-key", keys[from], ...args));
const call = (to, signature, ...args) => cast("call", to, signature, ...args);

await t.step("connect", async () => ({
    addresses,
    chain: await cast("chain-id"),
    block: await cast("block-number"),
    balance: await cast("balance", alice),
    nonce: await cast("nonce", alice),
    client: (await cast("client")).length > 0,
}));

await t.step("deploy", async () => {
    const made = {};
    for (const [name, ...parameters] of [
        ["Token", "constructor(string,string,uint256)", "Mill", "MIL", 1_000_000n * ether], ["Badge"],
    ]) {
        made[name] = await send("deployer", "--create", t.contract(name).bytecode, ...parameters);
        made[name].code = await cast("codesize", made[name].contract);
    }
    token = made.Token.contract;
    badge = made.Badge.contract;
    return made;
});

await t.step("transfer", () => send("deployer", token, "transfer(address,uint256)", alice, 500n * ether));
await t.step("approve", () => send("alice", token, "approve(address,uint256)", bob, 200n * ether));
await t.step("transferFrom", () =>
    send("bob", token, "transferFrom(address,address,uint256)", alice, carol, 150n * ether));
await t.step("mint", () => send("deployer", badge, "mint(address)", alice));
await t.step("hand on", () => send("alice", badge, "transferFrom(address,address,uint256)", alice, bob, 1));

await t.step("reads", async () => ({
    name: await call(token, "name()(string)"),
    supply: await call(token, "totalSupply()(uint256)"),
    balances: await Promise.all(Object.values(addresses).map((who) => call(token, "balanceOf(address)(uint256)", who))),
    allowance: await call(token, "allowance(address,address)(uint256)", alice, bob),
    owner: await call(badge, "ownerOf(uint256)(address)", 1),
    earlier: await call(token, "balanceOf(address)(uint256)", alice, "--block", 3),
    slot: await cast("storage", token, 2),
    codehash: await cast("codehash", token),
    estimate: Number(await cast("estimate", token, "transfer(address,uint256)", bob, 1, "--from", deployer)) > 21_000,
}));

await t.step("events", async () => {
    const logs = async (...args) =>
        (await json("logs", "--from-block", 0, "--to-block", "latest", "--address", token, ...args)).map((log) => [
            log.blockNumber, log.logIndex, log.topics, log.data, log.removed,
        ]);
    return {
        all: await logs(),
        transfers: await logs("Transfer(address indexed,address indexed,uint256)"),
        from: await logs("Transfer(address indexed,address indexed,uint256)", alice),
        to: await logs("Transfer(address indexed,address indexed,uint256)", "", carol),
        none: await logs("Transfer(address indexed,address indexed,uint256)", bob),
    };
});

const failures = [
    ["reason", "failWithReason(string)", "no such luck"],
    ["error", "failWithError(uint256)", 77],
    ["panic", "failWithPanic(uint256)", 3],
    ["nothing", "failWithNothing()"],
    ["invalid", "failWithInvalid()"],
    ["balance", "transfer(address,uint256)", t.stranger, 10n ** 30n],
];
for (const [name, ...wanted] of failures) {
    await t.step(`revert by ${name}`, async () => ({
        call: await t.refusal(() => cast("call", token, ...wanted, "--from", carol), describe),
        estimate: await t.refusal(() => cast("estimate", token, ...wanted, "--from", carol), describe),
        send: await t.refusal(() => send("carol", token, ...wanted), describe),
        mined: await t.refusal(() => send("carol", token, ...wanted, "--gas-limit", 200_000), describe),
    }));
}

await t.step("refused transactions", async () => {
    const plain = [t.stranger, "--value", 1, "--gas-limit", 21_000];
    const outcome = {
        no_funds: await t.refusal(
            () => cast("send", "--private-key", t.poor_key, t.stranger, "--value", ether, "--gas-limit", 21_000), describe),
        nonce_too_low: await t.refusal(() => send("alice", ...plain, "--nonce", 0), describe),
        gas_too_low: await t.refusal(() => send("alice", t.stranger, "--gas-limit", 20_000), describe),
    };
    await cast("rpc", "evm_setAutomine", "false");
    try {
        const nonce = await cast("nonce", alice);
        const fees = ["--gas-price", "20gwei", "--priority-gas-price", "1gwei", "--nonce", nonce];
        await cast("send", "--async", "--private-key", keys.alice, ...plain, ...fees);
        outcome.underpriced = await t.refusal(
            () => cast("send", "--async", "--private-key", keys.alice, t.stranger, "--gas-limit", 22_000, ...fees), describe);
        outcome.pool = await json("tx-pool", "status");
        await cast("rpc", "evm_mine");
    } finally {
        await cast("rpc", "evm_setAutomine", "true");
    }
    return outcome;
});

await t.step("transaction types", async () => {
    const plain = [t.stranger, "--value", 1_000];
    const signed = await cast("mktx", "--private-key", keys.alice, ...plain);
    return {
        legacy: await send("alice", ...plain, "--legacy"),
        fees: await send("alice", ...plain),
        access_list: await send("alice", token, "transfer(address,uint256)", carol, 1, "--access-list", "--from", alice),
        set_code: await send("alice", ...plain, "--auth", await cast("wallet", "sign-auth", "--private-key", keys.bob, token)),
        code: await cast("code", bob),
        called: await call(bob, "totalSupply()(uint256)"),
        used_nonce: await t.refusal(() => cast("publish", signed), describe),
        received: await cast("balance", t.stranger),
    };
});

await t.step("fees and blocks", async () => {
    const block = await json("block", 3);
    const [hash] = block.transactions;
    const found = await json("tx", hash);
    return {
        history: t.shape(await json("rpc", "eth_feeHistory", "0x4", "latest", "[25,75]")),
        gas_price: typeof BigInt(await cast("gas-price")),
        base_fee: typeof BigInt(await cast("base-fee", 3)),
        block: t.shape(block),
        found: [found.from, found.to, found.nonce, found.value, found.type, found.blockNumber],
        receipt: receiptOf(await json("receipt", hash)),
        age: (await cast("age", 3)).length > 0,
        access_list: await json("access-list", token, "balanceOf(address)", carol),
        proof: (await json("proof", token, 2)).storageProof.map((slot) => [slot.key, slot.value]),
    };
});

t.finish();
