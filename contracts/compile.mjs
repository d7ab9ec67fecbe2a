// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Compiles contracts/src with the pinned solc-js, offline, into contracts/artifacts/<Name>.json.
//   node compile.mjs           writes the artefacts
//   node compile.mjs --check   rebuilds in memory and fails when a committed artefact differs
// Also a module: compile(sources) for the tests, which bring contracts of their own.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));
const published = ["Capabilities", "Providers", "Deposits", "Jobs"];
const solc_version = "0.8.37";
// Cancun: transient storage for the re-entrancy guard; anvil, hardhat 2 and any Osaka chain run it.
const evm_version = "cancun";
const optimizer = { enabled: true, runs: 1000 };

function load(file) {
    const full = file.startsWith("@openzeppelin/")
        ? path.join(here, "node_modules", file)
        : path.join(here, file);
    if (!fs.existsSync(full)) return { error: `not found: ${file}` };
    return { contents: fs.readFileSync(full, "utf8") };
}

/// Compiles `sources` ({name: text}); imports are found under contracts/ and in OpenZeppelin.
/// Returns solc's contracts by source and name; throws with solc's words on an error or a warning.
export function compile(sources) {
    const solc = require("solc");
    if (!solc.version().startsWith(`${solc_version}+`)) {
        throw new Error(`solc is ${solc.version()}, wanted ${solc_version}; run contracts/install.sh`);
    }
    const input = {
        language: "Solidity",
        sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
        settings: {
            evmVersion: evm_version,
            optimizer,
            metadata: { bytecodeHash: "none" },
            outputSelection: {
                "*": {
                    "*": [
                        "abi",
                        "evm.bytecode.object",
                        "evm.deployedBytecode.object",
                        "evm.deployedBytecode.immutableReferences",
                        "storageLayout",
                    ],
                    "": ["ast"],
                },
            },
        },
    };
    const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }));
    // 2394 says that transient storage needs care and that re-entrancy guards are the safe use; ours is one.
    const problems = (output.errors ?? []).filter((e) => e.severity !== "info" && e.errorCode !== "2394");
    if (problems.length) throw new Error(problems.map((e) => e.formattedMessage).join("\n"));
    return output;
}

/// Immutables are numbered by AST node; readers want them by name.
function immutableNames(output) {
    const names = {};
    const visit = (node) => {
        if (node === null || typeof node !== "object") return;
        if (Array.isArray(node)) return node.forEach(visit);
        if (node.nodeType === "VariableDeclaration" && node.mutability === "immutable") names[node.id] = node.name;
        Object.values(node).forEach(visit);
    };
    for (const source of Object.values(output.sources)) visit(source.ast);
    return names;
}

function artefact(output, name) {
    const contract = output.contracts[`src/${name}.sol`][name];
    const names = immutableNames(output);
    const references = Object.entries(contract.evm.deployedBytecode.immutableReferences)
        .map(([id, places]) => [names[id], places])
        .sort(([a], [b]) => (a < b ? -1 : 1));
    return {
        contractName: name,
        solc: solc_version,
        evmVersion: evm_version,
        optimizer,
        abi: contract.abi,
        bytecode: `0x${contract.evm.bytecode.object}`,
        deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
        immutableReferences: Object.fromEntries(references),
    };
}

function main() {
    const check = process.argv.includes("--check");
    const files = fs.readdirSync(path.join(here, "src")).filter((f) => f.endsWith(".sol")).sort();
    const output = compile(
        Object.fromEntries(files.map((f) => [`src/${f}`, fs.readFileSync(path.join(here, "src", f), "utf8")])),
    );
    let stale = 0;
    for (const name of published) {
        const file = path.join(here, "artifacts", `${name}.json`);
        const built = artefact(output, name);
        const size = (built.deployedBytecode.length - 2) / 2;
        if (size > 24576) throw new Error(`${name}: ${size} bytes of code, over the 24576 of EIP-170`);
        const text = `${JSON.stringify(built, null, 1)}\n`;
        if (!check) {
            fs.mkdirSync(path.dirname(file), { recursive: true });
            fs.writeFileSync(file, text);
        } else if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text) {
            console.error(`error: artifacts/${name}.json is not what src/ compiles to; run node compile.mjs`);
            ++stale;
        }
        console.log(`${name}: ${size} bytes of code`);
    }
    process.exitCode = stale ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
