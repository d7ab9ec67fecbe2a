// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// The contracts of the client tests, compiled by the pinned solc into FOLDER/<Name>.json: {abi, bytecode}.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "../../contracts/compile.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

export function compileInto(folder) {
    const names = ["Token", "Badge"];
    const sources = Object.fromEntries(
        names.map((name) => [`${name}.sol`, fs.readFileSync(path.join(here, "contracts", `${name}.sol`), "utf8")]),
    );
    const { contracts } = compile(sources);
    fs.mkdirSync(folder, { recursive: true });
    for (const name of names) {
        const { abi, evm } = contracts[`${name}.sol`][name];
        const text = JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` });
        fs.writeFileSync(path.join(folder, `${name}.json`), text);
    }
}
