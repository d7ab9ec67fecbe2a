// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Compares two folders byte for byte:  node compare_trees.mjs EXPECTED ACTUAL
// Files may lie deeper in ACTUAL (below a folder per task); each expected file must be there exactly once and
// be equal. More files in ACTUAL (streams, logs) are no difference.
import fs from "node:fs";
import path from "node:path";

function* filesBelow(folder) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const full = path.join(folder, entry.name);
        if (entry.isDirectory()) yield* filesBelow(full);
        else if (entry.isFile()) yield full;
    }
}

function main([expected, actual]) {
    if (!actual) {
        console.error("usage: node compare_trees.mjs EXPECTED ACTUAL");
        return 2;
    }
    const found = [...filesBelow(actual)].map((file) => path.relative(actual, file));
    const wanted = [...filesBelow(expected)].map((file) => path.relative(expected, file));
    let different = 0;
    for (const name of wanted) {
        const places = found.filter((file) => file === name || file.endsWith(`/${name}`));
        let problem = null;
        if (places.length !== 1) problem = `is there ${places.length} times`;
        else if (!fs.readFileSync(path.join(actual, places[0])).equals(fs.readFileSync(path.join(expected, name)))) {
            problem = "differs";
        }
        if (problem) {
            ++different;
            console.error(`${name}: ${problem}`);
        }
    }
    console.log(`${wanted.length} files expected, ${wanted.length - different} byte-identical, ${different} not`);
    return wanted.length > 0 && different === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
