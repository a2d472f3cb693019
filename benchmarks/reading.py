"""Reading data: ``perijove://`` beside the clients that people use, on one store without and with latency."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.data_store import LARGE, small
from benchmarks.measure import Samples, alternate, milliseconds
from benchmarks.processes import Processes
from benchmarks.reading_clients import CLIENTS, OURS, Client, Store
from benchmarks.report import Figure, Goal, Section

if TYPE_CHECKING:
    from benchmarks.run import Bench

#: ``direct`` reading is to be at least 0.9 times as fast as the best client: it may take so many times as long.
SLOWEST = 1 / 0.9
LATENCIES_MS = (0, 30)
RANGE_BYTES = 64 << 10


@dataclass(frozen=True)
class Size:
    """How much is read."""

    large_bytes: int
    small_files: int
    keys: int
    ranges: int
    rounds: int


FULL = Size(large_bytes=1 << 30, small_files=5000, keys=1_000_000, ranges=1000, rounds=5)
QUICK = Size(large_bytes=32 << 20, small_files=100, keys=10_000, ranges=100, rounds=2)

#: What is measured: its name, and the method of a client.
TASKS: Mapping[str, str] = {
    "read {large} from beginning to end": "read_through",
    "{ranges} random ranges of 64 KiB": "read_ranges",
    "{small_files} files of 20 kB": "read_files",
    "the first 200 of {keys} keys": "list_first",
}


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = QUICK if bench.quick else FULL
    figures: list[Figure] = []
    notes: list[str] = []
    for latency_ms in LATENCIES_MS:
        with Processes(bench.new_directory(f"reading-{latency_ms}")) as processes, ExitStack() as stack:
            store = _store(processes, size, latency_ms, stack)
            for what, task in TASKS.items():
                shown = what.format(
                    large=f"{size.large_bytes >> 20} MiB", ranges=size.ranges, small_files=size.small_files,
                    keys=f"{size.keys:,}",
                )  # fmt: skip
                samples = await _by_turns(store, size, task)
                figures.append(_figure(f"{shown}, {latency_ms} ms", samples))
                notes.append(_all(f"{shown}, {latency_ms} ms", samples))
    return Section(
        "Reading",
        "`perijove://` of a `direct` dataset and other clients on one S3 server on this machine, which waits 0 or "
        f"30 ms before each answer; {size.rounds} runs each by turns; nothing is kept on disk. The peer is the best of "
        "the others; listed below are all.",
        figures,
        notes,
    )


@contextmanager
def _restored_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def _store(processes: Processes, size: Size, latency_ms: int, stack: ExitStack) -> Store:
    command = [sys.executable, "-m", "benchmarks.data_store", "--latency-ms", str(latency_ms)]
    command += ["--large-bytes", str(size.large_bytes), "--small-files", str(size.small_files)]
    processes.start("store", [*command, "--keys", str(size.keys)])
    processes.wait("store", lambda: '"control"' in processes.log("store"), 120)
    told = json.loads(next(line for line in processes.log("store").splitlines() if line.startswith("{")))
    stack.enter_context(_restored_environment())
    os.environ |= {
        "PERIJOVE_CONTROL_URL": told["control"], "JUPYTERHUB_API_TOKEN": told["token"], "PERIJOVE_CACHE_BYTES": "0",
    }  # fmt: skip
    return Store(endpoint=told["endpoint"])


async def _by_turns(store: Store, size: Size, task: str) -> dict[str, Samples]:
    clients = {name: make(store) for name, make in CLIENTS.items()}
    able = {name: client for name, client in clients.items() if hasattr(client, task)}
    samples = {name: Samples("ms") for name in able}
    work = _work(task, size)

    async def step(name: str, client: Client, turn: int) -> None:
        arguments = work(turn)
        with milliseconds(samples[name]):
            count = await getattr(client, task)(*arguments)
        if count != _expected(task, size):
            raise AssertionError(f"{name} read {count} bytes or names in {task}, not {_expected(task, size)}")

    for name, client in able.items():
        await step(name, client, -1)  # off the record: connections, keys, imports
        samples[name].values.clear()
    steps: list[Callable[[int], Awaitable[None]]] = [partial(step, name, client) for name, client in able.items()]
    await alternate(size.rounds, *steps)
    for client in clients.values():
        await asyncio.to_thread(client.close)
    return samples


def _work(task: str, size: Size) -> Callable[[int], tuple[Any, ...]]:
    """What each turn reads: the same for all clients, and other ranges in every turn."""

    def of(turn: int) -> tuple[Any, ...]:
        if task == "read_ranges":
            choose = random.Random(turn)  # noqa: S311 - no secret
            starts = [choose.randrange(size.large_bytes - RANGE_BYTES) for _ in range(size.ranges)]
            return (LARGE, [(start, start + RANGE_BYTES) for start in starts])
        if task == "read_files":
            return ([small(number) for number in range(size.small_files)],)
        return (LARGE,) if task == "read_through" else ("many", 200)

    return of


def _expected(task: str, size: Size) -> int:
    return {
        "read_through": size.large_bytes,
        "read_ranges": size.ranges * RANGE_BYTES,
        "read_files": size.small_files * 20_000,
        "list_first": 200,
    }[task]


def _figure(what: str, samples: dict[str, Samples]) -> Figure:
    best = min((name for name in samples if name != OURS), key=lambda name: samples[name].median)
    return Figure(what, samples[OURS], Goal(SLOWEST, "ratio"), best, samples[best])


def _all(what: str, samples: dict[str, Samples]) -> str:
    ordered = sorted(samples.items(), key=lambda item: item[1].median)
    return f"{what}: " + ", ".join(f"{name} {each.median:.0f} ms" for name, each in ordered) + "."
