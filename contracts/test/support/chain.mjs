// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Starts a development chain of its own and runs a command against it:
//   node chain.mjs anvil|hardhat COMMAND ARGS…        (MILLRACE_TEST_RPC is set for the command)
// The chain listens on a free loopback port, is ready when it answers, and is ended by its process id.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const start_ms_max = 60_000;

/// Port 0: the chain takes a free one itself and says which, so that two chains never meet on one.
function commandOf(kind) {
    const modules = path.join(root, "node_modules");
    if (kind === "anvil") {
        const program = path.join(modules, "@foundry-rs/anvil-linux-amd64/bin/anvil");
        if (!fs.existsSync(program)) throw new Error("anvil is not installed; run contracts/install.sh (x86-64 only)");
        return [program, ["--host", "127.0.0.1", "--port", "0"]];
    }
    if (kind === "hardhat") {
        const program = path.join(modules, "hardhat/internal/cli/bootstrap.js");
        return [process.execPath, [program, "node", "--hostname", "127.0.0.1", "--port", "0"]];
    }
    throw new Error(`unknown chain '${kind}'; known are anvil and hardhat`);
}

async function answers(url) {
    try {
        const reply = await fetch(url, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
        });
        return typeof (await reply.json()).result === "string";
    } catch {
        return false;
    }
}

/// Starts the chain; resolves to {url, stop} when it answers, throws when it ends or the deadline passes.
export async function startChain(kind) {
    const [program, args] = commandOf(kind);
    const child = spawn(program, args, {
        cwd: root,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, HARDHAT_DISABLE_TELEMETRY_PROMPT: "true", HARDHAT_CONFIG: path.join(root, "hardhat.config.cjs") },
    });
    process.on("exit", () => child.kill("SIGKILL"));
    let ended = null;
    let words = "";
    let url = null;
    let line = "";
    // "Listening on 127.0.0.1:PORT" (anvil), "Started HTTP … at http://127.0.0.1:PORT/" (hardhat, which colours
    // it where CI is set). Later output is read and dropped, or the pipe would fill.
    child.stdout.on("data", (text) => {
        if (url !== null) return;
        line = (line + text).slice(-65536);
        const found = /(?:Listening on |Started HTTP[^\n]* at http:\/\/)(127\.0\.0\.1:[0-9]+)(?=[^0-9])/.exec(line.replace(/\x1b\[[0-9;]*m/g, ""));
        if (found) url = `http://${found[1]}`;
    });
    child.stderr.on("data", (text) => (words = (words + text).slice(-4000)));
    child.on("error", (error) => (ended = error.message));
    const exited = new Promise((resolve) => {
        child.on("exit", (code, signal) => {
            ended ??= `ended with ${signal ?? code}`;
            resolve();
        });
    });
    const deadline = Date.now() + start_ms_max;
    while (url === null || !(await answers(url))) {
        if (ended !== null) throw new Error(`${kind} ${ended}\n${words}`);
        if (Date.now() > deadline) {
            child.kill("SIGKILL");
            throw new Error(`${kind} did not answer within ${start_ms_max} ms\n${words}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const stop = async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        await exited;
    };
    return { url, stop };
}

async function main([kind, program, ...args]) {
    let child = null;
    // Ending by signal must not leave the chain: the command goes first, then the chain below or at exit.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
        process.on(signal, () => (child ? child.kill(signal) : process.exit(1)));
    }
    const chain = await startChain(kind);
    child = spawn(program, args, {
        stdio: "inherit",
        env: { ...process.env, MILLRACE_TEST_RPC: chain.url, MILLRACE_TEST_CHAIN: kind },
    });
    const code = await new Promise((resolve) => {
        child.on("error", (error) => {
            console.error(`error: cannot run ${program}: ${error.message}`);
            resolve(1);
        });
        child.on("exit", (status) => resolve(status ?? 1));
    });
    await chain.stop();
    process.exitCode = code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
