// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Runs the tasks of a job file under node's WASI, one by one, and collects what they wrote:
//   node esbuild_node.mjs JOB.toml OUT
// The result is what `millrace run --job JOB.toml --out OUT` must produce, byte for byte. Understands the part of
// the job language that examples/esbuild uses: module, args and for, lists on one line, {path} {name} {stem} {index}.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

function readJob(file) {
    const job = {};
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
        const found = /^(module|args|for)\s*=\s*(.+)$/.exec(line);
        if (found) job[found[1]] = JSON.parse(found[2]);
    }
    for (const key of ["module", "args", "for"]) {
        if (job[key] === undefined) throw new Error(`${file}: no '${key}' on a line of its own`);
    }
    return job;
}

function* filesBelow(folder) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const full = path.join(folder, entry.name);
        if (entry.isDirectory()) yield* filesBelow(full);
        else if (entry.isFile()) yield full;
    }
}

/// The files that match: `*` inside a part, `**` for any number of parts.
function expand(base, pattern) {
    const parts = path.join(base, pattern).split("/");
    const fixed = parts.findIndex((part) => part.includes("*"));
    const regexp = parts.slice(fixed).map((part) =>
        part === "**" ? "(?:[^/]+/)*" : `${part.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*")}/`).join("");
    const root = parts.slice(0, fixed).join("/");
    const whole = new RegExp(`^${regexp.replace(/\/$/, "")}$`);
    return [...filesBelow(root)].filter((file) => whole.test(path.relative(root, file))).sort();
}

/// The path of a file inside a task: relative to the job file, without what leads upwards.
function pathInTask(base, file) {
    return path.relative(base, file).split("/").filter((part) => part !== "..").join("/");
}

/// Runs the module on a folder of its own, in a process of its own (node 20 crashes when one process starts
/// WASI instances of this size again and again). Returns status, stdout and stderr.
function runTask(module, args, root) {
    // The optimising compiler would take seconds over 20 MB that run for tenths.
    const self = fileURLToPath(import.meta.url);
    return spawnSync(process.execPath, ["--no-warnings", "--liftoff-only", self, "--task", module, root, ...args],
        { input: "", encoding: "utf8", timeout: 120_000 });
}

async function task([module, root, ...args]) {
    const { WASI } = await import("node:wasi"); // here only: it prints a warning wherever it is loaded
    const wasi = new WASI({ version: "preview1", args, env: {}, preopens: { "/": root }, returnOnExit: true });
    const code = new WebAssembly.Module(fs.readFileSync(module));
    // wasi.getImportObject() says the same, from Node.js 19.8 on.
    return wasi.start(new WebAssembly.Instance(code, { wasi_snapshot_preview1: wasi.wasiImport }));
}

function main([jobFile, out]) {
    if (!out) {
        console.error("usage: node esbuild_node.mjs JOB.toml OUT");
        return 2;
    }
    const job = readJob(jobFile);
    const base = path.resolve(path.dirname(jobFile));
    const module = path.join(base, job.module);
    const files = job.for.flatMap((pattern) => expand(base, pattern));
    if (files.length === 0) throw new Error(`no file matches ${job.for}`);
    const work = fs.mkdtempSync(path.join(os.tmpdir(), "millrace-interop-"));
    let failed = 0;
    try {
        for (const [index, file] of files.entries()) {
            const root = path.join(work, String(index));
            const inside = pathInTask(base, file);
            const source = fs.readFileSync(file);
            fs.mkdirSync(path.dirname(path.join(root, inside)), { recursive: true });
            fs.writeFileSync(path.join(root, inside), source);
            const values = { index, path: inside, name: path.basename(inside), stem: path.parse(inside).name };
            const args = job.args.map((text) => text.replace(/\{(\w+)\}/g, (mark, key) => values[key] ?? mark));
            const ended = runTask(module, [path.basename(job.module), ...args], root);
            if (ended.status !== 0) {
                ++failed;
                console.error(`${inside}: ${ended.signal ?? `status ${ended.status}`}\n${ended.stderr}`);
            }
            for (const made of filesBelow(root)) {
                const relative = path.relative(root, made);
                if (relative === inside && fs.readFileSync(made).equals(source)) continue;
                fs.mkdirSync(path.dirname(path.join(out, relative)), { recursive: true });
                fs.copyFileSync(made, path.join(out, relative));
            }
        }
    } finally {
        fs.rmSync(work, { recursive: true });
    }
    console.log(`${files.length} tasks under node ${process.version}, ${failed} failed, outputs in ${out}`);
    return failed === 0 ? 0 : 1;
}

const words = process.argv.slice(2);
process.exitCode = words[0] === "--task" ? await task(words.slice(1)) : main(words);
