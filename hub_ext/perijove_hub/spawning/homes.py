"""How full the homes are: of running sessions now and then, and of every session that has stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from perijove.models import HomeSize
from perijove_hub.sites import SiteInterface

#: How often it is looked for homes that are due.
ROUND_SECONDS = 5.0

#: A home in use: its site, its owner, and how often it is to be measured.
HomeInUse = tuple[str, str, float]


class HomeSizes:
    """Measures homes, one at a time on each site, and holds the sizes for the next inventory.

    Args:
        sites: that hold homes, by name.
        in_use: the homes of running sessions.
    """

    def __init__(self, sites: Mapping[str, SiteInterface], in_use: Callable[[], Iterable[HomeInUse]]) -> None:
        self._sites = sites
        self._in_use = in_use
        self._waiting: dict[str, asyncio.Queue[str]] = {name: asyncio.Queue() for name in sites}
        self._queued: set[tuple[str, str]] = set()
        self._measured: dict[tuple[str, str], float] = {}
        self._untold: dict[str, dict[str, HomeSize]] = {name: {} for name in sites}

    def want(self, site: str, owner: str) -> None:
        """Have one home measured soon, whenever that was done before."""
        if site in self._sites and (site, owner) not in self._queued:
            self._queued.add((site, owner))
            self._waiting[site].put_nowait(owner)

    def take(self, site: str) -> list[HomeSize]:
        """The sizes that are new since the last time; give them to :meth:`put_back` when they could not be told."""
        sizes, self._untold[site] = list(self._untold[site].values()), {}
        return sizes

    def put_back(self, site: str, sizes: Iterable[HomeSize]) -> None:
        """Keep sizes for another time, unless newer ones came meanwhile."""
        for size in sizes:
            self._untold[site].setdefault(size.owner, size)

    async def run(self) -> None:
        """Measure for ever."""
        await asyncio.gather(self._look_for_ever(), *(self._measure_for_ever(name) for name in self._sites))

    async def _look_for_ever(self) -> None:
        while True:
            self._look(time.monotonic())
            await asyncio.sleep(ROUND_SECONDS)

    def _look(self, now: float) -> None:
        used = list(self._in_use())
        for site, owner, every_seconds in used:
            if now - self._measured.get((site, owner), float("-inf")) >= every_seconds:
                self.want(site, owner)
        # of those whose sessions are over, nothing needs to be remembered
        kept = {(site, owner) for site, owner, _ in used}
        self._measured = {home: at for home, at in self._measured.items() if home in kept}

    async def _measure_for_ever(self, site: str) -> None:
        while True:
            owner = await self._waiting[site].get()
            used_bytes = await self._sites[site].home_bytes(owner)
            self._queued.discard((site, owner))
            self._measured[site, owner] = time.monotonic()
            if used_bytes is not None:
                size = HomeSize(owner=owner, used_bytes=used_bytes, measured_at=datetime.now(UTC))
                self._untold[site][owner] = size
