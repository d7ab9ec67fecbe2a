// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// Keys and coins across wallets: ethers opens what `millrace wallet` writes, and the other way round.
//   node contracts/test/support/chain.mjs anvil node test/interop/keystore.mjs build/release/bin/millrace
// Without a chain (MILLRACE_TEST_RPC) only the keystores are compared. Prints one line per check.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../contracts/package.json", import.meta.url));
const { ethers } = require("ethers");

const program = process.argv[2];
if (!program) {
    console.error("usage: node keystore.mjs MILLRACE");
    process.exit(2);
}
const home = fs.mkdtempSync(path.join(os.tmpdir(), "millrace-keystore-"));
process.on("exit", () => fs.rmSync(home, { recursive: true, force: true }));
const password = "pass word";
const passwordFile = path.join(home, "password");
fs.writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });

function millrace(args, { input = "", fails = false, env = {} } = {}) {
    const run = spawnSync(program, ["wallet", ...args, "--home", home], {
        input,
        encoding: "utf8",
        env: { ...process.env, MILLRACE_PASSWORD: undefined, ...env },
    });
    assert.equal(run.error, undefined, String(run.error));
    assert.equal(run.status, fails ? 1 : 0, `${args.join(" ")}: ${run.stderr}`);
    if (fails) {
        assert.match(run.stderr, /^error: .+\n$/, "one line");
        return run.stderr;
    }
    return run.stdout;
}
const secret = ["--password-file", passwordFile];
const done = (what) => console.log(`ok  ${what}`);

// A key made here opens in ethers.
const made = JSON.parse(millrace(["new", "--name", "made", "--light", "--json", ...secret]));
const opened = await ethers.Wallet.fromEncryptedJson(fs.readFileSync(made.keystore, "utf8"), password);
assert.equal(opened.address, made.address);
assert.equal(fs.statSync(made.keystore).mode & 0o777, 0o600);
done("ethers opens what wallet new writes");

// A keystore of ethers is imported; a raw key on standard input as well.
const foreign = ethers.Wallet.createRandom();
const file = path.join(home, "foreign.json");
fs.writeFileSync(file, ethers.encryptKeystoreJsonSync(foreign, password, { scrypt: { N: 4096, r: 8, p: 1 } }));
const taken = JSON.parse(millrace(["import", file, "--name", "taken", "--light", "--json", ...secret]));
assert.equal(taken.address, foreign.address);
const raw = JSON.parse(
    millrace(["import", "-", "--name", "raw", "--light", "--json", ...secret], { input: `${foreign.privateKey}\n` }),
);
assert.equal(raw.address, foreign.address);
const back = await ethers.Wallet.fromEncryptedJson(fs.readFileSync(raw.keystore, "utf8"), password);
assert.equal(back.privateKey, foreign.privateKey);
done("wallet import takes a keystore of ethers and a raw key");

const listed = JSON.parse(millrace(["list", "--json"]));
assert.deepEqual(listed.map((wallet) => wallet.name), ["made", "raw", "taken"]);
done("wallet list");

// Mistakes.
assert.match(millrace(["new", "--name", "made", ...secret], { fails: true }), /key here already/);
assert.match(millrace(["import", file, "--name", "x"], { fails: true, env: { MILLRACE_PASSWORD: "no" } }), /password/);
assert.match(millrace(["import", passwordFile, "--name", "x", ...secret], { fails: true }), /neither a key/);
assert.match(millrace(["new", "--name", "../x", ...secret], { fails: true }), /no wallet name/);
assert.match(millrace(["balance", "--name", "made", "--rpc", "http://127.0.0.1:1"], { fails: true }), /127\.0\.0\.1:1/);
assert.match(millrace(["balance", "--name", "made", "--network", "none"], { fails: true }), /no such network/);
assert.ok(!fs.existsSync(path.join(home, "wallets/x.json")));
done("mistakes are told in one line");

const url = process.env.MILLRACE_TEST_RPC;
if (url) {
    const provider = new ethers.JsonRpcProvider(url);
    const to = ethers.Wallet.createRandom().address;
    const send = ["send", to, "1.25", "--name", "made", "--rpc", url, ...secret];
    assert.match(millrace(send, { fails: true }), /cannot pay: it has 0 and needs 1\.25/);
    await provider.send("hardhat_setBalance", [made.address, ethers.toQuantity(ethers.parseEther("3"))]);
    assert.match(
        millrace(send.slice(0, -2), { fails: true, env: { MILLRACE_PASSWORD: "wrong" } }),
        /password does not open/,
    );
    const sent = JSON.parse(millrace([...send, "--json"]));
    const receipt = await provider.getTransactionReceipt(sent.transaction);
    assert.equal(receipt.status, 1);
    assert.equal(receipt.from, made.address);
    const seen = JSON.parse(millrace(["balance", "--address", to, "--rpc", url, "--json"]));
    assert.equal(seen.wei, ethers.parseEther("1.25").toString());
    assert.equal(await provider.getBalance(to), ethers.parseEther("1.25"));
    provider.destroy();
    done("wallet send and balance");
}
