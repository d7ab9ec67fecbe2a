# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""The commands below `millrace node`: what they print, that an exported chain becomes the same chain
elsewhere, and that whatever is wrong ends in one clear message with nothing harmed."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request

import harness
from harness import check, fail, main, say, scratch, succeed
from node_harness import ACCOUNTS, Client, Node

WRITER = "0x600160005560006000f3"  # deploys an empty contract that has written slot 0
METRIC = re.compile(r"^[a-z_]+(\{[a-z]+=\"[^\"\n]*\"\})? \d+$")


def ask(command, *args, **options):
    return json.loads(succeed("node", command, *args, "--json", **options).out)


def fill(node):
    """A chain with transfers, contracts and empty blocks; the hash of its head."""
    for number in range(1, 21):
        node.send(to=f"0xf0{number:038x}", value=hex(10**18))
    node.send(data=WRITER, gas="0x186a0")
    node.ask("evm_mine")
    return node.ask("eth_getBlockByNumber", "latest", False)["hash"]


def get(url, **headers):
    """(status, headers, text) of a GET, whatever the status."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as why:
        return why.code, why.headers, why.read().decode()


def pages(node):
    status, headers, text = get(node.url + "/health")
    check(status == 200 and json.loads(text)["status"] == "ok", f"/health: {status} {text}")
    status, headers, text = get(node.url + "/metrics")
    check(status == 200 and headers["content-type"].startswith("text/plain"), f"/metrics: {status}")
    lines = text.splitlines()
    values = [line for line in lines if not line.startswith("#")]
    check(values and all(METRIC.match(line) for line in values),
          f"not the text format of Prometheus: {[x for x in values if not METRIC.match(x)][:3]}")
    numbers = dict(line.rsplit(" ", 1) for line in values)
    check(int(numbers["millrace_head_height"]) == node.height(), "the metric of the head is wrong")
    check(int(numbers["millrace_resident_bytes"]) > 1 << 20, "the metric of memory is wrong")
    described = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    check(described >= {name.split("{")[0] for name in numbers}, "a metric has no type")
    status, _, text = get(node.url + "/nothing")
    check(status == 404 and "/health" in text, f"an unknown page: {status} {text}")
    # Web pages of strangers are not told that they may read answers.
    _, headers, _ = get(node.url + "/health", Origin="http://example.org")
    check("access-control-allow-origin" not in headers, "any web page may read the node")
    # DNS rebinding: the name by which a browser came must be one of ours.
    status, _, _ = get(node.url + "/health", Host="example.org")
    check(status in (403, 421), f"a foreign Host header was served: {status}")
    say(f"/health, /metrics ({len(numbers)} values) and what strangers get")


def status(node):
    at = ("--home", node.home)
    shown = ask("status", *at)
    check(shown["height"] == node.height() and shown["chain_id"] == 5065036, f"status: {shown}")
    by_url = ask("status", "--url", node.url)
    check(by_url["head"] == shown["head"], "status by URL tells another head")
    words = succeed("node", "status", *at).out
    check(all(word in words for word in (shown["head"], "development", "memory")), words)
    fail("node", "status", "--home", scratch("none"), words=["node"])
    fail("node", "status", "--url", "http://127.0.0.1:9", words=["127.0.0.1:9"])
    fail("node", "status", "--url", "nonsense", words=["nonsense"])


def other_flags(home):
    """Each of them is refused before anything is written."""
    def node(*args, **options):
        return fail("node", "--home", home, "--rpc", "127.0.0.1:0", *args, **options)
    node(words=["no network", "--genesis", "--dev"])
    node("--dev", "--blocks", "sometimes", words=["sometimes", "instant"])
    node("--dev", "--blocks", "every:1", words=["every:1", "10"])
    node("--dev", "--blocks", "every:5x", words=["every:5x"])
    node("--dev", "--history", "none", words=["none", "all"])
    node("--dev", "--history", "0", words=["'0'", "number"])
    node("--dev", "--coinbase", "0x12", words=["0x12", "address"])
    fail("node", "--home", home, "--dev", "--rpc", "nowhere", words=["nowhere"])
    fail("node", "--home", home, "--dev", "--rpc", "127.0.0.1:99999", words=["99999"])
    for command in ("verify", "export", "import"):
        extra = {"verify": [], "export": [scratch("x") / "chain.rlp"],
                 "import": [harness.QUICK_JOB]}[command]
        fail("node", command, "--home", scratch("none"), *extra, words=["no network"])
    result = harness.millrace("node", "--home", home, "--dev", "--wurst")
    check(result.code not in (0, None) and "--wurst" in result.err, f"an unknown flag: {result}")
    result = harness.millrace("node", "import", "--home", home, "/does/not/exist")
    check(result.code not in (0, None) and "/does/not/exist" in result.err, f"no file: {result}")


def genesis():
    """What `node genesis` prints starts a node; broken ones and other ones are refused."""
    here = scratch("genesis")
    text = succeed("node", "genesis", "--network", "lab", "--chain-id", 4242).out
    plan = json.loads(text)
    check(plan["config"]["chainId"] == 4242, f"the genesis is another's: {plan['config']}")
    good = here / "good.json"
    good.write_text(text)
    home = here / "home"
    with Node("--genesis", good, "--network", "lab", home=home) as node:
        check(node.ready["chain_id"] == 4242, f"it runs another chain: {node.ready}")
        check(int(node.ask("eth_getBalance", ACCOUNTS[0], "latest"), 16) > 0, "nobody is funded")
        first = node.ask("eth_getBlockByNumber", "0x0", False)["hash"]
    with Node("--network", "lab", home=home) as node:
        check(node.ask("eth_getBlockByNumber", "0x0", False)["hash"] == first,
              "the chain has another beginning after a restart")
    changed = here / "changed.json"
    changed.write_text(text.replace("4242", "4343"))
    for name, content, words in (
            ("empty.json", "", ["json"]), ("list.json", "[]", []), ("half.json", text[:200], ["json"]),
            ("fork.json", text.replace('"osakaTime"', '"wurstTime"'), None),
            ("balance.json", re.sub(r'"balance": ?"[^"]*"', '"balance":"much"', text, 1),
             ["balance"])):
        if words is None:
            continue  # geth passes over keys that it does not know; so do we
        (here / name).write_text(content)
        fail("node", "--home", here / ("home-" + name), "--rpc", "127.0.0.1:0", "--genesis",
             here / name, words=words)
    fail("node", "--home", home, "--network", "lab", "--rpc", "127.0.0.1:0", "--genesis", changed,
         words=["another genesis"])
    # A genesis that was changed below the home does not fit the chain that is there.
    kept = home / "lab/genesis.json"
    kept.write_text(changed.read_text())
    fail("node", "--home", home, "--network", "lab", "--rpc", "127.0.0.1:0", words=["genesis"])
    kept.write_text(text)
    say("the genesis printed is the genesis that runs")


def occupied(node):
    """Neither the port nor the folder of a running node can be had twice."""
    port = node.url.rsplit(":", 1)[1]
    fail("node", "--dev", "--home", scratch("other"), "--rpc", f"127.0.0.1:{port}", words=[port])
    fail("node", "--dev", "--home", node.home, "--rpc", "127.0.0.1:0", words=["node-0"])
    fail("node", "verify", "--home", node.home, words=["node-0"])
    fail("node", "export", "--home", node.home, scratch("x") / "chain.rlp", words=["node-0"])


def export_and_import(home, head):
    here = scratch("exported")
    file = here / "chain.rlp"
    verified = ask("verify", "--home", home)
    check(verified["ok"] and verified["head"] == head, f"verify: {verified}")
    check(head in succeed("node", "verify", "--home", home).out, "verify does not tell the head")
    succeed("node", "export", "--home", home, file)
    content = file.read_bytes()
    genesis_file = home / "dev/genesis.json"
    other = scratch("imported")
    told = succeed("node", "import", "--home", other, "--genesis", genesis_file, file).out
    check(f"imported {verified['height']} blocks" in told, told)
    check(ask("verify", "--home", other)["head"] == head, "the imported chain is another")
    told = succeed("node", "import", "--home", other, file).out
    check("imported 0 blocks" in told, f"known blocks were imported again: {told}")
    again = here / "again.rlp"
    succeed("node", "export", "--home", other, again)
    check(again.read_bytes() == content, "the imported chain exports as other bytes")
    with Node(home=other) as node:
        check(node.height() == verified["height"], "the imported chain does not run")
        node.send(to=ACCOUNTS[1], value="0x1")

    # Garbage: nothing of it is taken, what came before it stays.
    def refuse(name, data, words=()):
        (here / name).write_bytes(data)
        target = scratch("garbage")
        fail("node", "import", "--home", target, "--genesis", genesis_file, here / name, words=words)
        check(ask("verify", "--home", target)["ok"], f"after {name} the chain is broken")
    refuse("text.rlp", b"this is not a chain", ["text.rlp"])
    refuse("zeros.rlp", bytes(4096), ["zeros.rlp"])
    refuse("length.rlp", b"\xff" + b"\xff" * 8 + b"x", ["length.rlp"])
    refuse("half.rlp", content[: len(content) // 2], ["half.rlp"])
    middle = len(content) // 2
    refuse("flip.rlp", content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:],
           ["flip.rlp"])
    stranger = scratch("stranger")
    with Node("--dev", home=stranger) as node:
        node.send(to=ACCOUNTS[1], value="0x1")
    fail("node", "import", "--home", stranger, file, words=["block"])
    fail("node", "export", "--home", home, here / "no/such/folder/chain.rlp", words=["chain.rlp"])
    say(f"{verified['height']} blocks, {len(content)} bytes: exported, imported, equal; "
        "broken files refused")


def broken_store(home):
    """A store of a newer format, and one whose bytes were changed: refused, and told."""
    format_file = home / "dev/node-0/db/chain/FORMAT"
    old = format_file.read_text()
    format_file.write_text("999\n")
    fail("node", "--home", home, "--rpc", "127.0.0.1:0", words=["999"])
    fail("node", "verify", "--home", home, words=["999"])
    format_file.write_text("wurst\n")
    fail("node", "verify", "--home", home, words=["FORMAT"])
    format_file.write_text(old)
    check(ask("verify", "--home", home)["ok"], "the store is not what it was")
    say("a newer format is refused, and nothing is harmed")


def reset():
    home = scratch("reset")
    with Node("--dev", home=home) as node:
        node.send(to=ACCOUNTS[1], value="0x1")
        check(node.height() == 1, "one transaction is one block")
    with Node("--dev", home=home) as node:
        check(node.height() == 1, "the chain does not go on")
    with Node("--dev", "--reset", home=home) as node:
        check(node.height() == 0, "--reset left the old chain")
    lasting = scratch("lasting")
    plan = json.loads(succeed("node", "genesis", "--network", "dev").out)
    plan["millrace"]["development"] = False
    (lasting / "genesis.json").write_text(json.dumps(plan))
    home = lasting / "home"
    with Node("--genesis", lasting / "genesis.json", home=home) as node:
        for method in ("evm_mine", "evm_snapshot", "eth_sendTransaction"):
            answer = json.loads(Client(node.url).post(json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": method,
                 "params": [{"from": ACCOUNTS[0]}] if method.startswith("eth") else []}))[1])
            check("error" in answer, f"{method} works on a network that is not for development")
    fail("node", "--home", home, "--rpc", "127.0.0.1:0", "--reset", words=["development"])


def human_output():
    """Without --json: where it serves and which accounts have coins; it ends by Ctrl-C."""
    home = scratch("human")
    child = subprocess.Popen([str(harness.program()), "node", "--dev", "--home", str(home), "--rpc",
                              "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=harness.clean_environment())
    harness._started.append(child)
    lines = []
    for line in child.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    text = "".join(lines)
    check("http://127.0.0.1:" in text and ACCOUNTS[0] in text.lower(), f"it says: {text}")
    child.send_signal(2)
    out, err = child.communicate(timeout=60)
    check(child.returncode == 0, f"Ctrl-C ended it with {child.returncode}: {out}{err}")


def half_open(node):
    """A client that leaves in the middle of a request costs nothing."""
    for piece in (b"", b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        host, port = node.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 10) as client:
            client.sendall(piece)
    check(node.height() >= 0, "the node does not answer any more")


def test():
    other_flags(scratch("flags"))
    home = scratch("node")
    with Node("--dev", home=home) as node:
        head = fill(node)
        pages(node)
        status(node)
        occupied(node)
        half_open(node)
    export_and_import(home, head)
    broken_store(home)
    genesis()
    reset()
    human_output()


main(test)
