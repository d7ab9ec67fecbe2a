// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
//
// For `hardhat node` only: the second chain of the tests. Nothing is compiled by hardhat.
module.exports = {
    networks: { hardhat: { chainId: 31337 } },
};
