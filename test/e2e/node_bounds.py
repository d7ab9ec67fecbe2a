# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""A node serves an honest caller and keeps within its memory while others hold 2,000 idle connections,
send and read as slowly as they can, and ask for too much at once; and with a million accounts."""

import json
import resource
import socket
import threading
import time
from urllib.parse import urlsplit

from harness import LONG, check, main, say, scratch, succeed, wait_for
from node_harness import ACCOUNTS, Client, Gone, Node, Refused

RESIDENT_MAX = 600 << 20
IDLE = 2000
SLOW_WRITERS = 100
SLOW_READERS = 50
ACCOUNTS_MANY = 1_000_000


class Honest(threading.Thread):
    """Asks one thing after another, each on a new connection or a kept one, until told to stop."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.done, self.failures, self.times = url, threading.Event(), [], []

    def run(self):
        kept = Client(self.url)
        while not self.done.is_set():
            for fresh in (False, True):
                client = Client(self.url) if fresh else kept
                begin = time.monotonic()
                try:
                    client.ask("eth_blockNumber")
                    client.ask("eth_getBalance", ACCOUNTS[0], "latest")
                    client.ask("eth_call", {"to": ACCOUNTS[1], "data": "0x"}, "latest")
                except (Gone, Refused, OSError, ValueError) as why:
                    self.failures.append(f"{'new' if fresh else 'kept'} connection: {why}")
                self.times.append(time.monotonic() - begin)
                if fresh:
                    client.close()

    def end(self):
        self.done.set()
        self.join(120)
        check(not self.is_alive(), "the honest caller waits for an answer for two minutes")
        return sorted(self.times)


class Watch(threading.Thread):
    """The greatest resident size seen."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.done, self.most = node, threading.Event(), 0

    def run(self):
        while not self.done.wait(0.02):
            try:
                self.most = max(self.most, self.node.resident())
            except (OSError, ValueError):
                return

    def end(self):
        self.done.set()
        self.join(10)
        self.most = max(self.most, self.node.resident())
        return self.most


def connect(node):
    at = urlsplit(node.url)
    return socket.create_connection((at.hostname, at.port), 20)


def try_send(client, data):
    """Bytes of a client that must expect to be thrown out."""
    try:
        client.sendall(data)
        return True
    except OSError:
        return False


def idle(node):
    """Connections that never say a word, and such as fall silent after one request."""
    clients = []
    for number in range(IDLE):
        client = connect(node)
        if number % 4 == 0:
            try_send(client, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 52\r\n\r\n"
                             b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber" }')
        clients.append(client)
    return clients


def slow_writers(node):
    clients = [connect(node) for _ in range(SLOW_WRITERS)]
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 16000000\r\n\r\n["
    for client in clients:
        try_send(client, head[:-1])
    for position in range(20):
        for client in clients:
            try_send(client, b"[" if position == 0 else b" ")
    return clients


def slow_readers(node):
    """Ask for much and read nothing."""
    big = json.dumps([{"jsonrpc": "2.0", "id": n, "method": "eth_getBlockByNumber",
                       "params": ["0x0", True]} for n in range(900)]).encode()
    clients = [connect(node) for _ in range(SLOW_READERS)]
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(2)
        for _ in range(4):
            if not try_send(client, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
                            + str(len(big)).encode() + b"\r\n\r\n" + big):
                break
    return clients


def code_of(client, body):
    """The error's code of what is no good request; an HTTP status where HTTP refuses it."""
    try:
        status, text = client.post(body)
    except Gone:
        return "closed"
    if status != 200:
        return status
    answer = json.loads(text)
    if isinstance(answer, list):
        return {entry.get("error", {}).get("code") for entry in answer}
    return answer.get("error", {}).get("code")


def too_much(node):
    one = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'
    asked = {
        "a batch of 100,000": "[" + ",".join([one] * 100_000) + "]",
        "an empty batch": "[]",
        "a batch of nonsense": "[" + ",".join(["1"] * 50_000) + "]",
        "JSON 1,000,000 deep": "[" * 1_000_000,
        "parameters 100,000 deep": one[:-3] + "[" * 100_000 + "]" * 100_000 + "]}",
        "an object 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
        "a body over the limit": " " * (17 << 20) + one,
        "a method of a million letters": one.replace("eth_blockNumber", "e" * 1_000_000),
        "not JSON": "{" * 3,
        "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}',
    }
    for what, body in asked.items():
        client = Client(node.url)
        code = code_of(client, body)
        client.close()
        say(f"    {what}: {code}")
        check(code is not None and None not in (code if isinstance(code, set) else ()),
              f"{what} was accepted")
    client = Client(node.url)
    # An id may be any number: it comes back as it was.
    status, text = client.post(one.replace('"id":1', '"id":' + "9" * 1_000_000))
    check(status in (200, 413), f"an id of a million digits: HTTP {status}, {text[:100]}")
    say(f"    an id of a million digits: HTTP {status}")
    for what, params in (("logs of everything", [{"fromBlock": "0x0", "toBlock": "0xffffffffffff"}]),
                         ("10,000 topics", [{"topics": [["0x" + "11" * 32] * 10_000]}])):
        try:
            client.ask("eth_getLogs", *params)
            say(f"    {what}: answered")
        except Refused as why:
            say(f"    {what}: {why.args[0]['code']}")
    # A call that never ends is ended by its gas.
    endless = {"data": "0x5b600056", "gas": hex(2**40)}
    try:
        client.ask("eth_call", endless, "latest")
        check(False, "an endless call was answered")
    except Refused as why:
        say(f"    an endless call: {why.args[0]}")
    client.close()


