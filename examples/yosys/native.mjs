// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
//   node native.mjs NAME
//
// Does the job's task for designs/NAME.v with the npm package's own program on V8, and prints what it wrote.
import fs from "node:fs";
import { runYosys } from "./node_modules/@yowasp/yosys/gen/bundle.js";

const name = process.argv[2];
const text = fs.readFileSync(new URL(`designs/${name}.v`, import.meta.url), "utf8");
const script = `read_verilog designs/${name}.v; synth; write_json ${name}.json`;
const quiet = { stdout: () => {}, stderr: () => {} };
const tree = await runYosys(["-Q", "-T", "-p", script], { designs: { [`${name}.v`]: text } }, quiet);
process.stdout.write(tree[`${name}.json`]);
