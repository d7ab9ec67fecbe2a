# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Whatever is wrong outside ends in one clear message with cause and remedy and a status that is not
zero; nothing hangs, nothing that was there is lost, and afterwards good jobs run as before."""

import os
import shutil
import signal
import subprocess

from harness import (ENDLESS, Network, check, check_outputs, compile_wat, fail, job_flags, main,
                     program, say, scratch, succeed, wait_for)

GOOD = '(module (memory (export "memory") 1) (func (export "_start")))'
MISSING_IMPORT = '(module (import "env" "missing" (func)) (memory (export "memory") 1) ' \
                 '(func (export "_start")))'
MEMORY_BOMB = """(module (memory (export "memory") 1) (func (export "_start")
  (if (i32.eq (memory.grow (i32.const 4096)) (i32.const -1)) (then unreachable))))"""
OUTPUT_BOMB = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
      (br $again))))"""
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there


def without_network():
    home, here = scratch("empty"), scratch("work")
    at, good = ("--home", home), compile_wat(GOOD)
    invalid = here / "bad.wasm"
    invalid.write_bytes(b"not a module")
    fail("run", *at, compile_wat(MISSING_IMPORT), words=["env.missing", "wasm32-wasip1"])
    fail("run", *at, invalid, words=["bad.wasm", "millrace wasm inspect"])
    fail("wasm", "run", invalid, words=["malformed", "WASI preview 1"])
    fail("run", *at, here / "absent.wasm", words=["absent.wasm", "check the path"])
    fail("run", *at, good, "--for", "none-*.txt", cwd=here, words=["none-*.txt", "check"])
    fail("run", *at, good, "--file", "absent.txt", cwd=here, words=["absent.txt", "check"])
    fail("run", *at, good, words=["no agent-0 runs", "millrace up"])
    fail("job", "ls", *at, words=["no agent-0 runs", "millrace up"])
    fail("agent", *at, words=["no password", "--password-file"])
    fail("agent", *at, env={"MILLRACE_PASSWORD": "word", "MILLRACE_LONG": "0"},
         words=["no such network"])
    (here / "password").write_text("word\n")
    fail("agent", *at, "--password-file", here / "password",
         words=["no such network", "millrace up"])
    (here / "job.toml").write_text('version = 1\nname = "x"\nmodul = "a.wasm"\n')
    fail("run", *at, "--job", here / "job.toml", words=["modul", "job.toml:3", "'module'"])
    for key, value in (("price_max", "0.001"), ("price_max", "1"), ("cost_max", "2"),
                       ("price_max", "[]"), ("replicas", '"2"')):
        (here / "job.toml").write_text(f'version = 1\nmodule = "a.wasm"\n{key} = {value}\n')
        fail("run", *at, "--job", here / "job.toml", words=[f"'{key}'", "job.toml", "write"])
    (here / "settings.toml").write_text("[provider]\nslotz = 3\n")
    fail("up", *at, "--config", here / "settings.toml",
         words=["provider.slotz", "settings.toml:2", "provider.slots"])
    fail("up", *at, "--fault", "nonsense", words=["nonsense", "NUMBER"])
    fail("up", *at, "--fault", "9:wrong-result=0.5", words=["provider 9", "NUMBER"])
    fail("up", *at, "--fault", "1:wrong-resul=0.5", words=["wrong-resul=0.5", "wrong-result=RATE"])
    fail("up", *at, "--rpc", NOBODY, words=[NOBODY, "rpc"])
    fail("wallet", "balance", *at, "--rpc", NOBODY, "--address", ACCOUNT,
         words=[NOBODY, "millrace up"])


def bombs(network):
    """Tasks that end by a limit are results like any other: agreed on, paid, and told."""
    for name, text, flags in (
            ("endless", ENDLESS, ("--fuel", "20M")),
            ("memory", MEMORY_BOMB, ("--memory", "16M")),
            ("output", OUTPUT_BOMB, ("--output", "1M"))):
        result = fail("run", "--home", network.home, "--name", name, "--range", "0..1", "--quiet",
                      *flags, compile_wat(text), words=["2 tasks", "millrace job logs"])
        check("2 ended with an error of their own" in result.out, f"the summary hides it: {result}")
        shown = network.ask("job", "show", name)
        check(shown["job"]["state"] == "completed", f"{name}: {shown['job']}")
        say(f"{name}: a limit ended it on every provider alike")
    fail("job", "show", "0x0123456789", "--home", network.home,
         words=["0x0123456789", "millrace job ls"])


