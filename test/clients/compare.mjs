// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Runs a client's flow on a fresh anvil and on a fresh node of ours, and compares the outcomes.
//   node compare.mjs MILLRACE [--work FOLDER] [CLIENT…]     all clients when none is named
//   node compare.mjs --anvil-only [CLIENT…]                 the outcomes on anvil, as JSON
// Differences are allowed only as listed in docs/rpc.md, in the table below "differences from anvil"; an entry of
// that table that no longer applies is a failure too. Exit 0 when all agree, 77 when packages are not installed.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.resolve(here, "../..");
const modules = path.join(source, "contracts/node_modules");
const anvil_program = path.join(modules, "@foundry-rs/anvil-linux-amd64/bin/anvil");
const clients = ["ethers", "viem", "web3", "cast", "hardhat"];
const chain_id = 5_065_036;
const start_ms_max = 60_000;
const flow_ms_max = 140_000;

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

function start(program, args, options = {}) {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    children.add(child);
    const run = { child, out: "", err: "", ended: null };
    child.stdout.on("data", (text) => (run.out += text));
    child.stderr.on("data", (text) => (run.err = (run.err + text).slice(-4000)));
    run.exited = new Promise((resolve) => {
        child.on("error", (error) => ((run.ended = error.message), resolve(1)));
        child.on("close", (code, signal) => {
            run.ended ??= `ended with ${signal ?? code}`;
            children.delete(child);
            resolve(code ?? 1);
        });
    });
    return run;
}

/// Asks until `condition` holds; throws when the process ends before or time runs out.
async function until(run, condition, what) {
    const deadline = Date.now() + start_ms_max;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (run.ended) throw new Error(`${what} ${run.ended}\n${run.err}`);
        if (Date.now() > deadline) throw new Error(`${what} was not ready after ${start_ms_max} ms\n${run.err}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
    }
}

async function answers(url) {
    try {
        const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
        const reply = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
        return typeof (await reply.json()).result === "string";
    } catch {
        return false;
    }
}

async function startAnvil() {
    // Port 0: it takes a free one itself and says which, so that two chains never meet on one.
    const args = ["--host", "127.0.0.1", "--port", "0", "--chain-id", `${chain_id}`];
    const run = start(anvil_program, [...args, "--hardfork", "osaka"]);
    const listening = () => /Listening on 127\.0\.0\.1:([0-9]+)(?=[^0-9])/.exec(run.out);
    const [, port] = await until(run, listening, "anvil");
    const rpc = `http://127.0.0.1:${port}`;
    await until(run, () => answers(rpc), "anvil");
    return { run, rpc, ws: `ws://127.0.0.1:${port}` };
}

async function startOurs(millrace, work) {
    const home = fs.mkdtempSync(path.join(work, "home-"));
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("MILLRACE_")));
    const run = start(millrace, ["node", "--dev", "--rpc", "127.0.0.1:0", "--home", home, "--json"], { env });
    await until(run, () => run.out.includes("\n"), "millrace node");
    const { rpc, ws } = JSON.parse(run.out.slice(0, run.out.indexOf("\n")));
    return { run, rpc, ws };
}

async function end(chain, name) {
    chain.run.child.kill(name === "ours" ? "SIGTERM" : "SIGKILL");
    const code = await chain.run.exited;
    if (name === "ours" && code !== 0) throw new Error(`millrace node ${chain.run.ended}\n${chain.run.err}`);
}

async function outcomesOf(client, chain, work) {
    const flow = start(process.execPath, [path.join(here, `${client}.mjs`), chain.rpc, chain.ws, work]);
    const timer = setTimeout(() => flow.child.kill("SIGKILL"), flow_ms_max);
    await flow.exited;
    clearTimeout(timer);
    try {
        return JSON.parse(flow.out);
    } catch {
        throw new Error(`the flow of ${client} ${flow.ended} without outcomes\n${flow.err}`);
    }
}

/// {path: value} of every leaf; empty arrays and objects are leaves.
function leaves(value, prefix = "", into = {}) {
    const inner = value !== null && typeof value === "object" ? Object.entries(value) : [];
    if (inner.length === 0) into[prefix] = JSON.stringify(value);
    for (const [key, member] of inner) leaves(member, prefix ? `${prefix}/${key}` : key, into);
    return into;
}

