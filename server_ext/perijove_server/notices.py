"""What the platform has to say to the user: asked from control, kept while it matters, told as Jupyter events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from perijove.models import Notice, Page, Topic

SCHEMA_ID = "https://events.perijove.dev/notice/v1"
SCHEMA_PATH = Path(__file__).parent / "events" / "notice.v1.yaml"

#: How many notices are kept for a Lab that is opened later.
NOTICES_KEPT = 100
#: How many pages one question may take; more wait for the next.
PAGES_MAX = 20
#: A notice without an end is of interest for so long.
FRESH = timedelta(days=1)

#: What only the Lab of the session in question has to show.
_OF_ONE_SESSION = frozenset({Topic.IDLE, Topic.TIME})


class NoticeBoard:
    """The notices in force. Each is told once as an event.

    Args:
        ask: gives the notices after an id, oldest first.
        tell: emits one as an event.
        clock: the time.
        own_lease: the id of this session's lease, or None.
    """

    def __init__(
        self,
        ask: Callable[[int], Awaitable[Page[Notice]]],
        tell: Callable[[Notice], None],
        clock: Callable[[], datetime],
        own_lease: Callable[[], str | None],
    ) -> None:
        self._ask = ask
        self._tell = tell
        self._clock = clock
        self._own_lease = own_lease
        self._last_id = 0
        self._kept: list[Notice] = []
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask for what is new and tell it.

        Raises:
            PerijoveError: control does not answer.
        """
        async with self._asking:
            self._kept = [*self._kept, *await self._ask_all(self._last_id)][-NOTICES_KEPT:]

    async def reload(self) -> None:
        """Ask for all that are in force: some may have been withdrawn. What is new among them is told.

        Raises:
            PerijoveError: control does not answer.
        """
        async with self._asking:
            self._kept = (await self._ask_all(0))[-NOTICES_KEPT:]

    def current(self) -> list[Notice]:
        """Those in force, oldest first."""
        return list(notices_for(self._kept, self._own_lease(), self._clock()))

    async def _ask_all(self, since: int) -> list[Notice]:
        """The notices after an id that are for this session; those that were not told yet are told."""
        found: list[Notice] = []
        for _ in range(PAGES_MAX):
            page = await self._ask(since)
            if page.items and min(notice.id for notice in page.items) <= since:
                # the numbers went back: the ledger was restored from a copy, and what it says is new all the same
                since = self._last_id = 0
            fresh = [notice for notice in page.items if notice.id > since]
            if not fresh:
                break
            since = max(notice.id for notice in fresh)
            for notice in notices_for(fresh, self._own_lease(), self._clock()):
                found.append(notice)
                if notice.id > self._last_id:
                    self._tell(notice)
            self._last_id = max(self._last_id, since)
        return found


def notices_for(notices: Iterable[Notice], own_lease: str | None, now: datetime) -> Iterable[Notice]:
    """Those that a session shall show at ``now``; the end of another session cannot be put off from here."""
    for notice in notices:
        ours = notice.lease is not None and notice.lease == own_lease
        if now >= (notice.expires or notice.created + FRESH):
            continue
        if notice.lease is not None and not ours and notice.topic in _OF_ONE_SESSION:
            continue
        yield notice if ours else notice.model_copy(update={"keep_minutes": None})
