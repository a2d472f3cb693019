"""The first rows of a directory of many keys, as the Data panel gets them: by the routes of a real Jupyter server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data_store import MANY
from benchmarks.measure import Samples, milliseconds
from tests.support.jupyter import JupyterServer, jupyter_server

ROWS = 200
DELIVERIES = ("direct", "proxied")


@dataclass
class Rows:
    """What the first rows took of a dataset of one delivery: in a server that has just started, and later."""

    first: Samples = field(default_factory=lambda: Samples("ms"))
    later: Samples = field(default_factory=lambda: Samples("ms"))


async def first_rows(directory: Path, environment: Mapping[str, str], servers: int, rounds: int) -> dict[str, Rows]:
    """Ask ``servers`` Jupyter servers, one after the other, for the rows, each so many ``rounds`` by turns."""
    rows = {delivery: Rows() for delivery in DELIVERIES}
    for number in range(servers):
        place = directory / f"server-{number}"
        place.mkdir()
        with jupyter_server(place, dict(environment)) as server:
            first, *_ = DELIVERIES[number % 2 :]  # the later of the two finds some of the libraries loaded
            await asyncio.to_thread(_ask, server, first, rows[first].first)
            for turn in range(-1, rounds):
                for delivery in DELIVERIES:
                    await asyncio.to_thread(
                        _ask, server, delivery, rows[delivery].later if turn >= 0 else Samples("ms")
                    )
    return rows


def _ask(server: JupyterServer, dataset: str, into: Samples) -> None:
    with milliseconds(into):
        answer = server.get(f"datasets/{dataset}/tree", path=MANY, limit=ROWS)
    if answer.status_code != 200 or len(answer.json()["items"]) != ROWS:
        raise AssertionError(f"The tree of {dataset} answers {answer.status_code}: {answer.text[:300]}")
