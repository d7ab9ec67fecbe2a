# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""What the end-to-end tests share: networks that are started, waited for and ended, the program's
commands, and checks of a job's summary.

    from harness import Network, check, main, program

A test is a script run by ctest: `NAME.py PATH_OF_MILLRACE`. It exits 0, 1 after the first failed
check (logs of all networks are printed), or 77 when something that it needs is not installed.
Waiting is always for a condition, asked again every 50 ms up to a deadline; nothing is retried.
MILLRACE_LONG=1 switches to the long variants. No process outlives a test: each is ended by its pid,
and the ends of everything that it had started are checked.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
LONG = os.environ.get("MILLRACE_LONG", "0") == "1"
QUICK_JOB = SOURCE / "examples/render/job-quick.toml"
SKIPPED = 77

_started = []  # everything that must be gone at the end
_networks = []
_folder = None
_program = None


class Failed(Exception):
    """A check did not hold."""


class Skip(Exception):
    """Something that the test needs is not here."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def program():
    return _program


def scratch(name):
    """A new folder below the test's own."""
    path = Path(tempfile.mkdtemp(prefix=name + "-", dir=_folder))
    return path


def say(text):
    print(text, flush=True)


def wait_for(condition, what, seconds=60.0):
    """Asks until `condition()` is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def clean_environment(extra=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
    environment.update(extra or {})
    return environment


class Result:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return (f"$ {' '.join(self.command)}\nexit {self.code}\n--- stdout\n{self.out[-3000:]}"
                f"\n--- stderr\n{self.err[-3000:]}")


def millrace(*args, timeout=120, env=None, stdin=None, cwd=None):
    """One command to its end. A command that does not end is a failure, never waited for longer."""
    command = [str(_program), *map(str, args)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE if stdin is not None
                             else subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, errors="replace",
                             env=clean_environment(env), cwd=cwd or SOURCE)
    _started.append(child)
    try:
        out, err = child.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise Failed(f"no end after {timeout} s: {Result(command, 'none', out, err)}") from None
    return Result(command, child.returncode, out, err)


def succeed(*args, **options):
    result = millrace(*args, **options)
    check(result.code == 0, f"a command failed: {result}")
    return result


def fail(*args, words=(), **options):
    """The command must fail with one message that holds all `words`: cause and remedy."""
    result = millrace(*args, **options)
    check(result.code not in (0, None), f"this should have failed: {result}")
    check(result.code > 0, f"this was killed by a signal: {result}")
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    check(len(errors) == 1, f"not exactly one line 'error: …': {result}")
    for word in words:
        check(word.lower() in errors[0].lower(), f"'{word}' is not in the message: {result}")
    say(f"    {errors[0][:300]}")
    return result


class Network:
    """`millrace up`, with the shortcuts that tests need."""

    def __init__(self, *args, home=None, env=None, command=None, seconds=90):
        self.home = home or scratch("home")
        self.log = open(self.home.parent / (self.home.name + ".up.log"), "ab")
        if command is None:
            command = [str(_program), "up", "--json", "--home", str(self.home), *map(str, args)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, env=clean_environment(env), cwd=SOURCE)
        _started.append(self.process)
        _networks.append(self)
        self.ready = self._read_ready(seconds)
        self.join = self.ready["join"]
        self.rpc = self.ready["rpc"]

    def _read_ready(self, seconds):
        pipe, text, end = self.process.stdout, b"", time.monotonic() + seconds
        while not text.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise Failed(f"`up` was not ready after {seconds} s")
            piece = os.read(pipe.fileno(), 65536)
            if not piece:
                self.process.wait()
                raise Failed(f"`up` ended with {self.process.returncode}: {self.errors()}")
            text += piece
        return json.loads(text)

    def errors(self):
        return Path(self.log.name).read_text(errors="replace")[-4000:]

    def pid(self, role):
        """The role's process now: restarts change it. The lock file names it."""
        return int((self.home / "local" / role / "run/lock").read_text().split()[0])

    def log_of(self, role):
        path = self.home / "local" / role / "process.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, *args, job=QUICK_JOB, **options):
        """`millrace run` of a job; returns (Result, out folder, summary or None)."""
        out = scratch("out")
        summary = out.parent / (out.name + ".json")
        result = millrace("run", "--home", self.home, *job_flags(job), "--out", out, "--summary",
                          summary, "--quiet", *args, **{"timeout": 240, **options})
        return result, out, json.loads(summary.read_text()) if summary.exists() else None

    def ask(self, *args, **options):
        """A command with --json; its one object."""
        return json.loads(succeed(*args, "--home", self.home, "--json", **options).out)

    def control(self, op, role="agent-0", seconds=150, **more):
        """One request on a daemon's control channel (docs/operations.md)."""
        run = self.home / "local" / role / "run"
        named = run / "control.path"
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(seconds)
            channel.connect(named.read_text().strip() if named.exists()
                            else str(run / "control.sock"))
            channel.sendall(json.dumps({"op": op, **more}).encode() + b"\n")
            text = b""
            while not text.endswith(b"\n"):
                piece = channel.recv(65536)
                check(piece, f"{role} ended before it had answered {op}")
                text += piece
        answer = json.loads(text.splitlines()[0])
        check("error" not in answer, f"{role} refused {op}: {answer}")
        return answer

    def jobs(self):
        return self.ask("job", "ls")["jobs"]

    def stop(self, seconds=60):
        """Ends the network as a user does. Nothing of it may be left."""
        if self.process.poll() is not None:
            return
        pids = family(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"`up` did not end {seconds} s after SIGTERM") from None
        check(code == 0, f"`up` ended with {code}: {self.errors()}")
        wait_for(lambda: not [p for p in pids if alive(p)], "every process of the network to end",
                 10)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()


