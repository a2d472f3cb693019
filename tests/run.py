"""Every check and test, tier by tier. A tier that fails does not keep the next from running; the summary tells.

``python tests/run.py`` runs all, ``python tests/run.py lint unit`` some. The exit code is 0 when all of them passed.
Checks that keep one core busy run two at a time; what such a check prints is shown when it has ended.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
#: Two at a time, a file in one of them as a whole.
IN_PAIRS = ["-n", "2", "--dist", "loadfile"]
#: One more than there are cores: most of these tests wait, for servers, sweeps and graces.
IN_THREES = ["-n", "3", "--dist", "loadfile"]
OURS = ["hub_ext", "server_ext", "demo", "docs", "tests", "benchmarks"]
#: What one machine of the continuous integration has.
CORES = 2


@dataclass(frozen=True)
class Check:
    """One command of a tier, and how many cores it keeps busy."""

    tier: str
    command: list[str]
    cores: int = CORES

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


def _pytest(tier: str, *options: str, cores: int = CORES) -> Check:
    return Check(tier, [sys.executable, "-m", "pytest", "-q", *options, f"tests/{tier}"], cores)


CHECKS = [
    Check("lint", [str(BIN / "ruff"), "check", *OURS], 1),
    Check("lint", [str(BIN / "ruff"), "format", "--check", *OURS], 1),
    Check("lint", [str(BIN / "mypy")], 1),
    Check("lint", ["npm", "run", "--silent", "lint"], 1),
    # --fail-on-warning: a link that leads nowhere is an error
    Check(
        "docs", [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", "docs/_build"], 1
    ),
    Check("unit", ["npm", "test", "--silent"], 1),
    _pytest("unit", *IN_PAIRS),
    _pytest("server", *IN_PAIRS),
    _pytest("hub", *IN_THREES),
    _pytest("faults", *IN_PAIRS),
    _pytest("integration", cores=1),
    _pytest("soak", "-s", cores=1),
    _pytest("demo", cores=1),
    Check("ui", [sys.executable, "ui-tests/run.py"]),
]
TIERS = list(dict.fromkeys(check.tier for check in CHECKS))


async def _run(check: Check) -> Outcome:
    """Runs one check; with all the cores to itself it prints as it goes, else when it has ended."""
    begun = time.monotonic()
    if check.cores == CORES:
        print(f"\n=== {check.shown}", flush=True)
        process = await asyncio.create_subprocess_exec(*check.command, cwd=ROOT)
        code = await process.wait()
    else:
        with tempfile.TemporaryFile() as printed:
            process = await asyncio.create_subprocess_exec(*check.command, cwd=ROOT, stdout=printed, stderr=printed)
            code = await process.wait()
            printed.seek(0)
            print(f"\n=== {check.shown}\n{printed.read().decode(errors='replace')}", end="", flush=True)
    return Outcome(check, code == 0, time.monotonic() - begun)


async def run_checks(checks: list[Check]) -> list[Outcome]:
    """Runs the checks in their order, each as soon as there are cores for it; the outcomes come in the same order."""
    running: set[asyncio.Task[Outcome]] = set()
    tasks: list[asyncio.Task[Outcome]] = []
    cores = dict[asyncio.Task[Outcome], int]()
    for check in checks:
        while running and check.cores + sum(cores[task] for task in running) > CORES:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_run(check))
        cores[task] = check.cores
        running.add(task)
        tasks.append(task)
    return await asyncio.gather(*tasks)


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
    print(f"\nchecks: {len(outcomes) - failed} passed, {failed} failed, in {(time.monotonic() - begun) / 60:.1f} min")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
