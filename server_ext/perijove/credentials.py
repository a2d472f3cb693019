"""Short-lived credentials of one replica: fetched from control, kept, renewed in time, never twice at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from .errors import PerijoveError
from .models import Credentials

#: Credentials are renewed this long before they end (as botocore does) ...
RENEW_BEFORE = timedelta(minutes=15)
#: ... or, when they live for less than an hour, in the last quarter of their life.
RENEW_LAST_PART = 4
#: When a renewal has failed, the next is tried so much later.
RENEW_AGAIN = timedelta(seconds=30)
#: A refusal so soon after a fetch is about the object, not about the credentials.
TRUSTED_SECONDS = 5.0


class CredentialSource:
    """Gives valid credentials. Callers that ask while a fetch is under way share it.

    Renewal goes on in the background while the credentials at hand serve, to their very end if control is away: a
    broker's pause must neither stop nor slow down running work. Belongs to one event loop.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Credentials]]) -> None:
        self._fetch = fetch
        self._current: Credentials | None = None
        self._renew_at: datetime | None = None
        self._try_again_at: datetime | None = None
        self._fetched_at = 0.0
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    @property
    def renew_at(self) -> datetime | None:
        """Until when the credentials at hand need no look at; None: for ever (anonymous) or nothing fetched yet."""
        return self._renew_at

    async def get(self) -> Credentials:
        """Credentials that are valid now.

        Raises:
            PerijoveError: control refuses or is away, and there are none at hand that still live.
        """
        if (kept := self._alive()) is None:
            async with self._lock:
                # Somebody else may have fetched while we waited.
                return self._alive() or await self._fetch_now()
        if self._is_due() and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.ensure_future(self._renew())
        return kept

    def forget(self, refused: Credentials) -> bool:
        """A store has refused these. Whether trying again makes sense: there will be others.

        Credentials that have just been fetched are not at fault; asking control again and again would not help.
        """
        if self._current is refused:
            if time.monotonic() - self._fetched_at < TRUSTED_SECONDS and not self._is_due():
                return False
            self._current = None
        return True

    async def _fetch_now(self) -> Credentials:
        fetched = await self._fetch()
        self._current = fetched
        self._fetched_at = time.monotonic()
        self._renew_at = self._try_again_at = None
        if fetched.expires is not None:
            life = fetched.expires - datetime.now(UTC)
            self._renew_at = fetched.expires - min(RENEW_BEFORE, life / RENEW_LAST_PART)
        return fetched

    async def _renew(self) -> None:
        async with self._lock:
            self._try_again_at = datetime.now(UTC) + RENEW_AGAIN  # unless it succeeds
            with contextlib.suppress(PerijoveError):  # who needs new ones when these have ended will be told
                await self._fetch_now()

    def _is_due(self) -> bool:
        due_at = self._try_again_at or self._renew_at
        return due_at is not None and datetime.now(UTC) >= due_at

    def _alive(self) -> Credentials | None:
        kept = self._current
        return kept if kept is not None and (kept.expires is None or kept.expires > datetime.now(UTC)) else None
