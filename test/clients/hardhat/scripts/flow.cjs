// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Run by `hardhat run`: compiles, deploys and uses the contracts through hardhat's provider, which signs with the
// accounts of its mnemonic, fills in gas and fees, and turns the chain's errors into its own.
const fs = require("node:fs");
const hre = require("hardhat");
const { ethers } = require("ethers");

const ether = 10n ** 18n;
const stranger = "0x00000000000000000000000000000000000a11ce";
const request = (method, ...params) => hre.network.provider.request({ method, params });
const quantity = (value) => `0x${BigInt(value).toString(16)}`;

const plain = (value) =>
    JSON.parse(JSON.stringify(value, (_, member) => (typeof member === "bigint" ? member.toString() : member ?? null)));

const outcomes = {};
async function step(name, run) {
    outcomes[name] = plain(await run());
}

/// A hash may be answered a moment before its block is.
async function receiptOf(hash) {
    const deadline = Date.now() + 20_000;
    for (;;) {
        const receipt = await request("eth_getTransactionReceipt", hash);
        if (receipt) return receipt;
        if (Date.now() > deadline) throw new Error(`no receipt of ${hash} within 20 s`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

async function mined(hash, contract) {
    const receipt = await receiptOf(hash);
    return {
        status: receipt.status, gasUsed: receipt.gasUsed, type: receipt.type, block: receipt.blockNumber,
        from: receipt.from, to: receipt.to, contract: receipt.contractAddress,
        logs: receipt.logs.map((log) => {
            const parsed = contract.interface.parseLog(log);
            return [log.address.toLowerCase(), log.logIndex, parsed.name, [...parsed.args]];
        }),
    };
}

async function refusal(run) {
    try {
        return { accepted: await run() };
    } catch (error) {
        return { name: error.name, code: error.code, node: { message: error.message }, data: error.data?.data ?? error.data };
    }
}

async function main() {
    await hre.run("compile", { quiet: true });
    const accounts = await request("eth_accounts");
    const [deployer, alice, bob, carol] = accounts;
    const contracts = {};
    await step("connect", async () => ({
        accounts, chain: await request("eth_chainId"), balance: await request("eth_getBalance", alice, "latest"),
    }));

    await step("deploy", async () => {
        const made = {};
        for (const [name, parameters] of [["Token", ["Mill", "MIL", 1_000_000n * ether]], ["Badge", []]]) {
            const { abi, bytecode } = await hre.artifacts.readArtifact(name);
            const factory = new ethers.ContractFactory(abi, bytecode);
            const { data } = await factory.getDeployTransaction(...parameters);
            const hash = await request("eth_sendTransaction", { from: deployer, data });
            contracts[name] = { interface: factory.interface };
            made[name] = await mined(hash, contracts[name]);
            contracts[name].address = made[name].contract;
        }
        return made;
    });
    const { Token: token, Badge: badge } = contracts;

    const encode = (contract, method, parameters) => contract.interface.encodeFunctionData(method, parameters);
    const send = (from, contract, method, parameters, more = {}) =>
        request("eth_sendTransaction", { from, to: contract.address, data: encode(contract, method, parameters), ...more });
    const call = async (contract, method, parameters = [], block = "latest") => {
        const data = await request("eth_call", { from: carol, to: contract.address, data: encode(contract, method, parameters) }, block);
        return contract.interface.decodeFunctionResult(method, data)[0];
    };
    const use = async (...args) => mined(await send(...args), args[1]);

    await step("transfer", () => use(deployer, token, "transfer", [alice, 500n * ether]));
    await step("approve", () => use(alice, token, "approve", [bob, 200n * ether]));
    await step("transferFrom", () => use(bob, token, "transferFrom", [alice, carol, 150n * ether]));
    await step("mint", () => use(deployer, badge, "mint", [alice]));
    await step("hand on", () => use(alice, badge, "transferFrom", [alice, bob, 1n]));

    await step("reads", async () => ({
        name: await call(token, "name"),
        supply: await call(token, "totalSupply"),
        balances: await Promise.all([deployer, alice, bob, carol].map((who) => call(token, "balanceOf", [who]))),
        owner: await call(badge, "ownerOf", [1n]),
        earlier: await call(token, "balanceOf", [alice], quantity(3)),
    }));

    await step("events", async () => {
        const logs = await request("eth_getLogs", { address: token.address, fromBlock: "0x0", toBlock: "latest" });
        return logs.map((log) => {
            const parsed = token.interface.parseLog(log);
            return [log.blockNumber, log.logIndex, parsed.name, [...parsed.args]];
        });
    });

    for (const [name, method, parameters] of [
        ["reason", "failWithReason", ["no such luck"]],
        ["error", "failWithError", [77n]],
        ["panic", "failWithPanic", [3n]],
        ["nothing", "failWithNothing", []],
        ["balance", "transfer", [stranger, 10n ** 30n]],
    ]) {
        await step(`revert by ${name}`, async () => ({
            call: await refusal(() => call(token, method, parameters)),
            estimate: await refusal(() =>
                request("eth_estimateGas", { from: carol, to: token.address, data: encode(token, method, parameters) })),
            send: await refusal(() => send(carol, token, method, parameters)),
            mined: await use(carol, token, method, parameters, { gas: quantity(200_000) }),
        }));
    }

    await step("refused transactions", async () => {
        const send_plain = (more) => request("eth_sendTransaction", { from: alice, to: stranger, gas: quantity(21_000), value: "0x1", ...more });
        return {
            no_funds: await refusal(() => send_plain({ value: quantity(10n ** 24n) })),
            nonce_too_low: await refusal(() => send_plain({ nonce: "0x0" })),
            unknown_method: await refusal(() => request("eth_noSuchThing")),
        };
    });

    await step("development", async () => {
        const number = async () => BigInt(await request("eth_blockNumber"));
        const before = await number();
        const kept = await request("evm_snapshot");
        await use(deployer, token, "transfer", [stranger, 7n]);
        const held = await call(token, "balanceOf", [stranger]);
        const reverted = await request("evm_revert", kept);
        const { timestamp } = await request("eth_getBlockByNumber", "latest", false);
        await request("evm_increaseTime", 3_600);
        await request("evm_mine");
        const later = await request("eth_getBlockByNumber", "latest", false);
        return {
            held, reverted, after: await call(token, "balanceOf", [stranger]),
            blocks: await number() - before, an_hour: BigInt(later.timestamp) - BigInt(timestamp) >= 3_600n,
        };
    });
}

main().then(
    () => fs.writeFileSync(process.env.MILLRACE_TEST_OUT, JSON.stringify(outcomes)),
    (error) => {
        console.error(error);
        process.exitCode = 1;
    },
);
