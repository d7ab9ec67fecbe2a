# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Large modules that nobody here wrote, to the end of the compiler: esbuild (20 MB, Go) and Yosys
(31 MB, C++) say the same in both tiers. Compiling takes minutes: part of `./check --long`. Yosys'
netlists are also those of its own program on V8 (examples/yosys)."""

import json
import shutil
import subprocess

from harness import LONG, SOURCE, Skip, check, main, say, scratch, succeed, tree

ESBUILD = SOURCE / "contracts/node_modules/@esbuild/wasi-preview1/esbuild.wasm"
YOSYS = SOURCE / "examples/yosys"
CORE = YOSYS / "node_modules/@yowasp/yosys/gen/yosys.core.wasm"


def both_tiers(name, module, folder, *args):
    cache = scratch("cache")
    task = ("--json", "--cache", cache, "--in", folder)
    ran = succeed("wasm", "run", *task, "--tier", "aot", module, "--", *args, timeout=5000)
    image = json.loads(ran.err.strip().splitlines()[-1])
    shown = json.loads(succeed("wasm", "diff", *task, module, "--", *args, timeout=600).out)
    check(shown["equal"] and shown["aot"]["exit"] == 0, f"{name}: {shown}")
    check(shown["aot"]["result_id"] == image["result_id"], f"{name}: {shown}, {image}")
    say(f"{name}: equal in both tiers; compiled in {image['compile_ms'] / 1e3:.0f} s, "
        f"{image['compile_ms'] * 1e3 / module.stat().st_size:.1f} us a byte of real time")


def esbuild():
    folder = scratch("esbuild")
    shutil.copy(SOURCE / "contracts/compile.mjs", folder / "in.mjs")
    both_tiers("esbuild", ESBUILD, folder, "/in.mjs", "--minify", "--log-level=warning",
               "--outfile=/out.js")


def yosys():
    folder = scratch("yosys")
    shutil.copytree(YOSYS / "share", folder / "share")
    shutil.copytree(YOSYS / "designs", folder / "designs")
    (folder / "tmp").mkdir()
    (folder / "tmp/job.toml").write_text("")
    script = "read_verilog designs/crc.v; synth; write_json crc.json"
    both_tiers("yosys", CORE, folder, "-Q", "-T", "-p", script)
    out = scratch("yosys-out")
    succeed("run", "--local", "--quiet", "--job", YOSYS / "job.toml", "--out", out, timeout=600)
    for design in sorted((YOSYS / "designs").glob("*.v")):
        expected = subprocess.run(["node", str(YOSYS / "native.mjs"), design.stem], check=True,
                                  timeout=120, capture_output=True).stdout
        check(tree(out)[design.stem + ".json"] == expected,
              f"{design.name}: another netlist than on V8")
    say("yosys: the netlists of three designs are those of V8")


def all_of_it():
    if not LONG:
        raise Skip("compiling these takes minutes: ./check --long")
    if shutil.which("node") is None or not ESBUILD.exists():
        raise Skip("npm packages are not installed: run contracts/install.sh")
    installed = subprocess.run([str(YOSYS / "install.sh")], stdin=subprocess.DEVNULL, check=False)
    if installed.returncode != 0:
        raise Skip("@yowasp/yosys cannot be installed: run examples/yosys/install.sh")
    esbuild()
    yosys()


main(all_of_it)
