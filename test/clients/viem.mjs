// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The flow of viem 2; batches of requests go through its batching transport.
import * as t from "./outcomes.mjs";

const viem = t.need("viem");
const { mnemonicToAccount, privateKeyToAccount } = t.need("viem/accounts");
const ether = 10n ** 18n;

const accounts = [0, 1, 2, 3].map((addressIndex) => mnemonicToAccount(t.mnemonic, { addressIndex }));
const [deployer, alice, bob, carol] = accounts;
const chain = viem.defineChain({
    id: 5_065_036,
    name: "the chain under test",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [t.rpc_url] } },
});
const transport = viem.http(t.rpc_url, { retryCount: 0 });
const reader = viem.createPublicClient({ chain, transport, pollingInterval: 50, cacheTime: 0 });
const wallet = (account) => viem.createWalletClient({ account, chain, transport });
const raw = (method, params = []) => reader.request({ method, params });

function logs(receipt, abi) {
    const parsed = abi ? viem.parseEventLogs({ abi, logs: receipt.logs }) : receipt.logs;
    return parsed.map((log) => ({ address: log.address, index: log.logIndex, name: log.eventName, args: log.args }));
}

async function mined(sent, abi) {
    const receipt = await reader.waitForTransactionReceipt({ hash: await sent });
    return {
        status: receipt.status,
        gasUsed: receipt.gasUsed,
        type: receipt.type,
        block: receipt.blockNumber,
        index: receipt.transactionIndex,
        from: receipt.from,
        to: receipt.to,
        logs: logs(receipt, abi),
    };
}

/// The names of what viem wraps into each other, and the innermost that carries the chain's answer.
function describe(error) {
    const names = [];
    let revert;
    let node;
    for (let inner = error; inner; inner = inner.cause) {
        names.push(inner.name ?? typeof inner);
        if (inner.name === "ContractFunctionRevertedError") {
            revert = { reason: inner.reason, raw: inner.raw, name: inner.data?.errorName, args: inner.data?.args };
        }
        if (typeof inner.code === "number") node = { code: inner.code, message: inner.details ?? inner.message, data: inner.data };
    }
    return { names, revert, node };
}

const token = { ...t.contract("Token") };
const badge = { ...t.contract("Badge") };
const write = (account, contract, functionName, args, more = {}) =>
    wallet(account).writeContract({ address: contract.address, abi: contract.abi, functionName, args, ...more });
const read = (contract, functionName, args = [], more = {}) =>
    reader.readContract({ address: contract.address, abi: contract.abi, functionName, args, ...more });

await t.step("connect", async () => ({
    chain: await reader.getChainId(),
    accounts: await raw("eth_accounts"),
    block: await reader.getBlockNumber(),
    balance: await reader.getBalance({ address: alice.address }),
    nonce: await reader.getTransactionCount({ address: alice.address }),
}));

await t.step("deploy", async () => {
    const made = {};
    for (const [name, contract, args] of [["Token", token, ["Mill", "MIL", 1_000_000n * ether]], ["Badge", badge, []]]) {
        const hash = await wallet(deployer).deployContract({ abi: contract.abi, bytecode: contract.bytecode, args });
        const receipt = await reader.waitForTransactionReceipt({ hash });
        contract.address = receipt.contractAddress;
        made[name] = {
            address: receipt.contractAddress,
            status: receipt.status,
            gasUsed: receipt.gasUsed,
            to: receipt.to,
            logs: logs(receipt, contract.abi),
            code: viem.size(await reader.getCode({ address: receipt.contractAddress })),
        };
    }
    return made;
});

await t.step("transfer", () => mined(write(deployer, token, "transfer", [alice.address, 500n * ether]), token.abi));
await t.step("approve", () => mined(write(alice, token, "approve", [bob.address, 200n * ether]), token.abi));
await t.step("transferFrom", () =>
    mined(write(bob, token, "transferFrom", [alice.address, carol.address, 150n * ether]), token.abi));
await t.step("note", () => mined(write(deployer, token, "note", ["topic", "text ✓", -77n, "0xc0ffee"]), token.abi));
await t.step("mint", () => mined(write(deployer, badge, "mint", [alice.address]), badge.abi));
await t.step("hand on", () => mined(write(alice, badge, "transferFrom", [alice.address, bob.address, 1n]), badge.abi));

