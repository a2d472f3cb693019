"""Entries end at midnight, and a part of a day is in the entries of that day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from perijove_hub.ledger import usage_store
from perijove_hub.ledger.metering import Amounts
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.schema import usage_days, usage_entries, usage_totals
from perijove_hub.ledger.usage_store import Entry
from tests.support.platforms import House, open_house, platform, site

#: In Madrid the clocks go forward in the night to this day, which has 23 hours.
SPRING = datetime(2026, 3, 29, tzinfo=UTC)
PRICED = {"esac": site(price={"cpu_hour": 0.5})}


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, platform(sites=PRICED, datasets={}, time_zone="Europe/Madrid")) as opened:
        yield opened


async def add(house: House, lease: LeaseRow, *entries: Entry) -> list[bool]:
    zone = house.platform.zone
    async with house.database.write() as connection:
        return [await usage_store.add_entry(connection, entry, zone, "EUR", house.clock.now) for entry in entries]


async def written(house: House) -> list[tuple[Any, ...]]:
    columns = usage_entries.c
    query = select(columns.begins, columns.ends, columns.cpu, columns.cost, columns.entry).order_by(columns.id)
    async with house.database.read() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_an_interval_is_written_in_one_part_for_each_day(house: House) -> None:
    lease = await house.start()
    begins, ends = SPRING - timedelta(hours=3), SPRING + timedelta(hours=23)
    first, second = SPRING - timedelta(hours=1), SPRING + timedelta(hours=22)
    over_days = Entry(lease, begins, ends)
    assert await add(house, lease, over_days, over_days) == [True, False]
    assert await written(house) == [
        (begins, first, 1, 1.0, "use"),
        (first, second, 1, 11.5, "use"),
        (second, ends, 1, 0.5, "use"),
    ]
    taken_back = Entry(lease, second - timedelta(hours=1), ends, sign=-1, reason="it had ended", author="controller")
    assert await add(house, lease, taken_back) == [True]
    assert (await written(house))[3:] == [
        (second - timedelta(hours=1), second, -1, -0.5, "correction"),
        (second, ends, -1, -0.5, "correction"),
    ]
    columns = usage_days.c
    async with house.database.read() as connection:
        days = await connection.execute(select(columns.day, columns.session_hours, columns.cost).order_by(columns.day))
        assert [(f"{day:%d}", hours, cost) for day, hours, cost in days] == [
            ("28", 2, 1), ("29", 22, 11), ("30", 0, 0),
        ]  # fmt: skip


# four days in seconds and milliseconds, as far as SQLite tells them
offsets = st.integers(0, 4 * 24 * 3600 * 1000).map(lambda number: SPRING + timedelta(milliseconds=number))
intervals = st.lists(st.tuples(offsets, offsets, st.sampled_from([1, 1, 1, -1])), max_size=8)


questions = st.tuples(st.sampled_from(["user:ana", "site:esac", "platform", "user:bob"]), offsets)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(intervals=intervals, asked=st.lists(questions, max_size=5))
async def test_what_was_used_since_a_moment_is_what_the_entries_say(
    house: House, intervals: list[tuple[datetime, datetime, int]], asked: list[tuple[str, datetime]]
) -> None:
    lease = await leased(house)
    entries = [Entry(lease, min(one, two), max(one, two), sign) for one, two, sign in intervals]
    await add(house, lease, *entries)
    rows = await written(house)
    async with house.database.read() as connection:
        answers = await usage_store.used_since(connection, asked, house.platform.zone)
    for (subject, start), used in zip(asked, answers, strict=True):
        wanted = Amounts()
        for begins, ends, cpu, _, _ in rows:
            hours = (ends - max(begins, start)).total_seconds() / 3600
            if hours > 0 and subject != "user:bob":
                wanted += Amounts(cpu * hours, 2 * cpu * hours, 0, 0.5 * cpu * hours, cpu * hours)
        for name in ("cpu_hours", "memory_gib_hours", "gpu_hours", "credits", "session_hours"):
            assert used.of(name) == pytest.approx(wanted.of(name), abs=1e-5)


async def leased(house: House) -> LeaseRow:
    """An open lease, and no entries."""
    async with house.database.write() as connection:
        for table in (usage_entries, usage_days, usage_totals):
            await connection.execute(delete(table))
    offers = await house.service.leases("ana", None, 1)
    return offers[0] if offers else await house.start()
