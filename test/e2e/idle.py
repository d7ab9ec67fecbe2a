# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""A requestor that has nothing to do hangs up, and connects again when there is work: the agent once
took a connection it had closed for one that stood, and a liar's empty stream was never closed."""

from harness import Network, check, check_outputs, main, say, wait_for


def test():
    with Network("--providers", 3) as network:
        for round_number in (1, 2):
            result, out, summary = network.run()
            check(result.code == 0, f"job {round_number} failed: {result}")
            check(summary["settled"], f"streams of job {round_number} stay open: {summary}")
            check_outputs(out)
            if round_number == 1:
                wait_for(lambda: not any(row["connected"]
                                         for row in network.ask("provider", "ls")["providers"]),
                         "the agent to hang up", 120)
        say("two jobs with a silence between them")


main(test)
