"""Reading data: ``perijove://`` and the façade beside the clients that people use, without and with latency."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.data_store import FEW, LARGE, MANY, PART, SMALL_BYTES, small
from benchmarks.measure import Samples, alternate, milliseconds
from benchmarks.processes import Processes
from benchmarks.reading_clients import CLIENTS, DIRECT, FACADES, OURS, PROXIED, Client, Store
from benchmarks.reading_peers import NOT_INSTALLED, GivenUp, peers, versions
from benchmarks.reading_rows import ROWS, first_rows
from benchmarks.report import Figure, Goal, Section, Table, number
from tests.support.control import FakeControl
from tests.support.facade import running_facade

if TYPE_CHECKING:
    from benchmarks.run import Bench

#: Reading is to be so many times as fast as the best client: it may take that many times as long.
SLOWEST = {DIRECT: 1 / 0.9, PROXIED: 1 / 0.5, **dict.fromkeys(FACADES, 1 / 0.5)}
#: The first rows of a directory, through a Jupyter server, from a store without latency.
ROWS_MS = 300
RANGE_BYTES = 64 << 10
#: A client that has taken so long in all for one task has no further turn.
CLIENT_SECONDS = 8.0
STORE_SECONDS = 120.0


@dataclass(frozen=True)
class Size:
    """How much is read."""

    large_bytes: int
    small_files: int
    keys: int
    ranges: int
    rounds: int
    servers: int
    list_seconds: float
    latencies_ms: Sequence[int]


FULL = Size(
    large_bytes=1 << 30,
    small_files=5000,
    keys=1_000_000,
    ranges=1000,
    rounds=9,
    servers=2,
    list_seconds=10,
    latencies_ms=(0, 30),
)
QUICK = Size(
    large_bytes=32 << 20,
    small_files=100,
    keys=10_000,
    ranges=100,
    rounds=1,
    servers=1,
    list_seconds=1,
    latencies_ms=(30,),
)

#: What is measured: its name, and the method of a client.
TASKS: Mapping[str, str] = {
    "read {large} from beginning to end": "read_through",
    "{ranges} random ranges of 64 KiB": "read_ranges",
    "{small_files} files of 20 kB": "read_files",
    "the first {rows} of {keys} keys": "list_first",
}


@dataclass
class Taken:
    """What one client took for one task: ``share`` is one in how much of it was done, ``given_up`` that it was not."""

    samples: Samples = field(default_factory=lambda: Samples("ms"))
    share: int = 1
    given_up: bool = False

    @property
    def text(self) -> str:
        """The median, with what it is."""
        return f"{'> ' if self.given_up else '≈ ' if self.share > 1 else ''}{number(self.samples.median)}"


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = QUICK if bench.quick else FULL
    section = Section("Reading", _data(size))
    for latency_ms in size.latencies_ms:
        directory = bench.new_directory(f"reading-{latency_ms}")
        with Processes(directory) as processes, ExitStack() as stack:
            stack.enter_context(restored_environment())
            told = start_store(
                processes, latency_ms, "--large-bytes", size.large_bytes, "--small-files", size.small_files,
                "--keys", size.keys,
            )  # fmt: skip
            environment = {"PERIJOVE_CONTROL_URL": told["control"], "JUPYTERHUB_API_TOKEN": told["token"]}
            os.environ |= environment | {"PERIJOVE_CACHE_BYTES": "0"}
            facade = stack.enter_context(running_facade(FakeControl(url=told["control"])))
            os.environ |= {"PERIJOVE_DATA_URL": facade.url, "PERIJOVE_DATA_KEY": facade.key}
            rows = await first_rows(directory, environment, size.servers, 5 * size.rounds)
            for delivery, taken in rows.items():
                what = f"{delivery}: first {ROWS} of {size.keys:,} keys by the route of the Jupyter server"
                goal = {0: ROWS_MS}.get(latency_ms)
                section.figures.append(
                    Figure(f"{what}, {latency_ms} ms", taken.later, Goal(goal, "p95") if goal else None)
                )
                if taken.first.values:
                    what = f"{what}, which has just started, {latency_ms} ms"
                    section.figures.append(Figure(what, taken.first, Goal(goal, "greatest") if goal else None))
            store = Store(told["endpoint"], processes, size.list_seconds)
            clients = {name: make(store) for name, make in CLIENTS.items()} | await peers(store)
            lines = []
            for what, task in TASKS.items():
                said, shown = await _by_turns(clients, size, task), _said(what, size)
                section.figures += _figures(f"{shown}, {latency_ms} ms", said)
                lines.append(_line(shown, clients, task, said))
            section.tables.append(Table(f"Medians in ms, at {latency_ms} ms", ["", *clients], lines))
            for client in clients.values():
                await client.close()
    section.notes += _notes(clients)
    return section


def _data(size: Size) -> str:
    return (
        "`perijove://`, our façade on loopback, and other clients on one S3 server on this machine, which waits 0 or "
        f"30 ms before each answer. Up to {size.rounds} runs each by turns, fewer where they take long; nothing is "
        "kept on disk. `direct` is to be at least 0.9 times as fast as the best of the others, `proxied` 0.5 times: "
        "times may be 1.11 and 2 times as long. The façade is read by clients of others, and has the time of the one "
        "that is the fastest through it, as the best of the others is the fastest without."
    )


def _notes(clients: Mapping[str, Client]) -> list[str]:
    reasons = {
        f"–: {name} cannot do this by itself: {reason}."
        for name, client in clients.items()
        for reason in client.cannot.values()
    }
    notes = [
        *sorted(reasons),
        "≈: a part was read, one in 16 of the large file or one in 50 of the small ones, and its time multiplied; such "
        "a client is not taken for the best. >: it was given up.",
        "Store, façade and client share the processor, so what goes through a façade competes with both.",
        "rclone: `cat` from beginning to end, `copy` of small files to the disk, `lsf`, each with its start; ranges "
        "from `rclone rcd --rc-serve`. jupyter-fs and jupyter-drives: by the routes that their panels ask.",
    ]
    installed = "rclone" in clients
    return [*notes, f"As installed from PyPI: {versions()}." if installed else f"Not measured: {NOT_INSTALLED}."]


@contextmanager
def restored_environment() -> Iterator[None]:
    """What is put into the environment inside is gone afterwards."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def start_store(processes: Processes, latency_ms: int, *options: object) -> dict[str, str]:
    """A store with a control in a process of its own: where they are."""
    command = [sys.executable, "-m", "benchmarks.data_store", "--latency-ms", str(latency_ms), *map(str, options)]
    processes.start("store", command)
    processes.wait("store", lambda: '"control"' in processes.log("store"), STORE_SECONDS)
    told: dict[str, str] = json.loads(
        next(line for line in processes.log("store").splitlines() if line.startswith('{"endpoint"'))
    )
    return told


