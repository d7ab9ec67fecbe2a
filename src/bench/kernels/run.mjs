// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// node run.mjs MODULE SIZE: prints the checksum of run(SIZE) and the processor seconds it took.
import fs from "node:fs";
import v8 from "node:v8";

// The optimising compiler at once, and for every function before the first call.
v8.setFlagsFromString("--no-liftoff");
v8.setFlagsFromString("--no-wasm-lazy-compilation");

const [path, size] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(fs.readFileSync(path), {});
instance.exports.run(1);
const before = process.cpuUsage();
const checksum = instance.exports.run(Number(size));
const used = process.cpuUsage(before);
console.log(`${checksum} ${(used.user + used.system) / 1e6}`);
