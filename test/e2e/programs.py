# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""Programs of others (examples/sqlite, lua, bzip2): the interpreter and the compiled tier agree on a
task of each, and what it writes is what the same program writes natively. A whole job on a network,
with a liar."""

import bz2
import json
import shutil
import sqlite3
import subprocess

from harness import SOURCE, Network, Skip, check, main, program, say, scratch, succeed, tree

EXAMPLES = SOURCE / "examples"


def built():
    """The folder with the modules: of the program's own build or of the release."""
    for build in (program().parents[1], SOURCE / "build/release"):
        if all((build / "examples" / name).exists()
               for name in ("sqlite-csv.wasm", "lua.wasm", "bzip2.wasm")):
            return build / "examples"
    raise Skip("the modules are not built: run tools/sources.sh, then build the release")


_cache = []


def cache():
    """One for all: a module is compiled once."""
    if not _cache:
        _cache.append(scratch("cache"))
    return _cache[0]


def both_tiers(name, module, inputs, *args):
    """`wasm diff` of one task; then what the interpreter writes: (files, stdout)."""
    folder, out = scratch(name), scratch(name + "-out")
    for source in inputs:
        shutil.copy(source, folder)
    shown = json.loads(succeed("wasm", "diff", "--json", "--cache", cache(), "--in", folder,
                               module, "--", *args, timeout=500).out)
    check(shown["equal"] and shown["aot"]["exit"] == 0, f"{name}: the tiers differ: {shown}")
    ran = succeed("wasm", "run", "--in", folder, "--out", out, module, "--", *args)
    say(f"{name}: equal in both tiers, {shown['interp']['fuel']} fuel")
    return tree(out), ran.out, folder


def native(command, folder):
    return subprocess.run([str(word) for word in command], cwd=folder, check=True, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def lua(modules):
    for script in sorted((EXAMPLES / "lua/scripts").glob("*.lua")):
        _, printed, folder = both_tiers("lua", modules / "lua.wasm", [script], script.name)
        check(printed == native([modules / "lua-native", script.name], folder),
              f"{script.name} prints something else natively: {printed}")
        check(script.name != "queens.lua" or printed.endswith("8\t92\n"), printed)


def compress(modules):
    page = SOURCE / "docs/formats/job.md"
    files, _, _ = both_tiers("bzip2", modules / "bzip2.wasm", [page], "-9", "-k", page.name)
    check(files == {page.name + ".bz2": bz2.compress(page.read_bytes(), 9)},
          "not what libbz2 makes of it")


def query(modules):
    """Compared with the native build, and with the SQLite that Python brings along."""
    table, statement = EXAMPLES / "sqlite/data/coast.csv", EXAMPLES / "sqlite/weeks.sql"
    files, printed, folder = both_tiers("sqlite", modules / "sqlite-csv.wasm", [table, statement],
                                        "weeks.sql", "coast.csv", "out.csv")
    check(printed == native([modules / "sqlite-csv-native", "weeks.sql", "coast.csv", "native.csv"],
                            folder), printed)
    check(files == {"out.csv": (folder / "native.csv").read_bytes()},
          "not what SQLite writes natively")
    peer = sqlite3.connect(":memory:")
    head, *lines = [line.split(",") for line in table.read_text().splitlines()]
    peer.execute(f"CREATE TABLE data ({', '.join(head)})")
    peer.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?)", lines)
    peer.create_function("sqrt", 1, lambda x: x**0.5)
    rows = [[str(field) for field in row[:7]] for row in peer.execute(statement.read_text())]
    found = [line.split(",")[:7] for line in files["out.csv"].decode().splitlines()[1:]]
    check(found == rows and len(rows) == 8, f"Python's SQLite answers {rows}, the module {found}")


def job(modules):
    with Network("--providers", 3, "--fault", "1:wrong-result=0.5") as network:
        result, out, summary = network.run("--module", modules / "sqlite-csv.wasm",
                                           job=EXAMPLES / "sqlite/job.toml")
        check(result.code == 0 and summary["done"] == 3, f"the job failed: {result}")
    for name in ("coast", "north", "valley"):
        table = EXAMPLES / f"sqlite/data/{name}.csv"
        path = scratch("native") / "out.csv"
        native([modules / "sqlite-csv-native", EXAMPLES / "sqlite/weeks.sql", table, path], SOURCE)
        check((out / f"{name}-weeks.csv").read_bytes() == path.read_bytes(), f"{name} differs")
    say("the job's results are those of the native program")


def all_of_it():
    modules = built()
    lua(modules)
    compress(modules)
    query(modules)
    job(modules)


main(all_of_it)
