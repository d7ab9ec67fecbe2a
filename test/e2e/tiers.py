# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""A provider compiles what is used much: the tasks of one job begin in the interpreter and go on as
machine code, and both replicas of each still agree; a long one goes over while it runs. Switched off,
it never compiles."""

import hashlib
import struct

from harness import (Network, check, compile_wat, main, millrace, say, scratch, succeed, wait_for)

# About 4 * 10^8 fuel in a second or two of the interpreter, and a result that depends on all of it.
# It calls no host before its end.
COUNTS = """
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $i i32) (local $x i64)
    (local.set $x (i64.const 88172645463325252))
    (loop $again
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                              (i32.const 20000000))))
    (i64.store (i32.const 32) (local.get $x))
    (i32.store (i32.const 0) (i32.const 32)) (i32.store (i32.const 4) (i32.const 8))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""


def job(network, module, name, tasks):
    result = millrace("run", "--home", network.home, "--name", name, "--range", f"0..{tasks - 1}",
                      "--quiet", module, timeout=300)
    check(result.code == 0, f"the job failed: {result}")
    shown = network.ask("job", "show", name)
    check(shown["job"]["state"] == "completed", f"{shown['job']}")
    return shown


def states(network):
    return [network.control("status", role) for role in ("provider-1", "provider-2")]


def used_much():
    module = compile_wat(COUNTS)
    with Network("--providers", 2) as network:
        job(network, module, "first", 4)
        wait_for(lambda: sum(s["modules_compiled"] for s in states(network)) > 0,
                 "a provider to compile the module")
        folder = network.home / "compiled"
        digest = hashlib.sha256(module.read_bytes()).hexdigest()
        check([e for e in folder.glob("*.mlr") if digest in e.name], "no image in the home")
        before = sum(s["tasks_compiled"] for s in states(network))
        job(network, module, "second", 4)
        after = states(network)
        check(sum(s["tasks_compiled"] for s in after) >= before + 8, f"interpreted still: {after}")
        check(all(s["contradictions"] == 0 for s in after), f"the tiers disagree: {after}")
        check(sum(s["modules_compiled"] for s in after) == 1, f"compiled twice: {after}")
        check("a module is compiled" in network.log_of("provider-1") + network.log_of("provider-2"),
              "no line in the log")
        say("the second job runs as machine code, and all results agree")


def goes_over():
    """One task alone, of more fuel than a checkpoint is away: the provider hears of it on its way."""
    module = compile_wat(COUNTS.replace("20000000", "800000000"))
    with Network("--providers", 2) as network:
        job(network, module, "long", 1)
        after = states(network)
        check(all(s["tasks_compiled"] == 1 for s in after), f"interpreted to the end: {after}")
        check(all(s["contradictions"] == 0 for s in after), f"{after}")
        check("goes over to machine code" in network.log_of("provider-1"), "no line in the log")
        say("a running task goes over to machine code")


def switched_off():
    module = compile_wat(COUNTS)
    with Network("--providers", 2, env={"MILLRACE_PROVIDER_TIER": "interp"}) as network:
        job(network, module, "only", 4)
        check(all(s["tier"] == "interp" and s["modules_compiled"] == 0 for s in states(network)),
              f"{states(network)}")
        check(not (network.home / "compiled").exists(), "a folder of compiled modules")
        say("tier = interp: nothing is compiled")


def bad_code():
    """Machine code that ends its worker: its task runs again in the interpreter."""
    module, made, home = compile_wat(COUNTS), scratch("made"), scratch("home")
    succeed("wasm", "bench", "--runs", 1, "--cache", made, module)
    entry = next(made.glob("*.mlr"))
    image = bytearray(entry.read_bytes())
    functions, outline, code = struct.unpack_from("<QQQ", image, 92)  # docs/formats/compiled.md
    start = 116 + 8 * functions + outline
    image[start:start + code] = bytes([0xf4]) * code  # hlt: only a kernel may
    image[-32:] = hashlib.sha256(image[:-32]).digest()
    (home / "compiled").mkdir(mode=0o700)
    (home / "compiled" / entry.name).write_bytes(image)
    (home / "compiled" / entry.name).chmod(0o600)
    with Network("--providers", 2, home=home) as network:
        job(network, module, "only", 2)
        after = states(network)
        check(all(s["tasks_compiled"] == 1 for s in after), f"used more than once: {after}")
        check("machine code failed" in network.log_of("provider-1"), "no line in the log")
        say("machine code that fails leaves the interpreter")


def all_of_it():
    used_much()
    goes_over()
    bad_code()
    switched_off()


main(all_of_it)