async def _by_turns(clients: Mapping[str, Client], size: Size, task: str) -> dict[str, Taken]:
    able = {name: client for name, client in clients.items() if task not in client.cannot}
    taken = {name: Taken(share=client.share.get(task, 1)) for name, client in able.items()}
    spent_seconds = dict.fromkeys(able, 0.0)

    async def step(name: str, turn: int) -> None:
        if spent_seconds[name] > CLIENT_SECONDS:
            return
        of, begun = taken[name], time.monotonic()
        arguments, expected = _work(task, size, of.share, turn)
        run = Samples("ms")
        try:
            with milliseconds(run):
                count = await getattr(able[name], task)(*arguments)
        except GivenUp as gave_up:
            of.given_up = True
            of.samples.add(gave_up.seconds * 1000)
        else:
            of.samples.add(run.median * of.share)
            if count != expected:
                raise AssertionError(f"{name} read {count} bytes or names in {task}, not {expected}")
        spent_seconds[name] += time.monotonic() - begun

    for client in able.values():  # off the record: connections, keys, imports
        await getattr(client, task)(*_warm_up(task))
    await alternate(size.rounds, *(_bound(step, name) for name in able))
    return taken


def _bound(step: Callable[[str, int], Any], name: str) -> Callable[[int], Any]:
    return lambda turn: step(name, turn)


def _warm_up(task: str) -> tuple[Any, ...]:
    """A little of the same."""
    return {
        "read_through": (small(0),),
        "read_ranges": (PART, [(0, RANGE_BYTES)]),
        "read_files": ([small(0)],),
        "list_first": (FEW, 1),
    }[task]


def _work(task: str, size: Size, share: int, turn: int) -> tuple[tuple[Any, ...], int]:
    """What each turn reads, and how many bytes or names that are: the same for all, and other ranges in each turn."""
    if task == "read_through":
        return (LARGE if share == 1 else PART,), size.large_bytes // share
    if task == "read_files":
        paths = [small(index) for index in range(size.small_files // share)]
        return (paths,), len(paths) * SMALL_BYTES
    if task == "list_first":
        return (MANY, ROWS), ROWS
    choose = random.Random(turn)  # noqa: S311 - no secret
    starts = [choose.randrange(size.large_bytes - RANGE_BYTES) for _ in range(size.ranges)]
    return (LARGE, [(start, start + RANGE_BYTES) for start in starts]), size.ranges * RANGE_BYTES


def _said(what: str, size: Size) -> str:
    return what.format(
        large=f"{size.large_bytes >> 20} MiB", ranges=size.ranges, small_files=size.small_files, rows=ROWS,
        keys=f"{size.keys:,}",
    )  # fmt: skip


def _figures(what: str, taken: Mapping[str, Taken]) -> list[Figure]:
    """Ours beside the best of the others."""

    def fastest(names: Sequence[str]) -> str:
        return min(names, key=lambda name: taken[name].samples.median)

    best = fastest([name for name, each in taken.items() if name not in OURS and each.share == 1 and not each.given_up])
    return [
        Figure(f"{name}: {what}", taken[name].samples, Goal(SLOWEST[name], "ratio"), best, taken[best].samples)
        for name in (DIRECT, PROXIED, fastest(FACADES))
    ]


def _line(what: str, clients: Mapping[str, Client], task: str, taken: Mapping[str, Taken]) -> list[str]:
    return [what, *(taken[name].text if name in taken else f"– ({clients[name].cannot[task]})" for name in clients)]
