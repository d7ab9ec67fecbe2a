// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
//   node extract.mjs FOLDER
//
// Writes Yosys' own cell libraries that every synthesis reads, packed in a script of its npm package, below FOLDER.
import fs from "node:fs";
import path from "node:path";
import { filesystem } from "./node_modules/@yowasp/yosys/gen/resources-yosys.js";

const folder = process.argv[2];
fs.mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(filesystem.share)) {
    if (typeof text === "string" && /\.(v|lib|txt)$/.test(name)) fs.writeFileSync(path.join(folder, name), text);
}
