"""Clusters from the Lab: the list, a start, a dashboard, and a server that carries one while its cluster works."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.compute_bed import SITES, ComputeBed, compute_bed
from benchmarks.loop_lag import WRITE_SECONDS, waits
from benchmarks.measure import ROOT, Samples, alternate, milliseconds
from benchmarks.report import Figure, Goal, Section, Table, number
from tests.support.dask_gateway import until

if TYPE_CHECKING:
    from benchmarks.run import Bench

#: What the issue promises.
LIST_MS = 300
DEAD_LIST_MS = 2200
START_SECONDS = 5
CANVAS_MS = 2000
CANVAS_RATIO = 1.25
LOOP_MS = 50
#: The panel asks so often; it is longer than anything that is kept between two lists.
PANEL_SECONDS = 5.0
WORKERS = 2
#: Of each worker that shuffles. With 1 GiB Dask ends them: strips, what is sent and what is put together are
#: more, on a `LocalCluster` as well.
WORKER_GIB = 2
#: A notebook that asks a gateway which hangs is given up after so long.
PEER_SECONDS = 10.0
#: Where clusters are started and shuffled, and whose dashboard is looked at.
SITE = SITES[0]
IDLE_SECONDS = 20.0


@dataclass(frozen=True)
class Size:
    """How often, and how much."""

    lists: int
    dead_lists: int
    starts: int
    canvases: int
    shuffles: int
    shuffle_bytes: int


FULL = Size(lists=15, dead_lists=5, starts=5, canvases=15, shuffles=3, shuffle_bytes=10**9)
QUICK = Size(lists=3, dead_lists=1, starts=1, canvases=5, shuffles=1, shuffle_bytes=64 * 10**6)


@dataclass
class Waits:
    """How long the server's loop let others wait, and an empty one at the same time: all of it, and the worst of each
    stretch."""

    ours: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    ours_worst: Samples = field(default_factory=lambda: Samples("ms"))
    empty_worst: Samples = field(default_factory=lambda: Samples("ms"))

    async def add(self, bed: ComputeBed, begun: float, ended: float) -> None:
        """Take those within a stretch of time, which has just ended."""
        await asyncio.sleep(2 * WRITE_SECONDS)
        ours, empty = (waits(path, begun, ended) for path in (bed.lag_path, bed.empty_path))
        self.ours += ours
        self.empty += empty
        self.ours_worst.add(max(ours))
        self.empty_worst.add(max(empty))

    def rows(self, what: str) -> list[list[str]]:
        """Of a table: the server's, and the empty loop's."""
        loops = {"Jupyter server": self.ours, "empty process": self.empty}
        return [[what, name, *_spread(values)] for name, values in loops.items()]


_WAITS_HEAD = ["while", "loop of", "looks", "median, ms", "99 of 100", "999 of 1000", "greatest", f"over {LOOP_MS} ms"]


def _spread(values: list[float]) -> list[str]:
    ordered = sorted(values)
    cells = [number(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in (0.5, 0.99, 0.999)]
    late = sum(value > LOOP_MS for value in values)
    return [str(len(values)), *cells, number(ordered[-1]), str(late)]


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = QUICK if bench.quick else FULL
    section = Section("Computing", _data(size))
    phases = {what: Waits() for what in ("nothing is asked", "dashboards are opened", "the cluster shuffles")}
    async with compute_bed(bench) as bed:
        await _lists(bed, size, section)
        await _dead(bed, size, section)
        await _starts(bed, size, section)
        await _canvases(bed, size, section, phases["dashboards are opened"])
        await _shuffles(bed, size, section, phases["nothing is asked"], phases["the cluster shuffles"])
    rows = [row for what, phase in phases.items() for row in phase.rows(what)]
    section.tables.append(Table("How late a loop wakes a task that sleeps for 5 ms", _WAITS_HEAD, rows))
    return section


def _data(size: Size) -> str:
    return (
        "Three Dask Gateways as in the demo, each with one cluster that runs, control on PostgreSQL and a real Jupyter "
        "server of one user, all on this machine. Peers are the gateways themselves: by `dask_gateway` as a notebook "
        "uses it, kept open from one round to the next, and by their own address of a dashboard. A shuffle turns "
        f"{size.shuffle_bytes / 1e9:g} GB of columns into rows on {WORKERS} workers with {WORKER_GIB} GiB each."
    )


async def _lists(bed: ComputeBed, size: Size, section: Section) -> None:
    """What the panel asks every few seconds, with nothing that is kept from the time before."""
    ours, theirs = Samples("ms"), Samples("ms")
    clients = await asyncio.to_thread(lambda: [bed.client(site) for site in SITES])

    def one_after_the_other() -> int:
        return sum(len(client.list_clusters()) for client in clients)

    async def list_ours(_: int) -> None:
        with milliseconds(ours):
            answer = await bed.ask("GET", "dask/clusters")
        _expect(answer, len(SITES))

    async def list_theirs(_: int) -> None:
        await asyncio.sleep(PANEL_SECONDS)
        with milliseconds(theirs):
            found = await asyncio.to_thread(one_after_the_other)
        if found != len(SITES):
            raise RuntimeError(f"{found} clusters in the lists of {len(SITES)} gateways")

    try:
        await bed.ask("GET", "dask/clusters")
        await asyncio.to_thread(one_after_the_other)
        await alternate(size.lists, list_ours, list_theirs)
    finally:
        for client in clients:
            await asyncio.to_thread(client.close)
    section.figures.append(
        Figure(f"list of {len(SITES)} gateways", ours, Goal(LIST_MS), "`list_clusters()`, one by one", theirs)
    )
    section.notes.append(
        f"A list is asked for {PANEL_SECONDS:g} s after the one before, as the panel does: by then nothing of it is "
        "kept. Ours holds what each scheduler says of itself, and what each cluster costs; `list_clusters()` has "
        "neither."
    )


async def _dead(bed: ComputeBed, size: Size, section: Section) -> None:
    """The same while one gateway takes connections and never answers."""
    ours = Samples("ms")
    with bed.hung(SITES[-1]):
        for _ in range(size.dead_lists):
            await asyncio.sleep(PANEL_SECONDS)
            with milliseconds(ours):
                answer = await bed.ask("GET", "dask/clusters")
            _expect(answer, len(SITES), SITES[-1])
        asking = asyncio.create_task(asyncio.to_thread(_list_once, bed, SITES[-1]))
        done, _ = await asyncio.wait({asking}, timeout=PEER_SECONDS)
    with suppress(Exception):  # it has waited for its connection all the time
        await asking
    section.figures.append(Figure("list while one of them hangs", ours, Goal(DEAD_LIST_MS)))
    given_up = f"had given up within {PEER_SECONDS:g} s" if done else f"still waited after {PEER_SECONDS:g} s"
    section.notes.append(f"`list_clusters()` of the gateway that hangs {given_up}.")
    # its answers to the old questions are over before anything else is measured
    await asyncio.sleep(PANEL_SECONDS)


def _list_once(bed: ComputeBed, site: str) -> None:
    with bed.client(site) as client:
        client.list_clusters()


def _expect(answer: Any, clusters: int, dead: str = "") -> None:
    if len(answer["items"]) != clusters:
        raise RuntimeError(f"{len(answer['items'])} clusters are listed, not {clusters}: {answer['gateways']}")
    silent = [each["gateway"] for each in answer["gateways"] if not each["reachable"]]
    if silent != ([dead] if dead else []):
        raise RuntimeError(f"Not reachable: {silent}; {dead or 'none'} was expected")


async def _starts(bed: ComputeBed, size: Size, section: Section) -> None:
    """From the wish to two workers."""
    ours, theirs = Samples("s"), Samples("s")

    async def start_ours(_: int) -> None:
        begun = time.perf_counter()
        name = (await bed.ask("POST", "dask/clusters", {"gateway": SITE}))["cluster"]["name"]
        await bed.ask("GET", f"dask/clusters/{SITE}/{name}?wait=1")
        await bed.ask("POST", f"dask/clusters/{SITE}/{name}/scale", {"workers": WORKERS})

        async def are_there() -> bool:
            return bool((await bed.listed(name)).get("workers") == WORKERS)

        await until(are_there, 60, bed.gateways[SITE].log)  # it looks every 0.1 s
        ours.add(time.perf_counter() - begun)
        await bed.ask("DELETE", f"dask/clusters/{SITE}/{name}")
        await bed.until_over(SITE, name)

    async def start_one() -> str:
        # not its blocking kind: what that forgets it closes from within its own loop, and waits for itself
        async with bed.client(SITE, asynchronous=True) as gateway:
            begun = time.perf_counter()
            cluster = await gateway.new_cluster(shutdown_on_close=False)
            await cluster.scale(WORKERS)
            async with await cluster.get_client(set_as_default=False) as notebook:
                await notebook.wait_for_workers(WORKERS)
                theirs.add(time.perf_counter() - begun)
            await cluster.shutdown()
            return str(cluster.name)

    async def start_theirs(_: int) -> None:
        # in a loop of its own, where a notebook has it
        await bed.until_over(SITE, await asyncio.to_thread(lambda: asyncio.run(start_one())))

    await alternate(size.starts, start_ours, start_theirs)
    peer = "`new_cluster()`, `scale()`, `wait_for_workers()`"
    section.figures.append(
        Figure(f"from the wish to {WORKERS} workers", ours, Goal(START_SECONDS, "median"), peer, theirs)
    )


async def _canvases(bed: ComputeBed, size: Size, section: Section, loop: Waits) -> None:
    """A dashboard's first picture, by our address and by the gateway's own."""
    with bed.browser(do="open", rounds=size.canvases, urls=bed.dashboard(SITE)) as browser:
        begun = time.monotonic()
        seen = await browser.answer()
        await loop.add(bed, begun, time.monotonic())
    ours, theirs = Samples("ms", seen["ours"]), Samples("ms", seen["gateway"])
    peer = "the gateway's own address"
    section.figures += [
        Figure("first canvas of a dashboard", ours, Goal(CANVAS_MS, "median"), peer, theirs),
        Figure("first canvas, beside the gateway's own", ours, Goal(CANVAS_RATIO, "ratio"), peer, theirs),
    ]


async def _shuffles(bed: ComputeBed, size: Size, section: Section, idle: Waits, busy: Waits) -> None:
    """Heavy work of a notebook while the panel and a dashboard are open, and as long without anything."""
    failed, lost, speed = Samples("tasks"), Samples("workers"), Samples("MB/s")
    lists, frames = Samples("ms"), Samples("frames/s")
    # beside the one that is there, whose workers would have less memory
    bed.clusters[SITE] = await bed.gateways[SITE].running(bed.token, WORKERS, worker_memory_gib=WORKER_GIB)

    async def nothing(_: int) -> None:
        begun = time.monotonic()
        await asyncio.sleep(IDLE_SECONDS if size is FULL else 2)
        await idle.add(bed, begun, time.monotonic())

    async def shuffle(_: int) -> None:
        with bed.browser(do="keep", url=bed.dashboard(SITE)["ours"]) as browser:
            await browser.answer()
            kept, panel = time.monotonic(), asyncio.create_task(_panel(bed, lists))
            try:
                said = await _shuffle(bed, size)
            finally:
                panel.cancel()
                await asyncio.gather(panel, return_exceptions=True)
            await busy.add(bed, said["begun"], said["ended"])
            browser.no_more()
            came, kept_seconds = await browser.answer(), time.monotonic() - kept
        failed.add(said["erred"] + said["retried"])
        lost.add(said["lost"])
        if said["problem"] or came["errors"]:
            section.notes.append(f"A shuffle had a problem: {said['problem']}; scripts: {came['errors']} errors.")
        else:
            speed.add(size.shuffle_bytes / 1e6 / said["seconds"])
        frames.add(came["frames"] / kept_seconds)
        print(f"{said['tasks']} tasks in {said['seconds']:.1f} s; {came}", file=sys.stderr, flush=True)

    await alternate(size.shuffles, nothing, shuffle)
    section.figures += [
        Figure("tasks of a shuffle that failed, or were tried again", failed, Goal(0, "each")),
        Figure("workers lost in a shuffle", lost, Goal(0, "each")),
        Figure("greatest wait of the server's loop in a shuffle", busy.ours_worst, Goal(LOOP_MS, "greatest"),
               "an empty process at the same time", busy.empty_worst),
        Figure("greatest wait of the server's loop without anything", idle.ours_worst, None,
               "an empty process at the same time", idle.empty_worst),
        Figure("list during a shuffle", lists, Goal(LIST_MS)),
        *([Figure("shuffled", speed)] if speed.values else []),
        Figure("frames of the dashboard during a shuffle", frames),
    ]  # fmt: skip


async def _panel(bed: ComputeBed, lists: Samples) -> None:
    while True:
        with milliseconds(lists):
            await bed.ask("GET", "dask/clusters")
        await asyncio.sleep(PANEL_SECONDS)


async def _shuffle(bed: ComputeBed, size: Size) -> dict[str, Any]:
    """A notebook does it, in a process of its own."""
    told = bed.gateways[SITE].told
    work = {
        "address": told.address,
        "proxy_address": told.proxy_address,
        "token": bed.token,
        "name": bed.clusters[SITE],
        "workers": WORKERS,
        "side": math.isqrt(size.shuffle_bytes // 8),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.shuffle", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, problems = await process.communicate(json.dumps(work).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"The shuffle failed: {problems.decode(errors='replace')[-3000:]}")
    said: dict[str, Any] = json.loads(out)
    return said