/// Rows "| client | outcome | … |" of docs/rpc.md below its heading on differences; `*` stands for anything.
function allowedDifferences() {
    const file = path.join(source, "docs/rpc.md");
    if (!fs.existsSync(file)) return [];
    const rows = [];
    let inside = false;
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
        if (line.startsWith("#")) inside = /differences from anvil/i.test(line);
        const cells = line.split("|").map((cell) => cell.trim());
        if (!inside || cells.length < 5 || !cells[2].startsWith("`")) continue;
        const pattern = (text) =>
            new RegExp(`^${text.replaceAll("`", "").split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`);
        rows.push({ line, client: pattern(cells[1]), outcome: pattern(cells[2]), used: false });
    }
    return rows;
}

function compare(client, anvil, ours, allowed) {
    const left = leaves(anvil);
    const right = leaves(ours);
    const different = [];
    let listed = 0;
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
        if (left[key] === right[key]) continue;
        const rows = allowed.filter((row) => row.client.test(client) && row.outcome.test(key));
        rows.forEach((row) => (row.used = true));
        if (rows.length && !key.endsWith("/unexpected")) listed += 1;
        else different.push(`    ${key}\n        anvil ${left[key] ?? "-"}\n        ours  ${right[key] ?? "-"}`);
    }
    const broken = Object.keys(right).filter((key) => key.endsWith("/unexpected") && right[key] === left[key]);
    for (const key of broken) different.push(`    ${key}\n        both  ${right[key]}`);
    const equal = Object.keys(left).length - different.length - listed;
    return { different, listed, equal };
}

function print(columns) {
    console.log(columns.map((text, index) => (index ? `${text}`.padStart(12) : `${text}`.padEnd(12))).join(""));
}

async function main(args) {
    const anvil_only = args[0] === "--anvil-only";
    const millrace = args.shift();
    let work = null;
    if (args[0] === "--work") [, work] = args.splice(0, 2);
    for (const name of args) if (!clients.includes(name)) throw new Error(`unknown client '${name}'; known are ${clients}`);
    const wanted = args.length ? args : clients.filter((name) => fs.existsSync(path.join(here, `${name}.mjs`)));
    if (!fs.existsSync(anvil_program)) {
        console.log("skipped: the packages are not installed; run contracts/install.sh");
        return 77;
    }
    const made = fs.mkdtempSync(path.join(work ?? os.tmpdir(), "millrace-clients-"));
    process.on("exit", () => fs.rmSync(made, { recursive: true, force: true }));
    const { compileInto } = await import("./compile.mjs");
    compileInto(made);
    if (anvil_only) {
        for (const client of wanted) {
            const chain = await startAnvil();
            console.log(JSON.stringify(await outcomesOf(client, chain, made), null, 1));
            await end(chain, "anvil");
        }
        return 0;
    }
    const allowed = allowedDifferences();
    const report = [];
    let failed = 0;
    print(["client", "equal", "listed", "different", "seconds"]);
    for (const client of wanted) {
        const begin = Date.now();
        const outcomes = {};
        for (const name of ["anvil", "ours"]) {
            const chain = name === "anvil" ? await startAnvil() : await startOurs(millrace, made);
            outcomes[name] = await outcomesOf(client, chain, made);
            await end(chain, name);
        }
        const { different, listed, equal } = compare(client, outcomes.anvil, outcomes.ours, allowed);
        if (different.length) failed += 1;
        report.push(...(different.length ? [`${client}:`, ...different] : []));
        print([client, equal, listed, different.length, ((Date.now() - begin) / 1000).toFixed(1)]);
    }
    for (const row of allowed) {
        if (!row.used && wanted.some((client) => row.client.test(client)) && wanted.length === clients.length) {
            report.push(`docs/rpc.md lists a difference that is none any more: ${row.line}`);
            failed += 1;
        }
    }
    for (const line of report) console.log(line);
    console.log(`${Math.max(wanted.length - failed, 0)} passed, ${failed} failed`);
    return failed ? 1 : 0;
}

try {
    process.exitCode = await main(process.argv.slice(2));
} catch (error) {
    console.error(`error: ${error.message}`);
    process.exit(1);  // what still runs is ended with this process
}
