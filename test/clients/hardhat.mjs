// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The flow of a Hardhat 2 project: a folder of its own with the project's files and the contracts, in which
// hardhat compiles (with the installed solc) and runs the script against the chain as its network.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as t from "./outcomes.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.resolve(here, "../../contracts/node_modules");
// The second chain's run finds what the first compiled, as a developer's second run does.
const project = path.join(t.folder, "hardhat");
const out = path.join(project, "outcomes.json");
if (!fs.existsSync(project)) {
    fs.cpSync(path.join(here, "hardhat"), project, { recursive: true });
    fs.cpSync(path.join(here, "contracts"), path.join(project, "contracts"), { recursive: true });
    fs.symlinkSync(modules, path.join(project, "node_modules"));
}
fs.rmSync(out, { force: true });

const run = spawnSync(
    process.execPath,
    [path.join(modules, "hardhat/internal/cli/bootstrap.js"), "run", "--network", "tested", "scripts/flow.cjs"],
    {
        cwd: project,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: {
            ...process.env,
            HOME: project,
            HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
            MILLRACE_TEST_RPC: t.rpc_url,
            MILLRACE_TEST_MNEMONIC: t.mnemonic,
            MILLRACE_TEST_OUT: out,
        },
    },
);
if (run.status !== 0 || !fs.existsSync(out)) {
    console.error(`hardhat ended with ${run.signal ?? run.status}\n${run.stdout}\n${run.stderr}`);
    process.exit(1);
}
process.stdout.write(`${fs.readFileSync(out, "utf8")}\n`);
