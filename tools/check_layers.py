#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a source file breaks the floors of tools/layers.txt.

Checked for every .hpp and .cpp under src/: an include that goes up, sideways without leave, or to an
unknown area; a circle among areas; headers with I/O on floors F0-F4; calls that take time, chance or
environment from the air on floors F0-F5; a missing licence line; a source file that no CMakeLists.txt
names. Headers under include/ are for other projects: they include the standard library alone. Prints
one line per finding, then `N files, N findings`.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
LINE = re.compile(r"^([a-z]+)\s+(\d)\s*:\s*(.*)$")
PURE_FLOOR_MAX = 5
NO_IO_FLOOR_MAX = 4
BANNED_HEADERS = re.compile(
    r"^(boost/|asio|openssl/ssl|sqlite3|rocksdb/|llvm/|sys/socket|netinet/|fcntl\.h|unistd\.h|"
    r"fstream|filesystem|thread|mutex|future|condition_variable|iostream|nlohmann/json|spdlog/|CLI/)")
# The keystore is JSON by its definition; the library does no I/O (docs/decisions/0001-skeleton.md).
# Snapshots of the state and their cache of code are read from any thread: two leaf locks, each with
# its reason beside it (state/code_cache.hpp, state/database_state.hpp).
HEADER_LEAVE = {("crypto", "nlohmann/json.hpp"), ("state", "mutex")}
BANNED_CALLS = [
    (re.compile(r"\b(?:system_clock|steady_clock|high_resolution_clock)\b"), "a clock"),
    (re.compile(r"\brandom_device\b"), "std::random_device"),
    (re.compile(r"\b(?:std::)?getenv\s*\("), "getenv"),
    (re.compile(r"\bstd::\w+_distribution\b"), "std distributions (implementation-defined)"),
    (re.compile(r"\b(?:s?rand|time)\s*\(\s*(?:NULL|nullptr|0)?\s*\)"), "rand() or time()"),
]
COMMENT = re.compile(r"//.*$|\"(?:\\.|[^\"\\])*\"")


def read_layers(findings):
    floors, depends = {}, {}
    for number, text in enumerate((ROOT / "tools/layers.txt").read_text().splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        match = LINE.match(text)
        if not match:
            findings.append(f"tools/layers.txt:{number}: not 'area floor : areas'")
            continue
        floors[match[1]] = int(match[2])
        depends[match[1]] = match[3].split()
    for area, targets in depends.items():
        for target in targets:
            if target not in floors:
                findings.append(f"tools/layers.txt: {area} depends on unknown area {target}")
            elif floors[target] > floors[area]:
                findings.append(f"tools/layers.txt: {area} depends upward on {target}")
    state = {}

    def visit(area, trail):
        if state.get(area) == "done":
            return
        if state.get(area) == "open":
            findings.append("tools/layers.txt: circle " + " -> ".join(trail + [area]))
            return
        state[area] = "open"
        for target in depends.get(area, []):
            visit(target, trail + [area])
        state[area] = "done"

    for area in floors:
        visit(area, [])
    return floors, depends


def check_file(path, floors, depends, findings):
    area = path.relative_to(ROOT / "src").parts[0]
    where = path.relative_to(ROOT)
    if area not in floors:
        findings.append(f"{where}: area '{area}' is not in tools/layers.txt")
        return
    is_test = path.stem.endswith("_test") or "testing" in path.stem
    text = path.read_text(errors="replace")
    if not text.startswith("// SPDX-License-Identifier: Apache-2.0"):
        findings.append(f"{where}:1: the licence line is missing")
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            target = include[2].split("/")[0] if "/" in include[2] else None
            if include[1] == '"':
                if target is None or target not in floors:
                    findings.append(f"{where}:{number}: include \"{include[2]}\" is not area/file")
                elif target != area and target not in depends[area]:
                    findings.append(f"{where}:{number}: {area} may not include {target}")
            elif (floors[area] <= NO_IO_FLOOR_MAX and not is_test
                  and BANNED_HEADERS.match(include[2]) and (area, include[2]) not in HEADER_LEAVE):
                findings.append(f"{where}:{number}: <{include[2]}> on floor F{floors[area]}")
            continue
        if floors[area] <= PURE_FLOOR_MAX and not is_test:
            code = COMMENT.sub("", line)
            for pattern, name in BANNED_CALLS:
                if pattern.search(code):
                    findings.append(f"{where}:{number}: {name} on floor F{floors[area]}")


def main():
    findings = []
    floors, depends = read_layers(findings)
    files = sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in (".hpp", ".cpp", ".c", ".h"))
    lists = "\n".join(p.read_text() for p in (ROOT / "src").rglob("CMakeLists.txt"))
    for path in files:
        if path.suffix in (".hpp", ".cpp"):
            check_file(path, floors, depends, findings)
        if path.suffix == ".cpp" and path.name not in lists:
            findings.append(f"{path.relative_to(ROOT)}: no CMakeLists.txt names it")
    public = sorted((ROOT / "include").rglob("*.hpp"))
    for path in public:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            if include and (include[1] == '"' or re.search(r"[/.]", include[2])):
                findings.append(f"{path.relative_to(ROOT)}:{number}: {include[2]} is not of the standard library")
    files += public
    for finding in findings:
        print(finding)
    print(f"{len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
