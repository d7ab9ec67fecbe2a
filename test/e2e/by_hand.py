# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Every command a person types on a running network, in plain and in JSON; a fifth provider joins
from a home of its own and gets work."""

import json
import signal
import subprocess

import harness
from harness import (Network, check, check_outputs, fail, job_flags, main, millrace, program, say,
                     scratch, succeed, wait_for)

SPEAKER = """
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "to stdout\\n")
  (data (i32.const 64) "to stderr\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 10))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 10))
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""


def jobs_by_hand(network):
    home = ("--home", network.home)
    module = harness.compile_wat(SPEAKER)
    succeed("run", *home, "--name", "speaker", "--range", "0..2", "--quiet", module)
    check([j["name"] for j in network.jobs()] == ["speaker"], "job ls --json shows other jobs")
    check("speaker" in succeed("job", "ls", *home).out, "job ls does not show the job")
    shown = network.ask("job", "show", "speaker")
    check(len(shown["tasks"]) == 3 and shown["job"]["state"] == "completed", f"odd: {shown}")
    check("accepted" in succeed("job", "show", "speaker", *home).out, "job show says no state")
    logs = succeed("job", "logs", "speaker", *home)
    check(logs.out.count("to stdout") == 3 and logs.err.count("to stderr") == 3, f"logs: {logs}")
    one = [json.loads(line) for line in
           succeed("job", "logs", "speaker", "--task", 1, "--json", *home).out.splitlines()]
    check([(r["index"], r["stdout"], r["stderr"]) for r in one] ==
          [(1, "to stdout\n", "to stderr\n")], f"logs --json: {one}")
    fail("job", "logs", "speaker", "--task", 99, *home, words=["99", "0 to 2"])
    check(succeed("job", "explain", "speaker", *home).out.strip(), "explain says nothing")
    check(network.ask("job", "explain", "speaker", "--task", "1")["text"], "explain --json is empty")
    beginning = shown["job"]["id"][:12]
    check(network.ask("job", "show", beginning)["job"]["id"] == shown["job"]["id"],
          "a job is not found by the beginning of its id")
    say("job ls, show, logs, explain")


def cancel(network):
    home = ("--home", network.home)
    endless = harness.compile_wat(harness.ENDLESS)
    job = network.ask("run", "--detach", "--name", "endless", "--range", "0..3", "--fuel", "100G",
                      endless)["job"]
    wait_for(lambda: network.ask("job", "show", job)["job"]["running"] > 0, "a task to run")
    succeed("job", "cancel", job, *home)
    wait_for(lambda: network.ask("job", "show", job)["job"]["state"] == "cancelled",
             "the job to be cancelled")
    succeed("job", "cancel", job, *home)  # again is no error
    wait_for(lambda: network.control("status", role="provider-1")["running"] == 0,
             "the provider to end the task")
    say("job cancel")


def providers(network, count):
    rows = network.ask("provider", "ls")["providers"]
    check(len(rows) == count and all(r["registered"] for r in rows), f"providers: {rows}")
    plain = succeed("provider", "ls", "--home", network.home).out
    check(all(r["provider"] in plain for r in rows), f"provider ls: {plain}")
    return rows


def wallets(network):
    home, word = ("--home", network.home), scratch("secret") / "password"
    word.write_text("correct horse\n")
    secret = ("--password-file", word, "--light")
    first = json.loads(succeed("wallet", "new", *home, "--json", *secret).out)
    key = word.parent / "key"
    key.write_text("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n")
    rich = json.loads(succeed("wallet", "import", *home, "--json", "--name", "rich", *secret,
                              key).out)
    check(rich["address"].lower() == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", f"{rich}")
    check("rich" in succeed("wallet", "list", *home).out, "wallet list")
    sent = succeed("wallet", "send", *home, "--json", "--name", "rich", "--password-file", word,
                   "--network", "local", first["address"], "2.5").out
    check("0x" in sent, f"wallet send: {sent}")
    balance = succeed("wallet", "balance", *home, "--network", "local", "--json").out
    check("2500000000000000000" in balance or '"2.5"' in balance, f"wallet balance: {balance}")
    check("2.5" in succeed("wallet", "balance", *home, "--network", "local").out, "balance")
    fail("wallet", "send", *home, "--name", "default", "--password-file", word, "--network",
         "local", rich["address"], "50", words=["2.5"])
    say("wallet new, import, list, send, balance")


def modules():
    module = harness.compile_wat(SPEAKER)
    ran = succeed("wasm", "run", module)
    check("to stdout\n" in ran.out and "to stderr\n" in ran.err, f"wasm run: {ran}")
    last = millrace("wasm", "run", "--json", module).err.strip().splitlines()[-1]
    check(json.loads(last)["fuel"] > 0, f"wasm run --json: {last}")
    check("fd_write" in succeed("wasm", "inspect", module).out, "wasm inspect shows no import")
    check("fd_write" in json.dumps(json.loads(succeed("wasm", "inspect", "--json", module).out)),
          "wasm inspect --json shows no import")
    say("wasm run, inspect")


def fifth_provider(network):
    home = scratch("joined")
    (home / "password").write_text("another\n")
    log = open(home / "log", "wb")
    child = subprocess.Popen([str(program()), "provide", "--home", str(home), "--network", "joined",
                              "--join", network.join, "--password-file", str(home / "password"),
                              "--price", "0.0005"], stdout=subprocess.PIPE, stderr=log,
                             stdin=subprocess.DEVNULL, env=harness.clean_environment())
    harness._started.append(child)
    line = child.stdout.readline().decode()
    check(line.startswith("providing at "), f"it did not begin: {line}{(home / 'log').read_text()}")
    address = line.split()[-1]
    wait_for(lambda: [r for r in network.ask("provider", "ls")["providers"]
                      if r["provider"] == address and r["registered"]], "the agent to see it")
    result, out, summary = network.run()
    check(result.code == 0, f"the job failed: {result}")
    check_outputs(out)
    share = [p for p in summary["providers"] if p["provider"] == address]
    check(share and share[0]["accepted"] > 0 and int(share[0]["earned"]) > 0,
          f"the cheapest provider got no work: {summary['providers']}")
    check(summary["money"]["conserved"] is True, f"money: {summary['money']}")
    child.send_signal(signal.SIGTERM)
    check(child.wait(60) == 0, f"it ended badly: {(home / 'log').read_text()[-2000:]}")
    say(f"provide --join: {share[0]['accepted']} results paid")


def test():
    modules()
    with Network("--providers", 4) as network:
        providers(network, 4)
        jobs_by_hand(network)
        cancel(network)
        wallets(network)
        fifth_provider(network)
        providers(network, 5)
        detached = succeed("run", "--home", network.home, *job_flags(), "--out",
                           scratch("out"), "--detach").out.strip()
        check(detached.startswith("0x") and len(detached) == 66, f"--detach printed {detached}")
        waited = succeed("job", "wait", detached, "--home", network.home, "--quiet").out
        check("completed" in waited and "48 done" in waited, f"job wait says: {waited}")
        fail("job", "wait", "endless", "--home", network.home, "--quiet",
             words=["cancelled", "job explain"])
        fail("job", "wait", "nothing", "--home", network.home, words=["no job", "job ls"])
        say("job wait")


main(test)
