// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The flow of ethers 6.
import * as t from "./outcomes.mjs";

const { ethers } = t.need("ethers");
const ether = 10n ** 18n;

const provider = new ethers.JsonRpcProvider(t.rpc_url, undefined, { cacheTimeout: -1 });
const wallets = Array.from({ length: 4 }, (_, index) =>
    ethers.HDNodeWallet.fromPhrase(t.mnemonic, undefined, `m/44'/60'/0'/0/${index}`).connect(provider),
);
const [deployer, alice, bob, carol] = wallets;

function logs(receipt, contract) {
    return receipt.logs.map((log) => {
        const parsed = contract?.interface.parseLog(log);
        return { address: log.address, index: log.index, name: parsed?.name, arguments: parsed && [...parsed.args] };
    });
}

async function mined(transaction, contract) {
    const sent = await transaction;
    const receipt = await sent.wait();
    return {
        status: receipt.status,
        gasUsed: receipt.gasUsed,
        type: receipt.type,
        block: receipt.blockNumber,
        index: receipt.index,
        from: receipt.from,
        to: receipt.to,
        nonce: sent.nonce,
        logs: logs(receipt, contract),
    };
}

function describe(error) {
    const node = error.info?.error ?? error.error;
    return {
        code: error.code,
        action: error.action,
        reason: error.reason,
        revert: error.revert && { name: error.revert.name, args: [...error.revert.args] },
        data: error.data,
        node: node && { code: node.code, message: node.message, data: node.data },
    };
}

let token;
let badge;

await t.step("connect", async () => ({
    chain: (await provider.getNetwork()).chainId,
    accounts: await provider.send("eth_accounts", []),
    net: await provider.send("net_version", []),
    block: await provider.getBlockNumber(),
    balance: await provider.getBalance(alice.address),
    nonce: await provider.getTransactionCount(alice.address),
}));

await t.step("deploy", async () => {
    const made = {};
    for (const [name, parameters] of [["Token", ["Mill", "MIL", 1_000_000n * ether]], ["Badge", []]]) {
        const { abi, bytecode } = t.contract(name);
        const contract = await new ethers.ContractFactory(abi, bytecode, deployer).deploy(...parameters);
        const receipt = await contract.deploymentTransaction().wait();
        made[name] = {
            address: await contract.getAddress(),
            status: receipt.status,
            gasUsed: receipt.gasUsed,
            contractAddress: receipt.contractAddress,
            logs: logs(receipt, contract),
            code: ethers.dataLength(await provider.getCode(contract)),
        };
        if (name === "Token") token = contract;
        else badge = contract;
    }
    return made;
});

await t.step("transfer", () => mined(token.transfer(alice.address, 500n * ether), token));
await t.step("approve", () => mined(token.connect(alice).approve(bob.address, 200n * ether), token));
await t.step("transferFrom", () =>
    mined(token.connect(bob).transferFrom(alice.address, carol.address, 150n * ether), token));
await t.step("note", () => mined(token.note("topic", "text with ünïcödé", -77, "0xc0ffee"), token));
await t.step("mint", () => mined(badge.mint(alice.address), badge));
await t.step("hand on", () => mined(badge.connect(alice).transferFrom(alice.address, bob.address, 1n), badge));

await t.step("reads", async () => ({
    name: await token.name(),
    decimals: await token.decimals(),
    supply: await token.totalSupply(),
    balances: await Promise.all(wallets.map((wallet) => token.balanceOf(wallet.address))),
    allowance: await token.allowance(alice.address, bob.address),
    owner: await badge.ownerOf(1n),
    earlier: await token.balanceOf(alice.address, { blockTag: 3 }),
    pending: await token.balanceOf(alice.address, { blockTag: "pending" }),
    static: await token.transfer.staticCall(alice.address, 1n),
    supports: await badge.supportsInterface("0x80ac58cd"),
    slot: await provider.getStorage(token, 2),
    code: (await provider.getCode(t.stranger)) === "0x",
}));

