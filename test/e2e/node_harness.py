# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""What the tests of `millrace node` share besides harness.py: a node as a process, and a client.

    with Node("--dev") as node:
        node.ask("eth_blockNumber")
"""

import http.client
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import harness
from harness import Failed, check, clean_environment, scratch

# The first accounts of the mnemonic "test … junk", which a development network signs for.
ACCOUNTS = ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
            "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc"]


class Gone(Exception):
    """The node closed the connection or never answered: it is dead, or refused to serve."""


class Refused(Exception):
    """The node answered with an error; args[0] is the error object."""


class Client:
    """JSON-RPC by HTTP over one kept connection."""

    def __init__(self, url, timeout=60):
        at = urlsplit(url)
        self.connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
        self.number = 0

    def post(self, body):
        """(status, bytes)"""
        try:
            self.connection.request("POST", "/", body, {"content-type": "application/json"})
            reply = self.connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException) as why:
            self.connection.close()
            raise Gone(str(why)) from why

    def ask(self, method, *params):
        self.number += 1
        status, body = self.post(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method,
                                             "params": params}))
        if status != 200:
            raise Gone(f"{method}: HTTP {status}: {body[:200]}")
        answer = json.loads(body)
        check(answer.get("id") == self.number, f"{method}: the answer is another's: {answer}")
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def get(self, path):
        try:
            self.connection.request("GET", path)
            reply = self.connection.getresponse()
            return reply.status, reply.read().decode()
        except (OSError, http.client.HTTPException) as why:
            self.connection.close()
            raise Gone(str(why)) from why

    def close(self):
        self.connection.close()


class Node:
    """`millrace node`. `ready` is what it printed, or None when it died before: see `code`."""

    def __init__(self, *args, home=None, env=None, seconds=90, may_die=False):
        self.home = Path(home or scratch("node"))
        self.log = open(self.home.parent / (self.home.name + ".node.log"), "ab")
        command = [str(harness.program()), "node", "--json", "--home", str(self.home), "--rpc",
                   "127.0.0.1:0", *map(str, args)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, env=clean_environment(env))
        harness._started.append(self.process)
        self.ready = self._read_ready(seconds, may_die)
        self.client = Client(self.ready["rpc"]) if self.ready else None

    def _read_ready(self, seconds, may_die):
        pipe, text, end = self.process.stdout, b"", time.monotonic() + seconds
        while not text.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise Failed(f"the node was not ready after {seconds} s: {self.errors()}")
            piece = os.read(pipe.fileno(), 65536)
            if not piece:
                code = self.process.wait()
                check(may_die and code == -signal.SIGKILL,
                      f"the node ended with {code}: {self.errors()}")
                return None
            text += piece
        return json.loads(text)

    def errors(self):
        return Path(self.log.name).read_text(errors="replace")[-4000:]

    @property
    def url(self):
        return self.ready["rpc"]

    def ask(self, method, *params):
        return self.client.ask(method, *params)

    def height(self):
        return int(self.ask("eth_blockNumber"), 16)

    def send(self, **transaction):
        """From the first account unless `sender` says otherwise; its hash."""
        sender = transaction.pop("sender", ACCOUNTS[0])
        return self.ask("eth_sendTransaction", {"from": sender, **transaction})

    def resident(self):
        """Bytes of the process in memory now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failed("the node's memory cannot be read")

    def died(self, seconds=60):
        """Waits for a death by SIGKILL, which the node chose itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the node still runs after {seconds} s") from None
        self._let_go()
        check(code == -signal.SIGKILL, f"the node ended with {code}: {self.errors()}")

    def stop(self, seconds=60):
        """As a user does; it must end without an error."""
        if self.process.poll() is not None:
            return self._let_go()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the node did not end {seconds} s after SIGTERM") from None
        self._let_go()
        check(code == 0, f"the node ended with {code}: {self.errors()}")

    def _let_go(self):
        """Descriptors of a process that has ended: thousands of nodes live and die in one run."""
        if self.client:
            self.client.close()
        self.process.stdout.close()
        self.log.close()
        if self.process in harness._started:
            harness._started.remove(self.process)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            harness.say(f"\n==== {self.home}\n{self.errors()}")
            for path in sorted(self.home.glob("*/*/log/node.log")):
                lines = path.read_text(errors="replace").splitlines()[-40:]
                harness.say(f"---- {path}\n" + "\n".join(lines))
