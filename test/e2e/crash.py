# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""The agent and a provider are killed right after their n-th durable event and started again by
`up`: the job completes with the outputs of a local run, nothing is lost and nothing paid twice."""

import json

from harness import (LONG, Network, check, check_money, check_outputs, combine, main, millrace, say,
                     scratch, wait_for)

SHORT_POINTS = [("agent-0", 3), ("agent-0", 40), ("agent-0", 150),
                ("provider-2", 2), ("provider-2", 9), ("provider-2", 30)]
# Close together where everything begins, spread where steps repeat.
LONG_POINTS = ([("agent-0", n) for n in (*range(1, 13), *range(15, 120, 10), 150, 200, 250, 300)]
               + [("provider-2", n) for n in (*range(1, 13), *range(14, 58, 4))])


def finished(network, job):
    """`job show` once the job is over. While the agent is down, asking fails: then it is not."""
    result = millrace("job", "show", job, "--home", network.home, "--json")
    if result.code != 0:
        return None
    shown = json.loads(result.out)
    return shown if shown["job"]["state"] != "running" else None


def submit(network):
    """`run`, which loses its agent when the point is the agent's: then it must say so, and the job
    must either go on by itself or never have been taken, in which case running again is right."""
    result, out, _ = network.run()
    if result.code == 0:
        return out
    check(result.err.count("error: ") == 1, f"not one clear message: {result}")
    say("    run ended with: " + result.err.strip().splitlines()[-1][:200])
    wait_for(lambda: millrace("job", "ls", "--home", network.home).code == 0,
             "the agent to be back", 60)
    say(f"    the job was taken: {'yes' if network.jobs() else 'no'}")
    if not network.jobs():
        result, out, _ = network.run()
        check(result.code == 0, f"the second submission failed: {result}")
    return out


def one(role, after):
    once = scratch("point") / "fired"
    with Network("--providers", 4, "--crash", f"{role}:{after}:{once}") as network:
        before = network.control("snapshot")
        out = submit(network)
        jobs = network.jobs()
        check(len(jobs) == 1, f"the job exists {len(jobs)} times: {jobs}")
        job = jobs[0]["id"]
        shown = wait_for(lambda: finished(network, job), "the job to be over", 120)
        check(shown["job"]["state"] == "completed", f"the job ended as {shown['job']}")
        check_outputs(out)
        summary = wait_for(lambda: settled(network, job), "everything to be settled", 180)
        check_money(combine(summary, before, network.control("snapshot")), shown)
        fired = once.exists()
        say(f"{role} after event {after}: {'died and came back' if fired else 'not reached'}, "
            f"{summary['leases']} leases for {summary['tasks']} tasks")
        return fired


def settled(network, job):
    summary = network.control("await_settlement", job=job)
    return summary if summary["settled"] else None


def test():
    points = LONG_POINTS if LONG else SHORT_POINTS
    fired = [point for point in points if one(*point)]
    missing = [point for point in points if point not in fired]
    check(not missing, f"these points lie behind the job's end: {missing}")


main(test)