await t.step("reads", async () => ({
    name: await read(token, "name"),
    decimals: await read(token, "decimals"),
    supply: await read(token, "totalSupply"),
    balances: await Promise.all(accounts.map((account) => read(token, "balanceOf", [account.address]))),
    allowance: await read(token, "allowance", [alice.address, bob.address]),
    owner: await read(badge, "ownerOf", [1n]),
    earlier: await read(token, "balanceOf", [alice.address], { blockNumber: 3n }),
    pending: await read(token, "balanceOf", [alice.address], { blockTag: "pending" }),
    finalized: await read(token, "totalSupply", [], { blockTag: "finalized" }).catch((error) => error.name),
    slot: await reader.getStorageAt({ address: token.address, slot: "0x2" }),
    simulated: (await reader.simulateContract({
        address: token.address, abi: token.abi, functionName: "transfer", args: [alice.address, 1n], account: deployer,
    })).result,
    overridden: await reader.call({
        to: token.address,
        data: viem.encodeFunctionData({ abi: token.abi, functionName: "totalSupply" }),
        stateOverride: [{ address: token.address, stateDiff: [{ slot: viem.pad("0x2"), value: viem.pad("0x2a") }] }],
    }),
}));

// Not simulateCalls: it ends with a creation out of nothing, which anvil refuses.
await t.step("simulations", async () => {
    const call = (functionName, ...args) =>
        ({ account: deployer, to: token.address, abi: token.abi, functionName, args });
    const blocks = await reader.simulateBlocks({
        blocks: [
            { calls: [call("transfer", carol.address, 7n), call("balanceOf", carol.address), call("failWithReason", "x")] },
            {
                stateOverrides: [{ address: t.stranger, balance: 11n }],
                calls: [{ account: t.stranger, to: carol.address, value: 11n }],
            },
        ],
        traceTransfers: true,
    });
    return {
        results: blocks.map(({ calls }) => calls.map(({ status, result }) => [status, result])),
        logs: blocks.map(({ calls }) => calls.map(({ logs }) => (logs ?? []).map(({ data, topics }) => [data, topics]))),
        number: blocks[1].number - blocks[0].number,
        kept: await read(token, "balanceOf", [carol.address]),
    };
});

await t.step("events", async () => {
    const name = (event) => [event.eventName, event.blockNumber, event.logIndex, event.args];
    const events = (eventName, args, more = {}) =>
        reader.getContractEvents({ address: token.address, abi: token.abi, eventName, args, fromBlock: 0n, ...more });
    const block = await reader.getBlock({ blockNumber: 3n });
    return {
        all: (await events()).map(name),
        from: (await events("Transfer", { from: alice.address })).map(name),
        either: (await events("Transfer", { to: [carol.address, alice.address] })).map(name),
        topic: (await events("Noted", { topic: "topic" })).map(name),
        none: (await events("Transfer", { from: bob.address })).map(name),
        by_hash: (await reader.getLogs({ blockHash: block.hash })).map((log) => [log.address, log.blockNumber, log.topics]),
    };
});

