# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Settlement is not tied to one chain: the same network and job on hardhat's node."""

import json
import select
import shutil
import subprocess
import time
import urllib.request

import harness
from harness import (SOURCE, Network, Skip, account_of, check, check_money, check_outputs, main, say,
                     scratch, wait_for)

CONTRACTS = SOURCE / "contracts"


def start_hardhat():
    """Its process and address. It prints where it listens; the port is free because it chose it."""
    program = CONTRACTS / "node_modules/hardhat/internal/cli/bootstrap.js"
    node = shutil.which("node")
    if node is None or not program.exists():
        raise Skip("hardhat is not installed: run contracts/install.sh")
    log = open(scratch("hardhat") / "log", "w+b")
    extra = {"HARDHAT_CONFIG": str(CONTRACTS / "hardhat.config.cjs"),
             "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
             "NO_COLOR": "1"}  # with CI set it would colour the address
    child = subprocess.Popen([node, str(program), "node", "--hostname", "127.0.0.1", "--port", "0"],
                             cwd=CONTRACTS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=log, env=harness.clean_environment(extra))
    harness._started.append(child)
    text, end = b"", time.monotonic() + 90
    while b"JSON-RPC server at" not in text or b"\n" not in text.split(b"JSON-RPC server at")[1]:
        check(time.monotonic() < end, f"hardhat is not ready: {text[-500:]}")
        if select.select([child.stdout], [], [], 1)[0]:
            piece = child.stdout.read1(65536)
            check(piece, f"hardhat ended: {text[-500:]}")
            text += piece
    url = text.split(b"JSON-RPC server at")[1].split()[0].decode().rstrip("/")
    # It writes a line for every request: somebody must read, or it stops.
    sink = subprocess.Popen(["cat"], stdin=child.stdout, stdout=subprocess.DEVNULL)
    harness._started.append(sink)
    return child, sink, url


def rpc(url, method):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["result"]


def test():
    child, sink, url = start_hardhat()
    say(f"{rpc(url, 'web3_clientVersion')} at {url}")
    with Network("--rpc", url, "--providers", 4, "--fault", "1:wrong-result=0.5") as network:
        check(network.rpc == url, f"it uses another chain: {network.ready}")
        check("chain" not in [p["name"] for p in network.ready["processes"]],
              "it started a chain of its own although it was given one")
        result, out, summary = network.run("--compare-local")
        check(result.code == 0, f"the job failed: {result}")
        check(summary["local"]["identical"] is True, "results differ from the local run")
        check_outputs(out)
        check_money(summary, network.ask("job", "show", summary["id"]))
        liar = account_of(network, "provider-1")
        for provider in summary["providers"]:
            check(provider["contradictions"] == 0 or provider["provider"].lower() == liar,
                  f"an honest provider was contradicted: {provider}")
        say(f"{summary['contradictions']} lies, {len(summary['contradiction_reports'])} reported; "
            f"{summary['money']['deposit_spent']} wei paid; {int(rpc(url, 'eth_blockNumber'), 16)} "
            "blocks")
    child.terminate()
    child.wait(20)
    sink.wait(20)
    wait_for(lambda: sink.poll() is not None, "hardhat's reader to end")


main(test)
