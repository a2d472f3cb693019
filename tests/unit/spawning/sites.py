"""A site that does what a test says, and what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from perijove_hub.sites import Ending, Handle, StartSpec, Status


@dataclass
class ScriptedSite:
    """``status`` is what polls answer, one after the other, the last for ever; ``fault`` is raised by all calls.

    ``hangs`` makes every call wait for ever. ``starts`` and ``ends`` are what start and stop raise.
    """

    name: str = "esac"
    status: list[Status] = field(default_factory=lambda: [Status.RUNNING])
    fault: Exception | None = None
    hangs: bool = False
    starts: Exception | None = None
    ends: Exception | None = None
    log: str = ""
    why: str = ""
    #: what is told, one after the other, the last for ever
    silent: list[datetime | None] = field(default_factory=lambda: [None])
    asked: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    url: str = "http://127.0.0.1:9"
    #: lets go what hangs
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        await self._call("start")
        if self.starts:
            raise self.starts
        return Handle(self.name, attempt_id, self.url)

    async def poll(self, handle: Handle) -> Status:
        await self._call("poll")
        return self.status.pop(0) if len(self.status) > 1 else self.status[0]

    async def silent_since(self, attempt_id: str) -> datetime | None:
        return self.silent.pop(0) if len(self.silent) > 1 else self.silent[0]

    async def stop(self, handle: Handle) -> None:
        await self._call("stop")
        if self.ends:
            raise self.ends

    async def list(self) -> Sequence[str]:
        await self._call("list")
        return self.seen

    async def ending(self, attempt_id: str) -> Ending:
        await self._call("ending")
        return Ending(self.why)

    async def log_tail(self, attempt_id: str) -> str:
        await self._call("log_tail")
        return self.log

    async def home_bytes(self, owner: str) -> int | None:
        await self._call(f"home_bytes {owner}")
        return 7

    async def _call(self, name: str) -> None:
        self.asked.append(name)
        if self.fault:
            raise self.fault
        if self.hangs:
            await self.released.wait()
