#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""quickstart_report.py SUMMARY LOCAL NATIVE_SECONDS: says what the network cost beside one machine.

SUMMARY is what `millrace run --summary` wrote of the job on the network, LOCAL what
`millrace run --local --parallel 1 --tier aot --summary` wrote of the same tasks, NATIVE_SECONDS
the time of the same program built for this machine. Prints plain text."""

import json
import os
import sys


def line(words, seconds, native):
    print(f"  {words:<62}{seconds:7.1f} s  {seconds / native:5.2f}x")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        network = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        local = json.load(file)
    native = max(float(sys.argv[3]), 0.001)
    cores = len(os.sched_getaffinity(0))
    tasks = network["tasks"]
    if local["results"] != network["results"]:
        sys.exit("quickstart: compiled code and the network gave different results; please report this")
    alone = sum(local["task_ms"]) / 1000
    wall = network["wall_ms"] / 1000
    copies = network["replicas"]
    computing = alone * copies / tasks
    ideal = computing / cores
    providers = len(network["providers"])

    if os.getloadavg()[0] > cores + 1:
        print(f"\n(This machine does other work as well, {os.getloadavg()[0]:.0f} at a time: these times are too long.)")
    print("\nThe whole picture, from the same source:\n")
    line("the program built for this machine, one core", native, native)
    line(f"as {tasks} WebAssembly tasks, each in a sandbox, one core", alone, native)
    line(f"by the network: {providers} providers, all on this machine's {cores} core{'s' * (cores > 1)}",
         wall, native)
    print(f"""
What is in the network's {wall:.1f} s, {wall - native:.1f} s more than the native run:
  - {copies} results for {tasks} tasks, because two providers must agree on each and a liar costs a
    third: some {computing:.1f} s of computing for {cores} core{'s' * (cores > 1)}, so {ideal:.1f} s at the very best;
  - the first tasks interpreted, ten to twenty times slower, until their module was compiled;
  - the chain's blocks (money is set aside before work begins), files sent enciphered and proven,
    results committed before they are shown, signatures, payment for each task.
Providers on machines of their own would not share {cores} core{'s' * (cores > 1)}: that is what the curves below show.""")


if __name__ == "__main__":
    main()