await t.step("events", async () => {
    const name = (event) => [event.eventName, event.blockNumber, event.index, [...event.args]];
    const receipt = await provider.getBlock(3);
    const by_hash = await provider.getLogs({ blockHash: receipt.hash, address: await token.getAddress() });
    const any = await provider.getLogs({
        fromBlock: 0,
        toBlock: "latest",
        topics: [[token.interface.getEvent("Transfer").topicHash, token.interface.getEvent("Approval").topicHash]],
    });
    return {
        all: (await token.queryFilter("*", 0)).map(name),
        from: (await token.queryFilter(token.filters.Transfer(alice.address), 0, "latest")).map(name),
        to: (await token.queryFilter(token.filters.Transfer(null, carol.address), 0)).map(name),
        topic: (await token.queryFilter(token.filters.Noted(null, "topic"), 0)).map((event) => [
            event.args.who, event.args.topic.hash, event.args.text, event.args.number, event.args.data,
        ]),
        none: (await token.queryFilter(token.filters.Transfer(bob.address), 0)).map(name),
        range: (await token.queryFilter("Transfer", 4, 5)).map(name),
        by_hash: by_hash.map((log) => [log.blockNumber, log.index, log.topics.length]),
        any: any.map((log) => [log.address, log.blockNumber, log.topics.length]),
    };
});

await t.step("filters", async () => {
    const address = await token.getAddress();
    const filter = await provider.send("eth_newFilter", [{ address }]);
    const blocks = await provider.send("eth_newBlockFilter", []);
    await (await token.transfer(bob.address, 5n)).wait();
    await (await token.transfer(bob.address, 6n)).wait();
    const changes = await provider.send("eth_getFilterChanges", [filter]);
    const again = await provider.send("eth_getFilterChanges", [filter]);
    const heads = await provider.send("eth_getFilterChanges", [blocks]);
    const removed = await provider.send("eth_uninstallFilter", [filter]);
    return {
        changes: changes.map((log) => [log.blockNumber, log.logIndex, log.removed, log.data]),
        again,
        heads: heads.map(t.shape),
        removed,
        twice: await provider.send("eth_uninstallFilter", [filter]),
    };
});

const failures = [
    ["reason", "failWithReason", ["no such luck"]],
    ["error", "failWithError", [77n]],
    ["panic", "failWithPanic", [3n]],
    ["nothing", "failWithNothing", []],
    ["invalid", "failWithInvalid", []],
    ["balance", "transfer", [t.stranger, 10n ** 30n]],
];
for (const [name, method, parameters] of failures) {
    await t.step(`revert by ${name}`, async () => {
        const options = { gasLimit: 200_000n };
        return {
            call: await t.refusal(() => token.connect(carol)[method].staticCall(...parameters), describe),
            estimate: await t.refusal(() => token.connect(carol)[method].estimateGas(...parameters), describe),
            send: await t.refusal(() => token.connect(carol)[method](...parameters), describe),
            mined: await t.refusal(
                async () => (await token.connect(carol)[method](...parameters, options)).wait(),
                (error) => ({
                    code: error.code,
                    status: error.receipt?.status,
                    gasUsed: error.receipt?.gasUsed,
                    logs: error.receipt?.logs.length,
                }),
            ),
        };
    });
}

