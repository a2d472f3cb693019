"""Every check and test, tier by tier. A tier that fails does not keep the next from running; the summary tells.

``python tests/run.py`` runs all, ``python tests/run.py lint unit`` some. The exit code is 0 when all of them passed.
Most tests wait: for servers, sweeps and graces. So more of them run at a time than there are cores, and short checks
beside long ones; what a short one prints is shown when it has ended.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
#: Two at a time, a file in one of them as a whole: of what keeps a core busy.
IN_PAIRS = ["-n", "2", "--dist", "loadfile"]
#: Of what waits most of its time.
IN_THREES = ["-n", "3", "--dist", "loadfile"]
OURS = ["hub_ext", "server_ext", "demo", "docs", "helm", "images", "tests", "benchmarks"]
#: How often what a check prints is passed on.
SHOW_SECONDS = 0.5
#: How much room there is on one machine of the continuous integration, which has two cores; beside a long check one
#: short one has room.
ROOM, LONG, SHORT = 4, 3, 1
#: The lines of pytest and of Playwright that say what failed, where and why, and how many of them the summary repeats:
#: of a long run, often only the end is kept.
TELLING = re.compile(
    rb"(FAILED|ERROR|E  ) .+|\s+\d+\) .+|\s*(\w+Error|Error|Expected.*|Received.*|Locator|Timeout.*): .+|\s*> +\d+ \|.+"
)
TELLING_LINES = 16
TELLING_COLUMNS = 160


@dataclass(frozen=True)
class Check:
    """One command of a tier, and how much room it takes."""

    tier: str
    command: list[str]
    room: int = SHORT

    @property
    def shown(self) -> str:
        """The command as a person would write it, with the tier before it."""
        return f"{self.tier}: " + " ".join(Path(part).name if part.startswith("/") else part for part in self.command)


@dataclass(frozen=True)
class Outcome:
    """How a check ended."""

    check: Check
    passed: bool
    seconds: float
    printed: bytes

    def telling_lines(self) -> list[str]:
        """What it printed of its failures, in short."""
        colours = re.compile(rb"\x1b\[[0-9;]*m")
        lines = [colours.sub(b"", line) for line in self.printed.splitlines()]
        found = [line.decode(errors="replace")[:TELLING_COLUMNS] for line in lines if TELLING.fullmatch(line)]
        if not found:  # of another tool: what it said last
            found = [line.decode(errors="replace")[:TELLING_COLUMNS] for line in lines[-TELLING_LINES:]]
        return list(dict.fromkeys(found))[:TELLING_LINES]


def _pytest(tier: str, *options: str, room: int = SHORT) -> Check:
    return Check(tier, [sys.executable, "-m", "pytest", "-q", *options, f"tests/{tier}"], room)


CHECKS = [
    Check("lint", [str(BIN / "ruff"), "check", *OURS]),
    Check("lint", [str(BIN / "ruff"), "format", "--check", *OURS]),
    Check("lint", [str(BIN / "mypy")]),
    Check("lint", ["npm", "run", "--silent", "lint"]),
    # --fail-on-warning: a link that leads nowhere is an error
    Check("docs", [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", "docs/_build"]),
    Check("unit", ["npm", "test", "--silent"]),
    _pytest("unit", *IN_PAIRS, room=LONG),
    _pytest("server", *IN_PAIRS, room=LONG),
    _pytest("hub", *IN_THREES, room=LONG),
    _pytest("faults", *IN_THREES, room=LONG),
    _pytest("demo"),
    _pytest("images"),
    _pytest("soak", "-s"),
    _pytest("integration"),
    _pytest("helm"),
    # alone: a browser needs the machine, and its demo takes up the data that the one before has made
    Check("ui", [sys.executable, "ui-tests/run.py"], ROOM),
    Check("ui", [sys.executable, "ui-tests/large.py"], ROOM),
]
TIERS = list(dict.fromkeys(check.tier for check in CHECKS))


async def _run(check: Check) -> Outcome:
    """Runs one check; a long one prints as it goes, another when it has ended."""
    begun, shows = time.monotonic(), check.room >= LONG
    if shows:
        print(f"\n=== {check.shown}", flush=True)
    # a file and not a pipe: what a test has left behind may hold that open for ever
    with tempfile.TemporaryFile() as printed:
        process = await asyncio.create_subprocess_exec(*check.command, cwd=ROOT, stdout=printed, stderr=printed)
        waiting, shown_bytes = asyncio.ensure_future(process.wait()), 0
        while not waiting.done():
            await asyncio.wait([waiting], timeout=SHOW_SECONDS)
            if shows:
                shown_bytes += _show(printed, shown_bytes)
        whole = os.pread(printed.fileno(), os.fstat(printed.fileno()).st_size, 0)
    if shows:
        sys.stdout.buffer.write(whole[shown_bytes:])
        sys.stdout.flush()
    else:
        print(f"\n=== {check.shown}\n{whole.decode(errors='replace')}", end="", flush=True)
    return Outcome(check, waiting.result() == 0, time.monotonic() - begun, whole)


def _show(printed: IO[bytes], start: int) -> int:
    """Print what has come since ``start``; how much that is. The place in the file is the child's to move."""
    part = os.pread(printed.fileno(), 1 << 20, start)
    sys.stdout.buffer.write(part)
    sys.stdout.flush()
    return len(part)


async def run_checks(checks: list[Check]) -> list[Outcome]:
    """Runs the checks, each as soon as there is room for it; the outcomes come in the order of the checks."""
    waiting, running = list(checks), dict[asyncio.Task[Outcome], Check]()
    outcomes: list[Outcome] = []
    while waiting or running:
        chosen = _next(waiting, list(running.values()))
        if chosen is not None:
            waiting.remove(chosen)
            running[asyncio.create_task(_run(chosen))] = chosen
            continue
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del running[task]
            outcomes.append(task.result())
    return sorted(outcomes, key=lambda outcome: checks.index(outcome.check))


def _next(waiting: list[Check], running: list[Check]) -> Check | None:
    """What starts now: the first that waits; beside a long one that runs, a short one for which there is room."""
    free = ROOM - sum(check.room for check in running)
    is_beside_a_long_one = any(check.room >= LONG for check in running)
    candidates = waiting if is_beside_a_long_one else waiting[:1]
    return next((check for check in candidates if check.room <= free), None)


def main(names: list[str]) -> int:
    """Run the tiers and print the summary."""
    unknown = set(names) - set(TIERS)
    if unknown:
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    begun = time.monotonic()
    outcomes = asyncio.run(run_checks([check for check in CHECKS if not names or check.tier in names]))
    print("\n=== summary")
    for outcome in outcomes:
        print(f"{'passed' if outcome.passed else 'FAILED':8}{outcome.seconds:7.1f} s  {outcome.check.shown}")
    failed = sum(not outcome.passed for outcome in outcomes)
    for outcome in outcomes:
        if not outcome.passed:
            print(f"\n--- {outcome.check.shown}", *outcome.telling_lines(), sep="\n")
    print(f"\nchecks: {len(outcomes) - failed} passed, {failed} failed, in {(time.monotonic() - begun) / 60:.1f} min")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
