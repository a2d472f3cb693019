"""A site that can be cut off: every call looks into a file for what is wrong with it.

The file holds ``unreachable`` (it cannot be asked), ``no-start`` (it cannot be asked to start anything), ``hang`` (it
never answers), ``raise`` (it fails in a way of its own), ``slow-start`` (a start takes longer than it may and comes up
all the same, and nothing can be ended) or nothing. It stands where the network would be: below everything of ours but
the site itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from perijove_hub.sites import Bounded, Ending, Handle, SiteError, SiteInterface, SiteUnreachable, StartSpec, Status
from perijove_hub.spawner import PerijoveSpawner

CUT_OFF = "connection refused"


class FaultySite:
    """A site with a knob."""

    def __init__(self, site: SiteInterface, knob: Path) -> None:
        self._site = site
        self._knob = knob

    @property
    def fault(self) -> str:
        return self._knob.read_text() if self._knob.exists() else ""

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        if self.fault in ("unreachable", "no-start"):
            raise SiteUnreachable(CUT_OFF)
        await self._misbehave()
        if self.fault == "slow-start":
            # what was asked for comes about, and nobody is told
            self._late = asyncio.create_task(self._site.start(spec, attempt_id))
            await asyncio.Event().wait()
        return await self._site.start(spec, attempt_id)

    async def poll(self, handle: Handle) -> Status:
        if self.fault == "unreachable":
            return Status.UNKNOWN
        await self._misbehave()
        return await self._site.poll(handle)

    async def silent_since(self, attempt_id: str) -> datetime | None:
        return await self._site.silent_since(attempt_id)

    async def stop(self, handle: Handle) -> None:
        if self.fault in ("unreachable", "slow-start"):
            raise SiteError(CUT_OFF)
        await self._misbehave()
        await self._site.stop(handle)

    async def list(self) -> Sequence[str]:
        if self.fault == "unreachable":
            raise SiteError(CUT_OFF)
        await self._misbehave()
        return await self._site.list()

    async def ending(self, attempt_id: str) -> Ending:
        return await self._site.ending(attempt_id)

    async def log_tail(self, attempt_id: str) -> str:
        if self.fault == "unreachable":
            return ""
        await self._misbehave()
        return await self._site.log_tail(attempt_id)

    async def home_bytes(self, owner: str) -> int | None:
        await self._misbehave()
        return await self._site.home_bytes(owner)

    async def _misbehave(self) -> None:
        if self.fault == "hang":
            await asyncio.Event().wait()
        if self.fault == "raise":
            raise RuntimeError("an adapter with a bug")


def break_sites(directory: Path) -> None:
    """Give every site of this hub's process a knob: the file in ``directory`` of the site's name."""
    house = PerijoveSpawner.house
    sites: dict[str, SiteInterface] = {}
    for name, site in house.sites.items():
        knob = FaultySite(site, directory / name)
        sites[name] = Bounded(knob, name, house.platform.sites[name].start_timeout_seconds)
    PerijoveSpawner.house = replace(house, sites=sites)
