"""Looking into large files: the preview of each format through a real Jupyter server, beside a library over s3fs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from benchmarks.data_store import copy_of, small_copy_of
from benchmarks.measure import Samples
from benchmarks.previews_peers import PEERS, Peer, PeerProcess
from benchmarks.processes import Processes
from benchmarks.reading import start_store
from benchmarks.report import Figure, Goal, Section, Table, number
from tests.support.jupyter import JupyterServer, jupyter_server

if TYPE_CHECKING:
    from benchmarks.run import Bench

#: What the issue promises: of all formats, and of an image in FITS at 30 ms.
MOST_MIB = 8
FITS_SECONDS = 1.5
#: A peer that has taken so long in all has no further turn.
PEER_SECONDS = 6.0
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Size:
    """How large the files are, and how often they are looked at after a first time."""

    file_bytes: int
    rounds: int
    latencies_ms: Sequence[int]


FULL = Size(file_bytes=1 << 30, rounds=3, latencies_ms=(0, 30))
QUICK = Size(file_bytes=32 << 20, rounds=1, latencies_ms=(30,))


@dataclass
class Looked:
    """What looks at one file took: seconds, and MiB and requests as the store has counted them."""

    seconds: Samples = field(default_factory=lambda: Samples("s"))
    mib: Samples = field(default_factory=lambda: Samples("MiB"))
    requests: Samples = field(default_factory=lambda: Samples("requests"))


@dataclass(frozen=True)
class _Place:
    """One store, with a Jupyter server that reads it."""

    endpoint: str
    server: JupyterServer

    async def ours(self, path: str) -> float:
        """What the panel asks for: the preview, and its picture if there is one; how many seconds that took."""

        def ask() -> float:
            begun = time.perf_counter()
            answer = self.server.get("datasets/direct/preview", path=path)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} has no preview: {answer.text[:300]}")
            shown = answer.json()
            if isinstance(shown["content"], dict) and (url := shown["content"].get("url")):
                self.server.http.get(url).raise_for_status()
            return time.perf_counter() - begun

        return await asyncio.to_thread(ask)

    async def counted(self) -> tuple[float, int]:
        """How many MiB and requests there were so far."""
        async with httpx.AsyncClient() as http:
            told = (await http.get(f"{self.endpoint}/-/stats")).json()
        return told["bytes_out"] / 2**20, sum(told["requests"].values())


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = QUICK if bench.quick else FULL
    section, logs = Section("Previews", _data(size)), bench.new_directory("previews-peers")
    with ExitStack() as stack:
        peers = {sample: PeerProcess(sample, logs) for sample in PEERS}
        for peer in peers.values():
            stack.callback(peer.close)
        for latency_ms in size.latencies_ms:
            await _measure_at(latency_ms, bench, size, peers, section)
    section.notes += [f"{peer.name}, {peer.title}: {peer.work}." for peer in PEERS.values()]
    section.notes += [
        "jupyter-fs and jupyter-drives have no previews of these formats: they send the whole file, as in Reading.",
        "The files have real headers and indexes; the data between repeat every few MiB.",
    ]
    return section


def _data(size: Size) -> str:
    return (
        f"A file of {size.file_bytes >> 20} MiB of each format on one S3 server on this machine, which waits 0 or "
        "30 ms before each answer and counts bytes and requests. Ours: the preview and its picture by the routes of a "
        f"real Jupyter server. Each of {size.rounds} looks by turns is at a file that was not seen before; the first "
        "of its kind loads the libraries and is listed by itself. Peers run in a process that has their libraries "
        "loaded, with no server between, and draw nothing."
    )


async def _measure_at(
    latency_ms: int, bench: Bench, size: Size, peers: Mapping[str, PeerProcess], section: Section
) -> None:
    directory, files = bench.new_directory(f"previews-{latency_ms}"), bench.directory / "previews"
    files.mkdir(exist_ok=True)
    with Processes(directory) as processes:
        told = start_store(
            processes, latency_ms, "--previews", files, "--preview-bytes", size.file_bytes,
            "--copies", size.rounds + 1,
        )  # fmt: skip
        environment = {"PERIJOVE_CONTROL_URL": told["control"], "JUPYTERHUB_API_TOKEN": told["token"]}
        (directory / "server").mkdir()
        with jupyter_server(directory / "server", environment) as server:
            server.http.timeout = httpx.Timeout(ANSWER_SECONDS)
            server.get("datasets/direct/tree", path="copy-0")  # who looks at a file has opened its directory
            place, rows = _Place(told["endpoint"], server), []
            for sample, known in PEERS.items():
                try:
                    ours, peer, first_seconds = await _by_turns(place, peers[sample], sample, size)
                except (RuntimeError, httpx.HTTPError) as error:
                    section.notes.append(f"{known.title} at {latency_ms} ms was not measured: {error}"[:500])
                    continue
                section.figures += _figures(f"{known.title}, {latency_ms} ms", known, ours, peer, latency_ms)
                rows.append(_row(known, ours, peer, first_seconds))
            section.tables.append(Table(f"At {latency_ms} ms", _HEAD, rows))


async def _by_turns(place: _Place, peer_process: PeerProcess, sample: str, size: Size) -> tuple[Looked, Looked, float]:
    """Ours and the peer's looks, and how many seconds our first took, which loads the libraries of its format."""
    ours, peer = Looked(), Looked()

    async def peer_look(path: str) -> float:
        return await asyncio.to_thread(peer_process.look, place.endpoint, path)

    first_seconds = await place.ours(copy_of(sample, 0))
    await peer_look(small_copy_of(sample))  # off the record: what it imports
    for turn in range(1, size.rounds + 1):
        await _look(place, ours, place.ours, copy_of(sample, turn))
        if sum(peer.seconds.values) < PEER_SECONDS:
            await _look(place, peer, peer_look, copy_of(sample, turn))
    return ours, peer, first_seconds


async def _look(place: _Place, into: Looked, look: Callable[[str], Awaitable[float]], path: str) -> None:
    mib, requests = await place.counted()
    into.seconds.add(await look(path))
    mib_after, requests_after = await place.counted()
    into.mib.add(mib_after - mib)
    into.requests.add(requests_after - requests)


def _figures(what: str, known: Peer, ours: Looked, peer: Looked, latency_ms: int) -> list[Figure]:
    is_promised = known is PEERS["image.fits"] and latency_ms == 30
    promised = Goal(FITS_SECONDS, "median") if is_promised else None
    return [
        Figure(f"{what}: time", ours.seconds, promised, known.name, peer.seconds),
        Figure(f"{what}: moved", ours.mib, Goal(MOST_MIB, "greatest"), known.name, peer.mib),
    ]


_HEAD = ["format", "seconds", "MiB", "requests", "first of its kind, s", "peer", "seconds", "MiB", "requests"]


def _row(known: Peer, ours: Looked, peer: Looked, first_seconds: float) -> list[str]:
    def cells(looked: Looked) -> list[str]:
        return [number(each.median) for each in (looked.seconds, looked.mib, looked.requests)]

    return [known.title, *cells(ours), number(first_seconds), known.name, *cells(peer)]