def under_pressure():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + SLOW_WRITERS + SLOW_READERS + 500
    if soft < wanted:
        check(hard >= wanted, f"this test needs {wanted} descriptors, the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    with Node("--dev") as node:
        honest, watch = Honest(node.url), Watch(node)
        before = node.resident()
        honest.start()
        watch.start()
        held = idle(node)
        open_now = int(dict(line.rsplit(" ", 1) for line in node.client.get("/metrics")[1].splitlines()
                            if not line.startswith("#"))["millrace_rpc_connections_open"])
        check(open_now >= IDLE * 0.9, f"only {open_now} connections of {IDLE} are open")
        held += slow_writers(node)
        held += slow_readers(node)
        too_much(node)
        for _ in range(20):
            node.send(to=ACCOUNTS[2], value="0x1")
        check(node.height() == 20, "transactions were not taken under pressure")
        times, most = honest.end(), watch.end()
        for client in held:
            client.close()
        check(not honest.failures, f"{len(honest.failures)} honest calls failed, first: "
                                   f"{honest.failures[:1]}")
        check(len(times) > 20, f"the honest caller was served {len(times)} times only")
        check(most <= RESIDENT_MAX, f"{most >> 20} MiB were resident")
        status, text = node.client.get("/health")
        check(status == 200, f"/health says {status}: {text}")
        say(f"{open_now} connections open; honest caller served {len(times)} times, half of them in "
            f"{times[len(times) // 2] * 1000:.0f} ms, slowest {times[-1] * 1000:.0f} ms; resident "
            f"{before >> 20} MiB before, at most {most >> 20} MiB")
        wait_for(lambda: node.resident() <= RESIDENT_MAX, "memory to be given back", 30)


def write_genesis(path, count):
    """A development network's genesis with accounts added until there are `count`."""
    plan = json.loads(succeed("node", "genesis", "--network", "dev").out)
    alloc = plan.pop("alloc")
    with open(path, "w", encoding="ascii") as out:
        out.write(json.dumps(plan)[:-1] + ',"alloc":' + json.dumps(alloc)[:-1])
        for first in range(0, count - len(alloc), 10_000):
            last = min(first + 10_000, count - len(alloc))
            out.write("".join(f',\n"{address_of(n)}":{{"balance":"{n + 1}"}}'
                              for n in range(first, last)))
        out.write("}}")


def address_of(number):
    """Spread over the whole key space, as addresses are."""
    return f"{(number * 0x9E3779B97F4A7C15F39CC0605CEDC835A1B2C3D5 + 1) % 2**160:040x}"


def a_million_accounts():
    folder = scratch("many")
    write_genesis(folder / "genesis.json", ACCOUNTS_MANY)
    begin = time.monotonic()
    with Node("--genesis", folder / "genesis.json", seconds=500) as node:
        loaded, after_load = time.monotonic() - begin, node.resident()
        watch = Watch(node)
        watch.start()
        for number in range(198):
            address = "0x" + address_of(number * 4999 + 3)
            balance = int(node.ask("eth_getBalance", address, "latest"), 16)
            check(balance == number * 4999 + 4, f"{address} holds {balance}")
            node.send(to=address, value="0x1")
        proof = node.ask("eth_getProof", ACCOUNTS[0], [], "latest")
        check(len(proof["accountProof"]) >= 5, "the proof is too short for a million accounts")
        most = watch.end()
        check(most <= RESIDENT_MAX, f"{most >> 20} MiB were resident")
        say(f"{ACCOUNTS_MANY} accounts: ready after {loaded:.1f} s, resident {after_load >> 20} MiB, "
            f"at most {most >> 20} MiB in use")
    begin = time.monotonic()
    with Node(home=node.home, seconds=120) as again:
        for number in range(0, 198, 7):
            address = "0x" + address_of(number * 4999 + 3)
            balance = int(again.ask("eth_getBalance", address, "latest"), 16)
            check(balance == number * 4999 + 5, f"after a restart {address} holds {balance}")
        resident = again.resident()
        check(resident <= RESIDENT_MAX, f"{resident >> 20} MiB are resident after a restart")
        say(f"started again after {time.monotonic() - begin:.1f} s, resident {resident >> 20} MiB")


def test():
    under_pressure()
    if LONG:
        a_million_accounts()


main(test)