await t.step("filters", async () => {
    const filter = await reader.createContractEventFilter({ address: token.address, abi: token.abi, eventName: "Transfer" });
    const past = await reader.createContractEventFilter({ address: token.address, abi: token.abi, fromBlock: 0n });
    const blocks = await reader.createBlockFilter();
    await mined(write(deployer, token, "transfer", [bob.address, 5n]));
    await mined(write(deployer, token, "transfer", [bob.address, 6n]));
    const changes = await reader.getFilterChanges({ filter });
    const unknown = await t.refusal(() => raw("eth_getFilterChanges", ["0xffffffffff"]), describe);
    return {
        changes: changes.map((log) => [log.eventName, log.blockNumber, log.args]),
        again: await reader.getFilterChanges({ filter }),
        all: (await reader.getFilterLogs({ filter: past })).length,
        heads: (await reader.getFilterChanges({ filter: blocks })).map(t.shape),
        removed: [await reader.uninstallFilter({ filter }), await reader.uninstallFilter({ filter })],
        unknown: unknown.names ?? unknown,
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
for (const [name, functionName, args] of failures) {
    await t.step(`revert by ${name}`, async () => {
        const request = { address: token.address, abi: token.abi, functionName, args, account: carol };
        const hash = await wallet(carol).writeContract({ ...request, gas: 200_000n });
        const receipt = await reader.waitForTransactionReceipt({ hash });
        return {
            call: await t.refusal(() => reader.simulateContract(request), describe),
            estimate: await t.refusal(() => reader.estimateContractGas(request), describe),
            send: await t.refusal(() => wallet(carol).writeContract(request), describe),
            mined: { status: receipt.status, gasUsed: receipt.gasUsed, logs: receipt.logs.length },
        };
    });
}

await t.step("refused transactions", async () => {
    const poor = privateKeyToAccount(t.poor_key);
    const plain = { to: t.stranger, value: 1n, gas: 21_000n };
    const nonce = await reader.getTransactionCount({ address: alice.address });
    const fees = { maxFeePerGas: 20n * 10n ** 9n, maxPriorityFeePerGas: 10n ** 9n };
    const send = (account, more) => t.refusal(() => wallet(account).sendTransaction({ ...plain, ...more }), describe);
    const outcome = {
        no_funds: await send(poor, { value: ether }),
        call_no_funds: await t.refusal(
            () => reader.call({ account: poor, to: t.stranger, value: ether }), describe),
        nonce_too_low: await send(alice, { nonce: 0 }),
        gas_too_low: await send(alice, { gas: 20_000n }),
        gas_too_high: await send(alice, { gas: 10n ** 12n, ...fees }),
        other_chain: await t.refusal(async () => {
            const signed = await alice.signTransaction({ ...plain, nonce, ...fees, type: "eip1559", chainId: 1 });
            return reader.sendRawTransaction({ serializedTransaction: signed });
        }, describe),
        garbage: await t.refusal(() => reader.sendRawTransaction({ serializedTransaction: "0x02c0" }), describe),
        unknown_method: await t.refusal(() => raw("eth_noSuchThing"), describe),
        bad_parameters: await t.refusal(() => raw("eth_getBalance", ["0x12", "latest"]), describe),
    };
    await raw("evm_setAutomine", [false]);
    try {
        const first = await wallet(alice).sendTransaction({ ...plain, nonce, ...fees });
        outcome.pending = await reader.getTransactionCount({ address: alice.address, blockTag: "pending" }) - nonce;
        outcome.again = await t.refusal(async () => {
            const { input, v, r, s, yParity, ...sent } = await reader.getTransaction({ hash: first });
            const signed = viem.serializeTransaction(
                { ...plain, nonce, ...fees, type: "eip1559", chainId: chain.id }, { r, s, yParity });
            return [sent.blockHash, await reader.sendRawTransaction({ serializedTransaction: signed })];
        }, describe);
        outcome.underpriced = await send(alice, { nonce, ...fees, value: 2n });
        const ahead = await wallet(alice).sendTransaction({ ...plain, nonce: nonce + 2, ...fees });
        const better = await wallet(alice).sendTransaction({
            ...plain, value: 3n, nonce, maxFeePerGas: 40n * 10n ** 9n, maxPriorityFeePerGas: 2n * 10n ** 9n,
        });
        outcome.pool = await raw("txpool_status");
        await raw("evm_mine");
        const fate = async (hash) => (await raw("eth_getTransactionReceipt", [hash]))?.status ?? null;
        outcome.fate = [await fate(first), await fate(better), await fate(ahead)];
        await wallet(alice).sendTransaction({ ...plain, nonce: nonce + 1, ...fees });
        await raw("evm_mine");
        outcome.closed = await fate(ahead);
    } finally {
        await raw("evm_setAutomine", [true]);
    }
    return outcome;
});

await t.step("transaction types", async () => {
    const plain = { to: t.stranger, value: 1_000n };
    const price = 3n * 10n ** 9n;
    const accessList = [{ address: token.address, storageKeys: [viem.pad("0x2")] }];
    const authorization = await wallet(bob).signAuthorization({ contractAddress: token.address });
    const nonce = await reader.getTransactionCount({ address: bob.address });
    return {
        legacy: await mined(wallet(alice).sendTransaction({ ...plain, type: "legacy", gasPrice: price })),
        access_list: await mined(wallet(alice).sendTransaction({ ...plain, type: "eip2930", gasPrice: price, accessList })),
        fees: await mined(wallet(alice).sendTransaction({ ...plain, type: "eip1559", accessList })),
        set_code: await mined(wallet(alice).sendTransaction({ ...plain, authorizationList: [authorization] })),
        code: await reader.getCode({ address: bob.address }),
        bob: await reader.getTransactionCount({ address: bob.address }) - nonce,
        called: await reader.readContract({ address: bob.address, abi: token.abi, functionName: "totalSupply" }),
        created: (await reader.createAccessList({
            account: alice, to: token.address,
            data: viem.encodeFunctionData({ abi: token.abi, functionName: "balanceOf", args: [carol.address] }),
        })),
    };
});

await t.step("fees and blocks", async () => {
    const history = await reader.getFeeHistory({ blockCount: 4, rewardPercentiles: [25, 75] });
    const block = await reader.getBlock({ blockNumber: 3n, includeTransactions: true });
    const { hash } = block.transactions[0];
    const receipt = await raw("eth_getTransactionReceipt", [hash]);
    return {
        history: t.shape(await raw("eth_feeHistory", ["0x4", "latest", [25, 75]])),
        ratios: history.gasUsedRatio.map((ratio) => ratio > 0),
        oldest: history.oldestBlock,
        count: await reader.getBlockTransactionCount({ blockNumber: 3n }),
        found: block.transactions.map((found) => [found.from, found.to, found.nonce, found.value, found.typeHex, found.transactionIndex]),
        block_shape: t.shape(await raw("eth_getBlockByNumber", ["0x3", false])),
        transaction_shape: t.shape(await raw("eth_getTransactionByHash", [hash])),
        receipt_shape: t.shape(receipt),
        receipts: t.shape(await raw("eth_getBlockReceipts", ["0x3"])),
        gas: [receipt.gasUsed, receipt.cumulativeGasUsed, receipt.status, receipt.type],
        proof: (({ nonce, storageProof }) => [nonce, storageProof.map((slot) => [slot.key, slot.value])])(
            await reader.getProof({ address: token.address, storageKeys: [viem.pad("0x2")] })),
        estimate: typeof (await reader.estimateFeesPerGas()).maxFeePerGas,
    };
});

await t.step("batches", async () => {
    const batching = viem.createPublicClient({ chain, transport: viem.http(t.rpc_url, { batch: { wait: 5 }, retryCount: 0 }) });
    const asked = await Promise.allSettled([
        batching.getChainId(),
        batching.getBalance({ address: t.stranger, blockNumber: 1n }),
        ...accounts.map((account) =>
            batching.readContract({ address: token.address, abi: token.abi, functionName: "balanceOf", args: [account.address] })),
        batching.readContract({ address: token.address, abi: token.abi, functionName: "failWithReason", args: ["x"] }),
        batching.request({ method: "eth_noSuchThing" }),
    ]);
    const post = async (body) => {
        const reply = await fetch(t.rpc_url, { method: "POST", headers: { "content-type": "application/json" }, body });
        return JSON.parse(await reply.text());
    };
    const [answer, wrong] = await post(JSON.stringify([
        { jsonrpc: "2.0", id: "text", method: "eth_chainId" },
        { jsonrpc: "2.0", id: 7, method: "eth_nothing", params: [] },
    ]));
    return {
        asked: asked.map(({ value, reason }) => (reason ? describe(reason).names : value)),
        answer,
        wrong: { id: wrong.id, code: wrong.error?.code },
        not_json: (await post("{")).error?.code,
    };
});

await t.step("subscriptions", async () => {
    const socket = viem.createPublicClient({ chain, transport: viem.webSocket(t.ws_url, { retryCount: 0 }) });
    const seen = [];
    const heads = [];
    let done;
    let failed;
    const all = new Promise((resolve, reject) => ((done = resolve), (failed = reject)));
    const look = () => seen.length >= 2 && heads.length >= 2 && done();
    const { subscriptionId } = await socket.transport.subscribe({
        params: ["logs", { address: token.address, topics: viem.encodeEventTopics({ abi: token.abi, eventName: "Transfer" }) }],
        onData: ({ result }) => {
            const [log] = viem.parseEventLogs({ abi: token.abi, logs: [result] });
            seen.push([log.eventName, log.args, BigInt(result.blockNumber), result.removed]);
            look();
        },
        onError: failed,
    });
    await socket.transport.subscribe({
        params: ["newHeads"],
        onData: ({ result }) => (heads.push(result), look()),
        onError: failed,
    });
    await mined(write(deployer, token, "transfer", [alice.address, 11n]));
    await mined(write(deployer, token, "transfer", [bob.address, 12n]));
    await t.within(all, "events");
    const outcome = {
        id: t.shape(subscriptionId).split(" ")[0],
        seen: [...seen],
        heads: heads.map((head) => BigInt(head.number)),
        head: t.shape(heads[0]),
        ended: [
            await socket.transport.request({ method: "eth_unsubscribe", params: [subscriptionId] }),
            await socket.transport.request({ method: "eth_unsubscribe", params: [subscriptionId] }).catch((error) => error.name),
        ],
    };
    (await socket.transport.getRpcClient()).close();
    return outcome;
});

t.finish();
