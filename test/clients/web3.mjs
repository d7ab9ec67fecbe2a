// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The flow of web3.js 4, which signs with accounts of its own.
import * as t from "./outcomes.mjs";

const { Web3 } = t.need("web3");
const { ethers } = t.need("ethers");
const ether = 10n ** 18n;

const web3 = new Web3(t.rpc_url);
Object.assign(web3.eth, { transactionPollingInterval: 50, transactionReceiptPollingInterval: 50 });
for (let index = 0; index < 4; ++index) {
    // web3.js has no mnemonics; the keys are derived by ethers.
    const { privateKey } = ethers.HDNodeWallet.fromPhrase(t.mnemonic, undefined, `m/44'/60'/0'/0/${index}`);
    web3.eth.accounts.wallet.add(privateKey);
}
const [deployer, alice, bob, carol] = [0, 1, 2, 3].map((index) => web3.eth.accounts.wallet[index].address);

const names = (values) =>
    values && Object.fromEntries(Object.entries(values).filter(([key]) => !/^(\d+|__length__)$/.test(key)));

function seen(event) {
    return [event.event, event.blockNumber, event.logIndex, names(event.returnValues)];
}

function receiptOf(receipt) {
    return {
        status: receipt.status,
        gasUsed: receipt.gasUsed,
        type: receipt.type,
        block: receipt.blockNumber,
        index: receipt.transactionIndex,
        from: receipt.from,
        to: receipt.to,
        logs: receipt.logs.length,
        events: receipt.events && Object.fromEntries(
            Object.entries(receipt.events).map(([name, event]) => [name, names(event.returnValues)])),
    };
}

function describe(error) {
    const inner = error.innerError ?? (Array.isArray(error.cause) ? error.cause[0] : error.cause);
    return {
        name: error.name,
        code: error.code,
        reason: error.reason,
        status: error.receipt?.status,
        gasUsed: error.receipt?.gasUsed,
        data: error.data ?? inner?.data,
        errorName: inner?.errorName ?? error.errorName ?? error.customErrorName,
        errorArgs: names(inner?.errorArgs ?? error.errorArgs ?? error.customErrorArguments),
        node: inner && { name: inner.name, code: inner.code, message: inner.message },
    };
}

let token;
let badge;

await t.step("connect", async () => ({
    chain: await web3.eth.getChainId(),
    net: await web3.eth.net.getId(),
    listening: await web3.eth.net.isListening(),
    accounts: await web3.eth.getAccounts(),
    block: await web3.eth.getBlockNumber(),
    balance: await web3.eth.getBalance(alice),
    nonce: await web3.eth.getTransactionCount(alice),
    syncing: await web3.eth.isSyncing(),
}));

await t.step("deploy", async () => {
    const made = {};
    for (const [name, parameters] of [["Token", ["Mill", "MIL", 1_000_000n * ether]], ["Badge", []]]) {
        const { abi, bytecode } = t.contract(name);
        const deployment = new web3.eth.Contract(abi).deploy({ data: bytecode, arguments: parameters });
        let receipt;
        const contract = await deployment.send({ from: deployer }).on("receipt", (value) => (receipt = value));
        made[name] = {
            address: contract.options.address,
            contractAddress: receipt.contractAddress,
            ...receiptOf(receipt),
            code: (await web3.eth.getCode(contract.options.address)).length,
        };
        if (name === "Token") token = contract;
        else badge = contract;
    }
    return made;
});

const send = async (from, method, more = {}) => receiptOf(await method.send({ from, ...more }));
await t.step("transfer", () => send(deployer, token.methods.transfer(alice, 500n * ether)));
await t.step("approve", () => send(alice, token.methods.approve(bob, 200n * ether)));
await t.step("transferFrom", () => send(bob, token.methods.transferFrom(alice, carol, 150n * ether)));
await t.step("note", () => send(deployer, token.methods.note("topic", "text ✓", -77n, "0xc0ffee")));
await t.step("mint", () => send(deployer, badge.methods.mint(alice)));
await t.step("hand on", () => send(alice, badge.methods.transferFrom(alice, bob, 1n)));

await t.step("reads", async () => ({
    name: await token.methods.name().call(),
    supply: await token.methods.totalSupply().call(),
    balances: await Promise.all([deployer, alice, bob, carol].map((who) => token.methods.balanceOf(who).call())),
    allowance: await token.methods.allowance(alice, bob).call(),
    owner: await badge.methods.ownerOf(1n).call(),
    earlier: await token.methods.balanceOf(alice).call({}, 3),
    pending: await token.methods.balanceOf(alice).call({}, "pending"),
    slot: await web3.eth.getStorageAt(token.options.address, 2),
    estimate: await token.methods.transfer(carol, 1n).estimateGas({ from: deployer }) > 21_000n,
}));

await t.step("events", async () => {
    const past = async (name, options) => (await token.getPastEvents(name, { fromBlock: 0, toBlock: "latest", ...options })).map(seen);
    return {
        all: await past("allEvents"),
        from: await past("Transfer", { filter: { from: alice } }),
        none: await past("Transfer", { filter: { from: bob } }),
        range: await past("Transfer", { fromBlock: 4, toBlock: 5 }),
        logs: (await web3.eth.getPastLogs({ fromBlock: 0, address: badge.options.address })).map((log) => [log.blockNumber, log.topics]),
    };
});