# ---- processes ----------------------------------------------------------------------------------

def stat_of(pid):
    """(state, parent, start) or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return fields[0], int(fields[1]), fields[19]


def alive(process):
    """Is the process (pid, start) of `family` still there? A number used again is another one."""
    stat = stat_of(process[0])
    return stat is not None and stat[0] != "Z" and stat[2] == process[1]


def family(pid):
    """The process and everything below it, as (pid, start)."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = stat_of(int(entry))
            if stat:
                children.setdefault(stat[1], []).append((int(entry), stat[2]))
    stat = stat_of(pid)
    found = [(pid, stat[2])] if stat else []
    for known in found:
        found.extend(children.get(known[0], []))
    return found


def end_everything():
    """After a failure too. Returns what was still running although its network was stopped."""
    left = []
    for child in _started:
        if child.poll() is not None:
            continue
        left += family(child.pid)
        for number, sign in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            child.send_signal(number)
            try:
                child.wait(sign)
                break
            except subprocess.TimeoutExpired:
                pass
    for known in left:
        if alive(known):
            try:
                os.kill(known[0], signal.SIGKILL)
            except ProcessLookupError:
                pass
    return left


def dump_logs():
    for network in _networks:
        say(f"\n==== {network.home}\n{network.errors()}")
        for path in sorted(network.home.glob("*/*/process.log")):
            lines = path.read_text(errors="replace").splitlines()[-40:]
            say(f"\n---- {path}\n" + "\n".join(lines))
        for path in sorted(network.home.glob("*/up/log/up.log")):
            say(f"\n---- {path}\n" + "\n".join(path.read_text().splitlines()[-40:]))


# ---- modules ------------------------------------------------------------------------------------

ENDLESS = """(module (memory (export "memory") 1)
  (func (export "_start") (loop $again (br $again))))"""


def compile_wat(text):
    """A module from its text; skips the test where wabt is not installed."""
    compiler = shutil.which("wat2wasm")
    if compiler is None:
        raise Skip("wat2wasm is not installed (package wabt): run tools/install.sh test")
    folder = scratch("module")
    (folder / "task.wat").write_text(text)
    subprocess.run([compiler, str(folder / "task.wat"), "-o", str(folder / "task.wasm")], check=True)
    return folder / "task.wasm"


# ---- jobs ---------------------------------------------------------------------------------------

_modules = []


