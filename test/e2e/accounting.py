# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Honest accounting: with 0, 1 and 2 independent liars among five providers the outputs are those of
a local run to the bit, every coin is accounted for, lies are not paid and honest ones not blamed."""

import time

from harness import (LONG, QUICK_JOB, SOURCE, Network, account_of, check, check_money,
                     check_outputs, local_outputs, main, render_module, say, scratch, succeed, tree)

RENDER = SOURCE / "examples/render"


def check_sample_task():
    """One task by `wasm run`: no job, no network, no agreement, and yet the same bytes."""
    files = scratch("in")
    for path in [RENDER / "scene-quick.txt", RENDER / "scene.txt", *RENDER.glob("marbles-*.txt")]:
        (files / path.name).write_bytes(path.read_bytes())
    out = scratch("sample")
    succeed("wasm", "run", "--in", files, "--out", out, render_module(), "--", "--scene",
            "scene-quick.txt", "--tile", "7", "--tiles", "48", "--out", "tile-7.tile")
    found = tree(out)
    check(found.get("tile-7.tile") == local_outputs()["tile-7.tile"],
          f"`wasm run` wrote {sorted(found)}, not the tile of the local run")


def first_paid(shown):
    """Milliseconds from the first offer to the first pair of results that agree."""
    offers, ends = [], []
    for task in shown["tasks"]:
        right = [a["received_ms"] for a in task["attempts"]
                 if "received_ms" in a and a.get("result") == task.get("result")]
        offers += [a["offered_ms"] for a in task["attempts"]]
        if len(right) >= 2:
            ends.append(sorted(right)[1])
    return min(ends) - min(offers)


def one(liars):
    faults = [arg for n in range(1, liars + 1) for arg in ("--fault", f"{n}:wrong-result=0.5")]
    with Network("--providers", 5, *faults) as network:
        begin = time.monotonic()
        result, out, summary = network.run("--compare-local")
        check(result.code == 0, f"the job failed: {result}")
        took = time.monotonic() - begin
        check(summary["state"] == "completed" and summary["done"] == 48, f"not done: {summary}")
        check(summary["local"]["identical"] is True, "results differ from the local run")
        check_outputs(out)
        shown = network.ask("job", "show", summary["id"])
        check_money(summary, shown)
        lying = {account_of(network, f"provider-{n}") for n in range(1, liars + 1)}
        wrong = {p["provider"].lower(): p["contradictions"] for p in summary["providers"]}
        for provider, count in wrong.items():
            check(count == 0 or provider in lying, f"an honest provider was contradicted: {wrong}")
        if liars:
            check(summary["contradictions"] > 0, "nobody lied: the test shows nothing")
            check(len(summary["contradiction_reports"]) == summary["contradictions"],
                  "not every lie was proven on chain")
        for provider in summary["providers"]:
            counters = provider["counters_after"]["contradictions"]
            check(counters == provider["contradictions"],
                  f"the chain's counter differs from what was seen: {provider}")
            # A rejected result and a lost lease are unpaid; its share is what was accepted.
            paid = sum(1 for t in shown["tasks"] for a in t["attempts"]
                       if a["provider"] == provider["provider"] and int(a["paid"]))
            check(paid == provider["accepted"], f"{paid} paid, but {provider}")
        say(f"{liars} liars: {summary['contradictions']} lies, {summary['replicas']} replicas, "
            f"first verified task after {first_paid(shown)} ms, whole command {took:.1f} s")


def test():
    check(QUICK_JOB.exists(), "the example's job file is missing")
    check_sample_task()
    for liars in (0, 1, 2) if not LONG else (0, 1, 2, 2, 2):
        one(liars)


main(test)
