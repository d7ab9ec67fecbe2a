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


def check_record(provider, lying, text):
    """The chain's record grows with each paid result and falls with each lie, and the run says so."""
    before, after = provider["counters_before"], provider["counters_after"]
    lies, accepted = provider["contradictions"], provider["accepted"]
    check(after["contradictions"] - before["contradictions"] == lies,
          f"the chain's counter differs from what was seen: {provider}")
    check(after["accepted_tasks"] - before["accepted_tasks"] == accepted, f"accepted: {provider}")
    # Lies are reported after the job's streams are closed: each halves what honest work had earned.
    check(after["score"] == (before["score"] + accepted) >> lies, f"the score is odd: {provider}")
    check(after["streak"] == (0 if lies else before["streak"] + accepted), f"streak: {provider}")
    check(lying or (lies == 0 and after["score"] >= before["score"]), f"blamed: {provider}")
    if before != after:
        line = (f"{provider['provider'][:10]}… record on chain: accepted "
                f"{before['accepted_tasks']} -> {after['accepted_tasks']}, contradictions "
                f"{before['contradictions']} -> {after['contradictions']}, streak "
                f"{before['streak']} -> {after['streak']}, score {before['score']} -> "
                f"{after['score']}")
        check(line in text, f"the summary does not say '{line}': {text}")


def check_one_job(network, summary, result):
    """Only this job's allocations, and when its first task was verified and paid."""
    check(0 < summary["first_verified_ms"] <= summary["first_paid_ms"], f"first task: {summary}")
    check("verified after" in result.out, f"the summary hides the first task: {result}")
    waited = network.ask("job", "wait", summary["id"], "--quiet")
    check(waited["settled"] is True and waited["state"] == "completed", f"job wait: {waited}")
    check(waited["allocations"] == summary["allocations"], f"allocations: {waited['allocations']}")
    numbers = [a["allocation"] for a in summary["allocations"]]
    check(len(set(numbers)) == len(numbers) > 0, f"allocations: {numbers}")
    return set(numbers)


def two_jobs():
    """A second job starts from the record that the first has left, and names none of its coins."""
    with Network("--providers", 3, "--fault", "1:wrong-result=0.1") as network:
        liar, seen = account_of(network, "provider-1"), set()
        for _ in range(2):
            result, _, summary = network.run()
            check(result.code == 0, f"a job failed: {result}")
            for provider in summary["providers"]:
                check_record(provider, provider["provider"].lower() == liar, result.out)
            numbers = check_one_job(network, summary, result)
            check(not numbers & seen, f"another job's allocations: {numbers & seen}")
            seen |= numbers


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
            check_record(provider, provider["provider"].lower() in lying, result.out)
            # A rejected result and a lost lease are unpaid; its share is what was accepted.
            paid = sum(1 for t in shown["tasks"] for a in t["attempts"]
                       if a["provider"] == provider["provider"] and int(a["paid"]))
            check(paid == provider["accepted"], f"{paid} paid, but {provider}")
        check_one_job(network, summary, result)
        say(f"{liars} liars: {summary['contradictions']} lies, {summary['replicas']} replicas, "
            f"first task verified after {summary['first_verified_ms']} ms and paid after "
            f"{summary['first_paid_ms']} ms, whole command {took:.1f} s")


def test():
    check(QUICK_JOB.exists(), "the example's job file is missing")
    check_sample_task()
    for liars in (0, 1, 2) if not LONG else (0, 1, 2, 2, 2):
        one(liars)
    two_jobs()


main(test)