def render_module():
    """render.wasm: of the program's own build, else of another, else built here."""
    if not _modules:
        for build in (_program.parents[1], SOURCE / "build/release", SOURCE / "build"):
            if (build / "examples/render.wasm").exists():
                _modules.append(build / "examples/render.wasm")
                break
        else:
            folder = scratch("render")
            made = subprocess.run([str(SOURCE / "examples/render/build.sh"), str(folder)],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
            if made.returncode != 0:
                raise Skip(f"render.wasm cannot be built: {made.stderr[-500:]}")
            _modules.append(folder / "render.wasm")
    return _modules[0]


def job_flags(job=QUICK_JOB):
    """The flags of `run` for a job file; the example's module lies in a build folder."""
    return ("--job", job, "--module", render_module()) if job == QUICK_JOB else ("--job", job)


def tree(folder):
    """{path: bytes} of everything below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


_local = {}


def local_outputs(job=QUICK_JOB):
    """What the job writes when it runs here, without the network. Computed once for each job."""
    if job not in _local:
        out = scratch("local")
        succeed("run", "--local", "--quiet", *job_flags(job), "--out", out)
        _local[job] = tree(out)
        check(_local[job], "the local run wrote nothing")
    return _local[job]


def check_outputs(out, job=QUICK_JOB):
    expected, found = local_outputs(job), tree(out)
    check(sorted(expected) == sorted(found),
          f"other files than locally: {sorted(set(expected) ^ set(found))}")
    different = [path for path in expected if expected[path] != found[path]]
    check(not different, f"these files differ from the local run: {different}")


def cost(fuel, price):
    """Wei for fuel at a price in wei per 10^9 fuel, rounded up as in types/settlement."""
    return -(-fuel * price // 10**9)


def payments(shown):
    """Recomputed from `job show --json`: {provider: (accepted attempts, wei)}."""
    totals = {}
    for task in shown["tasks"]:
        paid_providers = set()
        for attempt in task["attempts"]:
            paid, right = int(attempt["paid"]), attempt.get("result") == task.get("result")
            where = f"task {task['index']}, {attempt['provider']}"
            if paid:
                check(right and "result" in attempt, f"a wrong result was paid: {where}")
                check(attempt["provider"] not in paid_providers, f"paid twice: {where}")
                paid_providers.add(attempt["provider"])
                due = cost(attempt["fuel"], int(attempt["price"]))
                check(paid == due, f"paid {paid}, due {due}: {where}")
                count, sum_ = totals.get(attempt["provider"], (0, 0))
                totals[attempt["provider"]] = (count + 1, sum_ + paid)
    return totals


def check_money(summary, shown):
    """Every coin that left the deposit reached a provider, for an accepted result, once."""
    money = summary["money"]
    check(money["conserved"] is True, f"money is not conserved: {money}")
    check(summary["settled"] is True, "not everything was settled")
    totals = payments(shown)
    earned = {p["provider"]: int(p["earned"]) for p in summary["providers"] if int(p["earned"])}
    check(earned == {k: v[1] for k, v in totals.items()},
          f"earned {earned} is not accepted fuel × price {totals}")
    check(int(money["deposit_spent"]) == sum(earned.values()), f"sums differ: {money}, {earned}")
    for provider in summary["providers"]:
        check(provider.get("paid_on_chain", provider["earned"]) == provider["earned"],
              f"the chain shows another payment than the vouchers: {provider}")


def combine(summary, before, after):
    """What `run` adds to the agent's summary from two snapshots of the chain."""
    start = {p["provider"]: int(p["paid_total"]) for p in before["providers"]}
    paid = {p["provider"]: int(p["paid_total"]) - start.get(p["provider"], 0)
            for p in after["providers"]}
    spent = int(before["deposit_total"]) - int(after["deposit_total"])
    for provider in summary["providers"]:
        provider["paid_on_chain"] = str(paid[provider["provider"]])
    summary["money"] = {"deposit_spent": str(spent), "paid_to_providers": str(sum(paid.values())),
                        "conserved": spent == sum(paid.values()) == int(summary["spent"])}
    return summary


def account_of(network, role):
    """The address of a role's account, as its keystore says it, in lower case."""
    text = (network.home / "local" / role / "keys/account.json").read_text()
    return "0x" + json.loads(text)["address"].lower().removeprefix("0x")


def main(test, needs_program=True):
    """Runs test() and exits as ctest expects."""
    global _program, _folder
    if needs_program:
        check(len(sys.argv) >= 2, "the first argument is the path of millrace")
        _program = Path(sys.argv[1]).resolve()
    _folder = tempfile.mkdtemp(prefix="millrace-e2e-")
    started, status = time.monotonic(), 1
    # ctest ends a late test with SIGTERM or the user presses Ctrl-C: clean up then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        test()
        left = end_everything()
        check(not left, f"processes were left: {left}")
        status = 0
        say(f"passed in {time.monotonic() - started:.1f} s")
    except Skip as why:
        say(f"skipped: {why}")
        status = SKIPPED
    except Failed as why:
        say(f"FAILED: {why}")
        say("".join(traceback.format_stack(None, 0)))
        traceback.print_exc(file=sys.stdout)
        dump_logs()
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        dump_logs()
    finally:
        end_everything()
        if status == 0 or not os.environ.get("MILLRACE_E2E_KEEP"):
            shutil.rmtree(_folder, ignore_errors=True)
        else:
            say(f"kept: {_folder}")
    sys.stdout.flush()
    sys.exit(status)
