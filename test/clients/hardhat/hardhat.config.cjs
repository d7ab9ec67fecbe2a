// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

// The compiler is the installed solc-js: nothing is downloaded.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => {
    const longVersion = require("solc").version();
    if (!longVersion.startsWith(`${solcVersion}+`)) throw new Error(`solc is ${longVersion}, wanted ${solcVersion}`);
    return { compilerPath: require.resolve("solc/soljson.js"), isSolcJs: true, version: solcVersion, longVersion };
});

module.exports = {
    solidity: {
        version: "0.8.37",
        settings: { evmVersion: "cancun", optimizer: { enabled: true, runs: 1000 }, metadata: { bytecodeHash: "none" } },
    },
    networks: {
        tested: {
            url: process.env.MILLRACE_TEST_RPC ?? "http://127.0.0.1:8545",
            accounts: { mnemonic: process.env.MILLRACE_TEST_MNEMONIC ?? "", count: 10 },
        },
    },
};
