#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs one public suite through millrace-spec; skipped (77) where the suites have not been unpacked.
#   test/spec/run.sh PROGRAM wasm|wasi|evm-precompiles|evm-vm|evm-state|evm-block|tx|trie|rlp|rpc [options]
set -euo pipefail
program=$1
suite=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case "$suite" in
    wasm) folder=build/suites/wasm/testsuite ;;
    wasi) folder=build/suites/wasm/wasi-testsuite ;;
    evm-precompiles) folder=build/suites/evm/basic/core/vm/testdata ;;
    evm-state) folder=build/suites/evm/state_tests ;;
    evm-block) folder=build/suites/evm/blockchain_tests ;;
    tx) folder=build/suites/evm/basic/TransactionTests ;;
    trie) folder=build/suites/evm/basic/TrieTests ;;
    rlp) folder=build/suites/evm/basic/RLPTests ;;
    rpc) folder=build/suites/rpc/execution-apis ;;
    evm-vm) folder=build/suites/evm/basic ;;
    *) echo "unknown suite '$suite'" >&2; exit 2 ;;
esac
if [ ! -d "$folder" ]; then
    echo "skipped: $folder is not there (../shared/suites/unpack.sh build/suites unpacks it)"
    exit 77
fi
exec "$program" "$suite" "$folder" "${@:3}"
