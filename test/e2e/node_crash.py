# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""A node is killed right after its n-th durable event while a client sends transactions. Whatever the
point: the chain verifies, it starts again at or above the last block that a client was told of, and no
acknowledged transaction is lost. A whole network survives the death of its chain."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

from harness import (LONG, Network, check, check_money, check_outputs, combine, main, millrace, say,
                     scratch, succeed, wait_for)
from node_harness import ACCOUNTS, Gone, Node

POINTS = 1000 if LONG else 20
POINTS_PER_HOME = 40 if LONG else 10
HOMES_AT_ONCE = 2  # they share nothing
# Before these the network is set up, after them a quick job is over.
UP_POINTS = (9, 10, 11) if LONG else (10,)
FRESH = 0xF0 << 152  # accounts that nobody has, clear of the precompiled contracts
SENDS_MAX = 5000  # a point that is not reached by then does not exist
# With instant blocks an answer means a block; on demand it means a place in the pool's log.
MODES = ("instant", "demand:20", "every:30")
# Deploys an empty contract that has written slot 0: storage and code, not balances only.
WRITER = "0x600160005560006000f3"


class Told:
    """What the client was told, over all lives of a node."""

    def __init__(self):
        self.hashes = []
        self.height = 0
        self.count = itertools.count(1)


def drive(node, told):
    """Sends until the node dies."""
    try:
        for _ in range(SENDS_MAX):
            number = next(told.count)
            if number % 5 == 0:
                told.hashes.append(node.send(data=WRITER, gas="0x186a0"))
            else:
                to = f"0x{FRESH + number:040x}" if number % 2 else ACCOUNTS[2]
                sender = ACCOUNTS[number % 2]
                told.hashes.append(node.send(sender=sender, to=to, value=hex(number)))
            told.height = max(told.height, node.height())
    except Gone:
        pass


def check_told(node, told):
    check(node.height() >= told.height,
          f"block {told.height} was told of, now the head is {node.height()}")
    receipt = lambda hash_: node.ask("eth_getTransactionReceipt", hash_)
    for hash_ in told.hashes:
        check(node.ask("eth_getTransactionByHash", hash_), f"{hash_} was acknowledged and is lost")
        found = wait_for(lambda h=hash_: receipt(h), f"{hash_} to be in a block", 30)
        check(found["status"] == "0x1", f"{hash_} failed: {found}")
        check(int(found["blockNumber"], 16) <= node.height(), f"{hash_} is above the head")


def verify(home):
    shown = json.loads(succeed("node", "verify", "--home", home, "--json").out)
    check(shown["ok"], f"the chain does not agree with itself: {shown['problem']}")
    return shown["height"]


def one(home, mode, after, told):
    once = scratch("point") / "fired"
    options = ["--dev", "--blocks", mode]
    crash = {"MILLRACE_CRASH_AFTER": str(after), "MILLRACE_CRASH_ONCE": str(once)}
    node = Node(*options, home=home, env=crash, may_die=True)
    if node.ready:
        drive(node, told)
    node.died()
    check(once.exists(), f"point {after} with {mode} blocks was not reached")
    height = verify(home)
    check(height >= told.height, f"on disk the head is {height}, {told.height} was told of")
    with Node(*options, home=home, env=crash) as again:
        check_told(again, told)
        fresh = again.send(to=ACCOUNTS[1], value="0x1")
        wait_for(lambda: again.ask("eth_getTransactionReceipt", fresh), "a new transaction", 30)
        told.hashes.append(fresh)
        told.height = max(told.height, again.height())
    check(verify(home) >= told.height, "the head went back when the node was stopped")
    # What is older than a life has been checked in each life between.
    told.hashes = told.hashes[-100:]


def life_of_a_home(first):
    home, told = scratch("crash"), Told()
    for number in range(first, min(first + POINTS_PER_HOME, POINTS)):
        # The first points of a home fall into its birth, the others where steps repeat.
        after, mode = number % POINTS_PER_HOME + 1, MODES[number % len(MODES)]
        one(home, mode, after, told)
        if not LONG or number % 50 == 49:
            say(f"point {number + 1}: after event {after}, {mode} blocks: verified at height "
                f"{told.height}, {len(told.hashes)} transactions there")


def points():
    with ThreadPoolExecutor(HOMES_AT_ONCE) as pool:
        lives = [pool.submit(life_of_a_home, first) for first in range(0, POINTS, POINTS_PER_HOME)]
        try:
            for life in lives:
                life.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def finished(network, job):
    result = millrace("job", "show", job, "--home", network.home, "--json")
    shown = json.loads(result.out) if result.code == 0 else None
    return shown if shown and shown["job"]["state"] != "running" else None


def settled(network, job):
    summary = network.control("await_settlement", job=job)
    return summary if summary["settled"] else None


def submit(network):
    """`run`, which may find the chain dead: then it says so, and the job goes on by itself, or was
    never taken, in which case running again is right."""
    result, out, _ = network.run()
    if result.code == 0:
        return out
    check(result.err.count("error: ") == 1, f"not one clear message: {result}")
    say("    run ended with: " + result.err.strip().splitlines()[-1][:200])
    if not network.jobs():
        result, out, _ = network.run()
        check(result.code == 0, f"the second submission failed: {result}")
    return out


def network_survives(after):
    once = scratch("point") / "fired"
    with Network("--providers", 4, "--crash", f"chain:{after}:{once}") as network:
        before = network.control("snapshot")
        out = submit(network)
        [job] = network.jobs()
        shown = wait_for(lambda: finished(network, job["id"]), "the job to be over", 120)
        check(shown["job"]["state"] == "completed", f"the job ended as {shown['job']}")
        check_outputs(out)
        summary = wait_for(lambda: settled(network, job["id"]), "everything to be settled", 180)
        check_money(combine(summary, before, network.control("snapshot")), shown)
        check(once.exists(), f"the chain has no durable event {after} in a quick job")
        say(f"the network's chain died after event {after}: the job completed, money agrees")


def test():
    points()
    for after in UP_POINTS:
        network_survives(after)


main(test)
