// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// What the flows share: where the chain is, the compiled contracts, the record of outcomes.
//
// A flow is `node NAME.mjs RPC WS FOLDER`; it prints one JSON object {step: outcome}. An outcome holds what
// must be equal on every chain: values, decoded events, kinds of errors, status and gas of receipts, shapes of
// answers. What may differ (hashes of blocks, times, ports, base fees) is left out or replaced by its type.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));

/// Packages are those of contracts/node_modules, wherever this file lies.
export const need = createRequire(path.join(here, "../../contracts/package.json"));

export const mnemonic = "test test test test test test test test test test test junk";
/// Holds nothing on any chain.
export const poor_key = `0x${"5a".repeat(32)}`;
/// Takes part in nothing but what it receives.
export const stranger = "0x00000000000000000000000000000000000a11ce";

export const [rpc_url, ws_url, folder] = process.argv.slice(2);

export function contract(name) {
    return JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"));
}

/// JSON without what JSON lacks: integers become text, addresses and data lower case.
export function plain(value) {
    if (typeof value === "bigint") return value.toString();
    if (typeof value === "string") return /^0x[0-9a-fA-F]*$/.test(value) ? value.toLowerCase() : value;
    if (value === undefined) return "undefined";
    if (value === null || typeof value !== "object") return value;
    if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString("hex")}`;
    if (Array.isArray(value)) return Array.from(value, plain);
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

/// The form of a raw JSON-RPC answer: what stands where, not which.
export function shape(value, name = "") {
    if (value === null) return "null";
    if (Array.isArray(value)) return value.length ? [shape(value[0])] : [];
    if (typeof value === "object") {
        return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key], key)]));
    }
    if (typeof value !== "string") return typeof value;
    if (!/^0x[0-9a-f]*$/.test(value)) return "text";
    if (name === "r" || name === "s") return "quantity";  // without leading zeros, so of any length
    if (/^0x(0|[1-9a-f][0-9a-f]{0,31})$/.test(value)) return "quantity";
    return `data ${(value.length - 2) / 2}`;
}

const outcomes = {};

/// One step: its outcome is what `run` returns. A step that throws is an outcome too, and fails the flow.
export async function step(name, run) {
    try {
        outcomes[name] = plain((await run()) ?? "done");
    } catch (error) {
        outcomes[name] = { unexpected: String(error?.message ?? error).slice(0, 2000) };
        process.exitCode = 1;
    }
}

/// The error that `run` must end in, as `describe` sees it.
export async function refusal(run, describe) {
    let value;
    try {
        value = await run();
    } catch (error) {
        return describe(error);
    }
    return { accepted: plain(value) };
}

/// Resolves to `promise`, or throws when the chain stays silent for too long.
export async function within(promise, what, milliseconds = 20_000) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds} ms`)), milliseconds);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

let request_id = 0;

/// A raw request by HTTP: {result} or {error}.
export async function ask(method, ...params) {
    const reply = await fetch(rpc_url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: ++request_id, method, params }),
    });
    return reply.json();
}

export async function result(method, ...params) {
    const answer = await ask(method, ...params);
    if (answer.error) throw new Error(`${method}: ${JSON.stringify(answer.error)}`);
    return answer.result;
}

/// Prints the outcomes and ends, whatever sockets a client still holds open.
export function finish() {
    process.stdout.write(`${JSON.stringify(outcomes)}\n`, () => process.exit());
}
