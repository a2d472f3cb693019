"""What is kept of harvests, on both databases: one of many control processes asks, and all read what it heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from perijove_hub.catalogue import snapshots
from perijove_hub.catalogue.harvest import next_due, state_of
from perijove_hub.catalogue.models import Harvest
from perijove_hub.ledger.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=4)


@pytest.fixture
async def databases(ledger: str) -> AsyncIterator[list[Database]]:
    found = [Database(ledger) for _ in range(4)]
    found[0].migrate()
    yield found
    for each in found:
        await each.close()


async def claims(databases: list[Database], fingerprint: str = "f", now: datetime = NOW) -> int:
    asked = [
        each.transact(
            lambda connection: snapshots.claim(connection, "sky", fingerprint, now, now + timedelta(minutes=4))
        )
        for each in databases
    ]
    return sum(await asyncio.gather(*asked))


async def test_one_of_many_asks_a_catalogue_that_is_due(databases: list[Database]) -> None:
    assert await claims(databases) == 1
    assert await claims(databases) == 0
    # whoever had it has died in the middle
    assert await claims(databases, now=LATER) == 1


async def test_what_was_heard_stays_when_a_harvest_fails(databases: list[Database]) -> None:
    one, other = databases[:2]
    await claims([one])
    await one.transact(lambda connection: snapshots.succeeded(connection, "sky", "f", NOW, LATER, "{}"))
    await other.transact(lambda connection: snapshots.failed(connection, "sky", "f", LATER, "It answered 503."))
    async with one.read() as connection:
        row = (await snapshots.rows(connection))["sky"]
        assert await snapshots.found(connection, "sky") == "{}"
    assert (row.serial, row.harvested, row.failures, row.error, row.due) == (1, NOW, 1, "It answered 503.", LATER)


async def test_a_catalogue_at_another_address_begins_anew(databases: list[Database]) -> None:
    one = databases[0]
    await claims([one])
    await one.transact(lambda connection: snapshots.succeeded(connection, "sky", "f", NOW, LATER, "{}"))
    assert await claims(databases, "g") == 1
    # the answer of the old address comes late
    await one.transact(lambda connection: snapshots.succeeded(connection, "sky", "f", NOW, LATER, "{}"))
    async with one.read() as connection:
        row = (await snapshots.rows(connection))["sky"]
        assert (row.fingerprint, row.serial, await snapshots.found(connection, "sky")) == ("g", 0, None)


def test_a_catalogue_is_asked_again_sooner_after_a_failure_and_then_less_and_less_soon() -> None:
    hour = timedelta(hours=1)
    pauses = [next_due(NOW, hour, failures, 0.5) - NOW for failures in range(9)]
    assert pauses[0] == hour
    assert pauses[1:5] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert pauses[7:] == [hour, hour]
    assert next_due(NOW, hour, 0, 0.0) - NOW == 0.9 * hour


@pytest.mark.parametrize(
    ("harvested", "failures", "state"),
    [(None, 0, "pending"), (NOW, 0, "live"), (NOW, 1, "stale"), (NOW, 2, "stale"), (NOW, 3, "dead"), (None, 1, "dead")],
)
def test_how_a_catalogue_answers_is_one_word(harvested: datetime | None, failures: int, state: str) -> None:
    assert state_of(Harvest(harvested=harvested, failures=failures)) == state