def wallets(network):
    at, place = ("--home", network.home), scratch("words")
    (place / "right").write_text("right\n")
    (place / "wrong").write_text("wrong\n")
    secret = ("--password-file", place / "right")
    succeed("wallet", "new", *at, "--light", *secret)
    to = ("--network", "local", ACCOUNT, "1")
    fail("wallet", "send", *at, *secret, *to, words=["cannot pay", "send coins"])
    fail("wallet", "send", *at, "--password-file", place / "wrong", *to, words=["password"])
    fail("wallet", "send", *at, "--password-file", place / "absent", *to, words=["absent"])


def unreachable_chain(network):
    """An agent of the same network whose node has gone."""
    home = scratch("cut-off")
    (home / "local").mkdir()
    text = (network.home / "local/network.toml").read_text()
    (home / "local/network.toml").write_text(text.replace(network.rpc, NOBODY))
    (home / "password").write_text("word\n")
    for command in ("agent", "provide"):
        fail(command, "--home", home, "--password-file", home / "password",
             words=[NOBODY, "millrace up"])
    (home / "local/network.toml").write_text(text + '\n[contract]\njobs = "0x00"\n')
    fail("agent", "--home", home, "--password-file", home / "password", words=["contract"])


def no_deposit():
    with Network("--providers", 2, "--deposit", "0") as network:
        fail("run", "--home", network.home, "--name", "poor", "--range", "0..1", "--quiet",
             compile_wat(GOOD), words=["deposit", "millrace wallet deposit"])


def workers_missing():
    """No provider can run a task: the job says so while it waits, and completes once they can."""
    place, home = scratch("installed"), scratch("home")
    (place / "bin").mkdir()
    copy = shutil.copy2(program(), place / "bin/millrace")
    with Network(home=home, command=[copy, "up", "--json", "--home", home,
                                     "--providers", "2"]) as network:
        job = succeed("run", "--home", home, "--name", "idle", "--range", "0..1", "--detach",
                      compile_wat(GOOD)).out.strip()
        waits = wait_for(lambda: (lambda why: "task worker is missing" in why and why)(
            network.ask("job", "show", job)["job"]["waits_for"]), "the job to say why it waits")
        check("no provider can run its tasks" in waits and "libexec" in waits, waits)
        say(f"    {waits[:300]}")
        (place / "libexec").mkdir()
        shutil.copy2(program().parent.parent / "libexec/millrace-worker", place / "libexec")
        wait_for(lambda: network.ask("job", "show", job)["job"]["state"] == "completed",
                 "the job to complete once the workers are there", 150)


def providers_gone(network):
    """One is killed, one answers no more; the job completes with what the others do."""
    out = scratch("out")
    job = succeed("run", "--home", network.home, *job_flags(), "--out", out,
                  "--detach").out.strip()
    wait_for(lambda: network.ask("job", "show", job)["job"]["done"] >= 4, "the job to be going on")
    os.kill(network.pid("provider-1"), signal.SIGKILL)
    frozen = network.pid("provider-2")
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_for(lambda: network.ask("job", "show", job)["job"]["state"] == "completed",
                 "the job to complete without two of its four providers", 200)
    finally:
        os.kill(frozen, signal.SIGCONT)
    check_outputs(out)
    summary = wait_for(lambda: (lambda s: s if s["settled"] else None)(
        network.control("await_settlement", job=job)), "the settlement", 150)
    say(f"provider killed, provider frozen: completed with {summary['leases']} leases")


def full_disk():
    if os.geteuid() != 0:
        return say("full disk: left out, only root can mount a small one")
    home = scratch("small")
    agent = home / "local/agent-0"
    agent.mkdir(parents=True, mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", agent],
                      stderr=subprocess.DEVNULL).returncode != 0:
        return say("full disk: left out, mounting is not allowed here")
    try:
        with Network("--providers", 2, home=home) as network:
            ballast = agent / "ballast"
            with open(ballast, "wb") as file:
                left = shutil.disk_usage(agent).free - 64 * 1024
                file.write(b"\0" * left)
            fail("run", "--home", home, *job_flags(), "--out", scratch("out"), "--quiet",
                 words=["No space left on device", "free"])
            ballast.unlink()
            result, out, _ = network.run()
            check(result.code == 0, f"with space again it fails: {result}")
            check_outputs(out)
            say("full disk: told, and over once there was space")
    finally:
        subprocess.run(["umount", "-l", agent], check=False)


def test():
    without_network()
    with Network("--providers", 4) as network:
        bombs(network)
        wallets(network)
        unreachable_chain(network)
        providers_gone(network)
        result, out, _ = network.run()
        check(result.code == 0, f"a good job fails afterwards: {result}")
        check_outputs(out)
    no_deposit()
    workers_missing()
    full_disk()


main(test)
