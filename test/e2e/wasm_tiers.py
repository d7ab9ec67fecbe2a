# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Both tiers from the command line: the same results, the folder of compiled modules, `wasm diff`
and `wasm bench`."""

import hashlib
import json
import os

from harness import check, compile_wat, fail, main, millrace, say, scratch, succeed

EXITS = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (local $i i32)
    (loop $again
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                              (i32.const 100000))))
    (call $exit (i32.const %d))))
"""
TRAPS = """(module (memory (export "memory") 1)
  (func (export "_start") (drop (i32.load (i32.const 70000)))))"""
GROWS = """(module (memory (export "memory") 1) (func (export "_start")
  (if (i32.eq (memory.grow (i32.const 4096)) (i32.const -1)) (then unreachable))))"""
FIELDS = {"exit", "fuel", "result_id", "tier", "compile_ms", "run_ms"}


def run(*args):
    result = millrace("wasm", "run", "--json", *args)
    return json.loads(result.err.strip().splitlines()[-1]), result


def entries(cache):
    return sorted(cache.glob("*.mlr"))


def tiers_and_cache():
    cache, module = scratch("cache"), compile_wat(EXITS % 7)
    interp, result = run(module)
    check(result.code == 7 and FIELDS <= set(interp), f"{result}")
    aot, result = run("--tier", "aot", "--cache", cache, module)
    check(result.code == 7 and aot["tier"] == "aot" and interp["tier"] == "interp", f"{result}")
    for field in ("exit", "fuel", "result_id", "kind"):
        check(interp[field] == aot[field], f"{field}: {interp} {aot}")
    check(len(entries(cache)) == 1, f"not one compiled module: {os.listdir(cache)}")
    entry = entries(cache)[0]
    check(hashlib.sha256(module.read_bytes()).hexdigest() in entry.name, entry.name)
    check(entry.stat().st_mode & 0o777 == 0o600, "others can read the entry")
    inode = entry.stat().st_ino
    again, result = run("--tier", "aot", "--cache", cache, module)
    check(again["result_id"] == aot["result_id"] and "note:" not in result.err, f"{result}")
    check(entry.stat().st_ino == inode, "it was compiled again although it was there")
    say("a module is compiled once")

    whole = entry.read_bytes()
    entry.write_bytes(whole[:-1])
    torn, result = run("--tier", "aot", "--cache", cache, module)
    check(torn["result_id"] == aot["result_id"] and "discarded" in result.err, f"{result}")
    check(entry.read_bytes() == whole, "the torn entry was not made anew")
    say("a torn entry is made anew")

    none, result = run("--tier", "aot", "--cache", "none", module)
    check(none["result_id"] == aot["result_id"] and "note:" not in result.err, f"{result}")
    cache.chmod(0o777)
    open_to_all, result = run("--tier", "aot", "--cache", cache, module)
    check(open_to_all["result_id"] == aot["result_id"], f"{result}")
    check("others may write" in result.err, f"a folder open to all was used: {result}")
    home = scratch("home")
    succeed("wasm", "diff", module, env={"MILLRACE_HOME": str(home)})
    check(len(entries(home / "compiled")) == 1, "the home's folder is not used")
    say("no folder, an unsafe folder, the home's folder")


def given_files():
    module, other = compile_wat(EXITS % 5), compile_wat(EXITS % 6)
    image = scratch("image") / "module.mlr"
    succeed("wasm", "compile", module, "-o", image)
    given, result = run("--tier", "aot", "--compiled", image, module)
    check(given["exit"] == 5 and result.code == 5, f"{result}")
    at = ("wasm", "run", "--tier", "aot", "--compiled", image)
    fail(*at, other, words=["another module", "compile the module again"])
    whole = image.read_bytes()
    image.write_bytes(whole[:-33] + bytes([whole[-33] ^ 1]) + whole[-32:])
    fail(*at, module, words=["damaged"])
    image.write_bytes(whole[:50])
    fail(*at, module, words=["too short"])
    say("a file that was given is checked")


def both_tiers_agree():
    cache = scratch("diff")
    at = ("--cache", cache)
    for name, module, flags, kind in (
            ("exits", compile_wat(EXITS % 3), (), "exited"),
            ("traps", compile_wat(TRAPS), (), "trapped"),
            ("out of fuel", compile_wat(EXITS % 3), ("--fuel", "1000"), "out_of_fuel"),
            ("out of memory", compile_wat(GROWS), ("--memory", "16M"), "trapped")):
        shown = json.loads(succeed("wasm", "diff", "--json", *at, *flags, module).out)
        check(shown["equal"] and shown["differences"] == [], f"{name}: {shown}")
        check(shown["interp"]["kind"] == shown["aot"]["kind"] == kind, f"{name}: {shown}")
        check("equal in both tiers" in succeed("wasm", "diff", *at, *flags, module).out, name)
        say(f"equal: {name}")

    # A false image: the code of one module under the hash of another, with a right digest. Only its
    # owner can put it there; diff shows it.
    honest, other = compile_wat(EXITS % 3), compile_wat(EXITS % 4)
    made = scratch("made") / "other.mlr"
    succeed("wasm", "compile", other, "-o", made)
    image = made.read_bytes()
    place = image.index(hashlib.sha256(other.read_bytes()).digest())
    image = image[:place] + hashlib.sha256(honest.read_bytes()).digest() + image[place + 32:-32]
    image += hashlib.sha256(image).digest()
    entry = next(e for e in entries(cache)
                 if hashlib.sha256(honest.read_bytes()).hexdigest() in e.name)
    entry.write_bytes(image)
    result = fail("wasm", "diff", *at, honest, words=["do not agree", "report"])
    check(result.code == 1 and "! exit" in result.out, f"{result}")
    shown = json.loads(millrace("wasm", "diff", "--json", *at, honest).out)
    check(not shown["equal"] and {"exit", "result_id"} <= set(shown["differences"]), f"{shown}")
    check(shown["interp"]["exit"] == 3 and shown["aot"]["exit"] == 4, f"{shown}")
    say("a difference is shown, with status 1")


def timed():
    at = ("--cache", scratch("bench"), "--runs", 3)
    module = compile_wat(EXITS % 0)
    shown = json.loads(succeed("wasm", "bench", "--json", *at, module).out)
    for tier in ("interp", "aot"):
        check(shown[tier]["fuel"] > 0 and shown[tier]["fuel_per_second"] > 0, f"{shown}")
    check(shown["interp"]["fuel"] == shown["aot"]["fuel"] and shown["runs"] == 3, f"{shown}")
    text = succeed("wasm", "bench", *at, module).out
    check("interp" in text and "aot" in text and "fuel/s" in text, text)
    for command in ("run", "diff", "bench", "compile", "inspect"):
        check("Usage:" in succeed("wasm", command, "--help").out, f"wasm {command} --help")
    say("wasm bench, and help for every command")


def all_of_it():
    tiers_and_cache()
    given_files()
    both_tiers_agree()
    timed()


main(all_of_it)
