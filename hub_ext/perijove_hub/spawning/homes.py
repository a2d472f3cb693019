"""How full the homes are: of running sessions now and then, and of every session that has stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from perijove.models import HomeSize
from perijove_hub.sites import SiteInterface

log = logging.getLogger(__name__)

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
        self._pressing: set[tuple[str, str]] = set()
        self._news = {name: asyncio.Event() for name in sites}

    def want(self, site: str, owner: str, *, pressing: bool = False) -> None:
        """Have one home measured soon, whenever that was done before.

        ``pressing`` is what control should hear at once: who has just cleaned up a full home starts again right away.
        """
        if site not in self._sites:
            return
        if pressing:
            self._pressing.add((site, owner))
        if (site, owner) not in self._queued:
            self._queued.add((site, owner))
            self._waiting[site].put_nowait(owner)

    async def news(self, site: str) -> None:
        """Wait until there is a size that control should hear at once."""
        if site not in self._news:
            await asyncio.Event().wait()
        await self._news[site].wait()
        self._news[site].clear()

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
            try:
                self._look(time.monotonic())
            except Exception:  # whatever it was, the next look may go well
                log.exception("homes that are due could not be looked for")
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
            try:
                await self._measure(site, owner)
            except Exception:  # whatever it was, the other homes are measured
                log.exception("a home could not be measured", extra={"site": site, "owner": owner})

    async def _measure(self, site: str, owner: str) -> None:
        # before it begins: what is wanted meanwhile is wanted anew, since what changed may have been passed already
        self._queued.discard((site, owner))
        self._measured[site, owner] = time.monotonic()
        used_bytes = await self._sites[site].home_bytes(owner)
        if used_bytes is not None:
            size = HomeSize(owner=owner, used_bytes=used_bytes, measured_at=datetime.now(UTC))
            self._untold[site][owner] = size
            if (site, owner) in self._pressing and (site, owner) not in self._queued:
                self._pressing.discard((site, owner))
                self._news[site].set()
