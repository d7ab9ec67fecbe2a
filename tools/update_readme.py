#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Runs the job of ./quickstart and puts its shortened summary into README.md.

    tools/update_readme.py [BUILD]        on a quiet machine: about two minutes; default build/release

The summary stands between <!-- summary --> and <!-- /summary -->. Nothing in it is written by hand.
"""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = re.compile(r"  0x\S+… (settled in|wallet )|  allocation ")
REPEATED = re.compile(r"  (contradiction proven on chain|0x\S+… record on chain)")


def run_job(build, folder):
    """The text of the run's summary."""
    environment = {**os.environ,
                   "PATH": f"{ROOT / 'contracts/node_modules/.bin'}:{os.environ['PATH']}"}
    program, home = str(build / "bin/millrace"), ("--home", folder)
    network = subprocess.Popen([program, "up", *home, "--json", "--providers", "4", "--fault",
                                "1:wrong-result=0.5"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, env=environment)
    try:
        json.loads(network.stdout.readline())
        return subprocess.run(
            [program, "run", *home, "--quiet", "--compare-local", "--job",
             ROOT / "examples/render/job.toml", "--module", build / "examples/render.wasm",
             "--out", f"{folder}/out"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=True, timeout=900, env=environment).stdout
    finally:
        network.send_signal(signal.SIGTERM)
        network.wait(60)


def shorten(text, liar_lines=1):
    """Of lines of one kind the first `liar_lines`; '…' stands for what is left out."""
    lines, seen = [], {}
    for line in text.strip().splitlines():
        kind = REPEATED.match(line)
        if kind:
            name = re.sub(r"0x\S+… ", "", kind[1])
            seen[name] = seen.get(name, 0) + 1
        if LEFT_OUT.match(line) or (kind and seen[name] > liar_lines):
            line = "  …"
            if lines[-1] == line:
                continue
        lines.append(line)
    return lines


def machine():
    names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    return f"{date.today()}, {names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release").resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-readme-") as folder:
        lines = shorten(run_job(build, folder))
    block = "\n".join(["    " + line if line else "" for line in lines])
    readme = ROOT / "README.md"
    text, count = re.subn(
        r"(<!-- summary -->\n).*?(<!-- /summary -->)",
        lambda marks: f"{marks[1]}{block}\n\n({machine()})\n{marks[2]}",
        readme.read_text(), flags=re.S)
    if count != 1:
        sys.exit("error: README.md has no <!-- summary --> … <!-- /summary -->")
    readme.write_text(text)


main()