await t.step("refused transactions", async () => {
    const poor = new ethers.Wallet(t.poor_key, provider);
    const to = t.stranger;
    const nonce = await alice.getNonce();
    const plain = { to, value: 1n, gasLimit: 21_000n };
    const outcome = {
        no_funds: await t.refusal(() => poor.sendTransaction({ ...plain, value: ether }), describe),
        estimate_no_funds: await t.refusal(() => poor.sendTransaction({ to, value: ether }), describe),
        nonce_too_low: await t.refusal(() => alice.sendTransaction({ ...plain, nonce: 0 }), describe),
        gas_too_low: await t.refusal(() => alice.sendTransaction({ ...plain, gasLimit: 20_000n }), describe),
    };
    await provider.send("evm_setAutomine", [false]);
    try {
        const fees = { maxFeePerGas: 20n * 10n ** 9n, maxPriorityFeePerGas: 10n ** 9n };
        const first = await alice.sendTransaction({ ...plain, nonce, ...fees });
        outcome.pending = await provider.getTransactionCount(alice.address, "pending") - nonce;
        outcome.unmined = await provider.getTransactionReceipt(first.hash);
        outcome.underpriced = await t.refusal(
            () => alice.sendTransaction({ ...plain, value: 2n, nonce, ...fees }), describe);
        const better = await alice.sendTransaction({
            ...plain, value: 3n, nonce, maxFeePerGas: 40n * 10n ** 9n, maxPriorityFeePerGas: 2n * 10n ** 9n,
        });
        outcome.pool = await provider.send("txpool_status", []);
        await provider.send("evm_mine", []);
        outcome.replaced = (await provider.getTransactionReceipt(first.hash)) === null;
        outcome.better = (await provider.getTransactionReceipt(better.hash)).status;
        outcome.received = await provider.getBalance(to);
    } finally {
        await provider.send("evm_setAutomine", [true]);
    }
    return outcome;
});

await t.step("transaction types", async () => {
    const plain = { to: t.stranger, value: 1_000n };
    const price = 3n * 10n ** 9n;
    const authorization = await bob.authorize({ address: await token.getAddress() });
    const outcome = {
        legacy: await mined(alice.sendTransaction({ ...plain, type: 0, gasPrice: price })),
        access_list: await mined(alice.sendTransaction({
            ...plain, type: 1, gasPrice: price,
            accessList: [{ address: await token.getAddress(), storageKeys: [ethers.ZeroHash] }],
        })),
        fees: await mined(alice.sendTransaction({ ...plain, type: 2 })),
        set_code: await mined(alice.sendTransaction({
            ...plain, type: 4, gasLimit: 100_000n, authorizationList: [authorization],
        })),
        code: await provider.getCode(bob.address),
        bob: await bob.getNonce(),
        received: await provider.getBalance(t.stranger),
    };
    const sent = await alice.sendTransaction({ ...plain, type: 2 });
    await sent.wait();
    const found = await provider.getTransaction(sent.hash);
    outcome.found = {
        same: found.hash === sent.hash, from: found.from, nonce: found.nonce, value: found.value, type: found.type,
        chain: found.chainId, serialized: found.serialized === undefined, signature: found.signature.r.length,
    };
    return outcome;
});

await t.step("fees and blocks", async () => {
    const fees = await provider.getFeeData();
    const block = await provider.getBlock("latest", true);
    return {
        fees: Object.fromEntries(["gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"].map((key) => [key, typeof fees[key]])),
        block: {
            number: block.number, transactions: block.prefetchedTransactions.length, gasUsed: block.gasUsed,
            base: typeof block.baseFeePerGas, parent: (await provider.getBlock(block.parentHash)).number,
        },
        missing: await provider.getBlock(1_000_000),
        unknown: await provider.getTransaction(ethers.ZeroHash),
    };
});

await t.step("subscriptions", async () => {
    const socket = new ethers.WebSocketProvider(t.ws_url);
    const watched = token.connect(socket);
    const heads = [];
    const seen = [];
    let done;
    const all = new Promise((resolve) => (done = resolve));
    const look = () => seen.length >= 2 && heads.length >= 2 && done();
    await socket.on("block", (number) => (heads.push(number), look()));
    await watched.on("Transfer", (from, to, amount, event) => {
        seen.push([from, to, amount, event.log.blockNumber, event.log.removed]);
        look();
    });
    // The subscriptions stand once a later request on the same socket has been answered.
    await socket.getBlockNumber();
    const first = await provider.getBlockNumber();
    await (await token.transfer(alice.address, 11n)).wait();
    await (await token.transfer(bob.address, 12n)).wait();
    await t.within(all, "events");
    await socket.removeAllListeners();
    await watched.removeAllListeners();
    const outcome = { heads: heads.filter((number) => number > first).slice(0, 2), seen: [...seen] };
    await socket.destroy();
    return outcome;
});

t.finish();
