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
#: How many notices control is asked for at once. Whoever has more in force is asked for again, but not for ever.
PAGE = 500
PAGES_MAX = 20
#: A notice without an end is of interest for so long.
FRESH = timedelta(days=1)

#: What only the Lab of the session in question has to show.
_OF_ONE_SESSION = frozenset({Topic.IDLE, Topic.TIME})


class NoticeBoard:
    """The notices in force. Each is told once as an event.

    Args:
        ask: gives the first :data:`PAGE` notices after an id, oldest first.
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
        self._heard: frozenset[tuple[int, datetime]] = frozenset()
        self._kept: list[Notice] = []
        self._asking = asyncio.Lock()

    async def refresh(self) -> None:
        """Ask for all that are in force, since some may have been withdrawn, and tell what is new among them.

        Raises:
            PerijoveError: control does not answer; what was kept stays.
        """
        async with self._asking:
            found = await self._ask_all()
            # by the time too: a ledger that was restored from a copy gives the same numbers to others
            heard = frozenset((notice.id, notice.created) for notice in found)
            fresh = [notice for notice in found if (notice.id, notice.created) not in self._heard]
            # before they are told: who hears one asks at once what is in force
            self._heard, self._kept = heard, found[-NOTICES_KEPT:]
            for notice in notices_for(fresh, self._own_lease(), self._clock()):
                self._tell(notice)

    def current(self) -> list[Notice]:
        """Those in force, oldest first."""
        return list(notices_for(self._kept, self._own_lease(), self._clock()))

    async def _ask_all(self) -> list[Notice]:
        """The notices to this user, oldest first."""
        found: list[Notice] = []
        for _ in range(PAGES_MAX):
            since = found[-1].id if found else 0
            page = (await self._ask(since)).items
            # not those that were asked for already: a ledger may be restored from a copy between two pages
            found += sorted((notice for notice in page if notice.id > since), key=lambda notice: notice.id)
            if len(page) < PAGE:
                break
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
