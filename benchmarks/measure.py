"""How things are measured: alternating runs, medians, and the machine that they ran on."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]

#: The packages whose versions decide the figures.
PACKAGES = (
    "perijove", "jupyterhub", "jupyterhub-credit-service", "sqlalchemy", "psycopg", "tornado", "pydantic",
    "jupyter_server", "dask-gateway", "distributed", "bokeh",
)  # fmt: skip


@dataclass
class Samples:
    """What was measured of one thing, one number for each run, in one unit."""

    unit: str
    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Remember one run."""
        self.values.append(value)

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """What 95 of 100 runs do not exceed; the greatest where there are fewer than 20 runs."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    @property
    def greatest(self) -> float:
        """The worst run."""
        return max(self.values)


@contextmanager
def milliseconds(into: Samples) -> Iterator[None]:
    """Time what happens inside, in milliseconds."""
    begun = time.perf_counter()
    yield
    into.add((time.perf_counter() - begun) * 1000)


async def alternate(rounds: int, *steps: Callable[[int], Awaitable[None]]) -> None:
    """Run the steps by turns, ``rounds`` times each, so that a slower or busier minute falls on all of them.

    Every second round goes backwards: what comes after what, and finds its caches so, makes no difference either.
    """
    gc.collect()
    for number in range(rounds):
        for step in steps if number % 2 == 0 else reversed(steps):
            await step(number)


def busy_share(seconds: float = 1.0) -> float:
    """The share of the machine that others use, watched for some seconds in which we do nothing ourselves."""
    return float(psutil.cpu_percent(interval=seconds)) / 100


def machine() -> dict[str, str]:
    """What the figures depend on: machine, versions, and the state of the source."""
    memory_gib = psutil.virtual_memory().total / 2**30
    facts = {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory_gib:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts | {"commit": _commit()}


def others_note(share: float) -> str:
    """In words, whether the machine was free for a measurement."""
    return "quiet" if share < 0.1 else f"busy: others used {share:.0%} of the machine just before"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: Sequence[str] | str) -> str:
        command = ["git", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{changed}"
