"""The time of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perijove_hub.ledger.clock import LedgerClock, utc_now
from perijove_hub.ledger.database import Database
from tests.support.leases import NOON
from tests.support.ledgers import ledger_url
from tests.support.postgres import PostgresServer

HOUR = timedelta(hours=1)


class Host:
    """A host whose clock shows whatever it is set to."""

    def __init__(self, shows: datetime) -> None:
        self.shows = shows
        self.seconds = 0.0

    def wall(self) -> datetime:
        return self.shows

    def count(self) -> float:
        return self.seconds


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_on_postgresql_it_is_the_servers_whatever_this_host_shows(
    postgres: PostgresServer, off: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    database, host = Database(postgres.ledger()), Host(utc_now() + off)
    clock = LedgerClock(database, host.wall, host.count)
    assert clock() == host.shows, "until the server was asked"
    await clock.sync()
    told = clock()
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)
    host.shows += 5 * HOUR
    host.seconds += 30
    assert clock() == told + timedelta(seconds=30), "it counts on, and nobody can set that"
    await clock.sync()
    await clock.sync()
    await database.close()
    assert [record.getMessage() for record in caplog.records] == ["the clock of this host differs from the ledger's"]


async def test_on_sqlite_it_is_this_hosts(tmp_path: Path) -> None:
    database, host = Database(ledger_url(tmp_path)), Host(NOON)
    clock = LedgerClock(database, host.wall, host.count)
    await clock.sync()
    host.shows += HOUR
    assert clock() == NOON + HOUR
    await database.close()


async def test_a_ledger_that_is_away_leaves_what_was_known(caplog: pytest.LogCaptureFixture) -> None:
    database, host = Database("postgresql+psycopg://perijove@127.0.0.1:1/control"), Host(NOON)
    clock = LedgerClock(database, host.wall, host.count)
    await clock.try_sync()
    assert clock() == NOON
    await database.close()
    assert [record.getMessage() for record in caplog.records] == ["the ledger does not tell the time"]
