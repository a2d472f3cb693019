"""The time of the ledger: one for all processes that write into it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from perijove_hub.ledger.database import Database
from perijove_hub.ledger.engines import spoken_error

log = logging.getLogger(__name__)

#: How often the database is asked for the time.
SYNC_SECONDS = 60.0

#: A difference of the clocks of this host and of the database that is worth a line in the log.
WORTH_TELLING = timedelta(seconds=2)


def utc_now() -> datetime:
    """The time of this host, aware."""
    return datetime.now(UTC)


class LedgerClock:
    """On PostgreSQL the server's time, so that processes on hosts whose clocks differ agree about leases.

    Between two looks it counts on by seconds that nobody can set. On SQLite all processes are on one host, and its time
    is that of the ledger.

    Args:
        database: whose time it is.
        wall: gives this host's time.
        count: gives seconds from some moment on, which nobody sets.
    """

    def __init__(
        self,
        database: Database,
        wall: Callable[[], datetime] = utc_now,
        count: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wall = wall
        self._count = count
        self._known: tuple[datetime, float] | None = None
        self._is_off = False

    def __call__(self) -> datetime:
        """The time; this host's until the database has been asked."""
        if self._known is None:
            return self._wall()
        moment, counted_seconds = self._known
        return moment + timedelta(seconds=self._count() - counted_seconds)

    async def sync(self) -> None:
        """Ask the database for the time.

        Raises:
            DBAPIError: it cannot be asked now.
        """
        async with self._database.read() as connection:
            if connection.dialect.name != "postgresql":
                return
            before = self._count()
            moment = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            self._known = (moment.astimezone(UTC), (before + self._count()) / 2)
        off = self._wall() - self()
        if (abs(off) > WORTH_TELLING) is not self._is_off:
            self._is_off = not self._is_off
            what = "differs from" if self._is_off else "agrees again with"
            log.warning("the clock of this host %s the ledger's", what, extra={"seconds": off.total_seconds()})

    async def keep_in_step(self) -> None:
        """Ask again and again, for ever; what goes wrong is logged and tried again."""
        while True:
            await self.try_sync()
            await asyncio.sleep(SYNC_SECONDS)

    async def try_sync(self) -> None:
        """Ask the database for the time; where it does not tell, what was known goes on to count."""
        try:
            await self.sync()
        except (SQLAlchemyError, OSError) as error:
            log.warning("the ledger does not tell the time", extra={"error": spoken_error(error)})