const failures = [
    ["reason", () => token.methods.failWithReason("no such luck")],
    ["error", () => token.methods.failWithError(77n)],
    ["panic", () => token.methods.failWithPanic(3n)],
    ["nothing", () => token.methods.failWithNothing()],
    ["invalid", () => token.methods.failWithInvalid()],
    ["balance", () => token.methods.transfer(t.stranger, 10n ** 30n)],
];
for (const [name, method] of failures) {
    await t.step(`revert by ${name}`, async () => {
        const outcome = {
            call: await t.refusal(() => method().call({ from: carol }), describe),
            estimate: await t.refusal(() => method().estimateGas({ from: carol }), describe),
            send: await t.refusal(() => method().send({ from: carol }), describe),
        };
        web3.eth.transactionSendTimeout = 20_000;
        token.config.checkRevertBeforeSending = web3.eth.checkRevertBeforeSending = false;
        outcome.mined = await t.refusal(() => method().send({ from: carol, gas: "200000" }), describe);
        token.config.checkRevertBeforeSending = web3.eth.checkRevertBeforeSending = true;
        return outcome;
    });
}

await t.step("refused transactions", async () => {
    const poor = web3.eth.accounts.privateKeyToAccount(t.poor_key);
    const fees = { maxFeePerGas: 20n * 10n ** 9n, maxPriorityFeePerGas: 10n ** 9n };
    const plain = { to: t.stranger, value: 1n, gas: 21_000n, type: 2, chainId: 5_065_036n };
    const nonce = await web3.eth.getTransactionCount(alice);
    const publish = async (account, more) => {
        const { rawTransaction } = await account.signTransaction({ ...plain, nonce, ...fees, ...more });
        return web3.requestManager.send({ method: "eth_sendRawTransaction", params: [rawTransaction] });
    };
    const [, signer] = web3.eth.accounts.wallet;
    return {
        no_funds: await t.refusal(() => publish(poor, { nonce: 0n, value: ether }), describe),
        nonce_too_low: await t.refusal(() => publish(signer, { nonce: 0n }), describe),
        estimate_no_funds: await t.refusal(
            () => web3.eth.estimateGas({ from: poor.address, to: t.stranger, value: ether }), describe),
    };
});

await t.step("transaction types", async () => {
    const plain = { from: alice, to: t.stranger, value: 1_000n };
    const gasPrice = 3n * 10n ** 9n;
    const accessList = [{ address: token.options.address, storageKeys: [`0x${"00".repeat(32)}`] }];
    const outcome = {
        legacy: receiptOf(await web3.eth.sendTransaction({ ...plain, type: 0, gasPrice })),
        access_list: receiptOf(await web3.eth.sendTransaction({ ...plain, type: 1, gas: 60_000n, gasPrice, accessList })),
        fees: receiptOf(await web3.eth.sendTransaction({ ...plain, type: 2 })),
        received: await web3.eth.getBalance(t.stranger),
    };
    const block = await web3.eth.getBlock("latest", true);
    const [{ hash }] = block.transactions;
    const found = await web3.eth.getTransaction(hash);
    outcome.found = [found.from, found.to, found.value, found.nonce, found.type, found.chainId];
    return outcome;
});

await t.step("fees and blocks", async () => {
    const history = await web3.eth.getFeeHistory(4, "latest", [25, 75]);
    const block = await web3.eth.getBlock(3);
    return {
        oldest: history.oldestBlock,
        lengths: [history.baseFeePerGas.length, history.gasUsedRatio.length, history.reward.length, history.reward[0].length],
        gas_price: typeof (await web3.eth.getGasPrice()),
        block: [block.number, block.gasUsed, block.transactions.length, block.difficulty, block.uncles.length],
        members: Object.keys(block).sort(),
        count: await web3.eth.getBlockTransactionCount(3),
        proof: (await web3.eth.getProof(token.options.address, [`0x${"2".padStart(64, "0")}`])).storageProof.map((slot) => slot.value),
    };
});

await t.step("batches", async () => {
    const batch = new web3.BatchRequest();
    const asked = [
        batch.add({ jsonrpc: "2.0", id: 11, method: "eth_chainId", params: [] }),
        batch.add({ jsonrpc: "2.0", id: 12, method: "eth_getBalance", params: [t.stranger, "0x1"] }),
    ];
    await batch.execute();
    return Promise.all(asked);
});

await t.step("subscriptions", async () => {
    const socket = new Web3(t.ws_url);
    const watched = new socket.eth.Contract(t.contract("Token").abi, token.options.address);
    const events = [];
    const heads = [];
    let done;
    const all = new Promise((resolve) => (done = resolve));
    const look = () => events.length >= 2 && heads.length >= 2 && done();
    const head = await socket.eth.subscribe("newBlockHeaders");
    head.on("data", (block) => (heads.push(block.number), look()));
    const transfers = watched.events.Transfer();
    const stands = new Promise((resolve) => transfers.on("connected", resolve));
    transfers.on("data", (event) => (events.push(seen(event)), look()));
    await t.within(stands, "subscription");
    await token.methods.transfer(alice, 11n).send({ from: deployer });
    await token.methods.transfer(bob, 12n).send({ from: deployer });
    await t.within(all, "events");
    const outcome = { events: [...events], heads: [...heads] };
    await head.unsubscribe();
    socket.currentProvider.disconnect();
    return outcome;
});

t.finish();
