"""Whatever a site does, its caller gets an answer in time and in the words of the interface."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TypeVar

from perijove_hub.sites.models import Ending, Handle, SiteError, SiteInterface, StartSpec, Status

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: How long a site may take to say whether one workload runs, or to show the end of its log; people wait for both.
POLL_SECONDS = 5.0
#: How long it may take to list its workloads.
LIST_SECONDS = 20.0
#: How long it may take to end a workload: it gives the server time to save, and then it looks.
STOP_SECONDS = 60.0
#: How long it may take to measure one home.
MEASURE_SECONDS = 60.0


class Bounded:
    """A site behind limits of time, which raises nothing but :class:`SiteError`, and nothing where it may not raise.

    A site that hangs is one that does not answer, and one that fails in a way of its own is unknown, not stopped.

    Args:
        site: the site itself.
        name: of the site, for the log.
        start_seconds: how long it may take to create a workload.
    """

    def __init__(self, site: SiteInterface, name: str, start_seconds: float) -> None:
        self._site = site
        self._name = name
        self._start_seconds = start_seconds

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return await self._answer(self._site.start(spec, attempt_id), self._start_seconds, "take the start")

    async def poll(self, handle: Handle) -> Status:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._answer(self._site.poll(handle), POLL_SECONDS, "say whether it runs")
        except SiteError:
            return Status.UNKNOWN

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._answer(self._site.silent_since(attempt_id), POLL_SECONDS, "say whether it is heard of")
        except SiteError:
            return None

    async def stop(self, handle: Handle) -> None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        await self._answer(self._site.stop(handle), STOP_SECONDS, "end it")

    async def list(self) -> Sequence[str]:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return await self._answer(self._site.list(), LIST_SECONDS, "list what it runs")

    async def ending(self, attempt_id: str) -> Ending:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._answer(self._site.ending(attempt_id), POLL_SECONDS, "say how it ended")
        except SiteError:
            return Ending()

    async def log_tail(self, attempt_id: str) -> str:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._answer(self._site.log_tail(attempt_id), POLL_SECONDS, "show the log")
        except SiteError:
            return ""

    async def home_bytes(self, owner: str) -> int | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            return await self._answer(self._site.home_bytes(owner), MEASURE_SECONDS, "measure a home")
        except SiteError:
            return None

    async def close(self) -> None:
        """Let go of connections, where the site has any; the workloads go on."""
        close = getattr(self._site, "close", None)
        if close is not None:
            await close()

    async def _answer(self, call: Awaitable[Answer], seconds: float, what: str) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                return await call
        except SiteError:
            raise
        except TimeoutError as error:
            log.warning("a site does not answer", extra={"site": self._name, "asked to": what})
            raise SiteError(f"it did not {what} within {seconds:g} s") from error
        except Exception as error:
            log.exception("a site failed in a way of its own", extra={"site": self._name, "asked to": what})
            raise SiteError(f"it could not {what}; the hub's log says why") from error
