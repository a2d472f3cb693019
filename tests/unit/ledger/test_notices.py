"""Notices are written once, and read by whom they are for, each exactly once from the first to the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from perijove.models import Notice, Topic
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.notices import NewNotice, add_notice, list_notices
from perijove_hub.ledger.schema import notices

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def about(key: str, **more: Any) -> NewNotice:
    return replace(NewNotice(key=key, topic=Topic.QUOTA, severity="warning", message=key.title()), **more)


@pytest.fixture
async def database(ledger: str) -> AsyncIterator[Database]:
    opened = Database(ledger)
    yield opened
    await opened.close()


async def add(database: Database, *added: NewNotice, now: datetime = NOON) -> list[bool]:
    async with database.write() as connection:
        return [await add_notice(connection, notice, now) for notice in added]


async def read(
    database: Database, owner: str, *groups: str, since: int = 0, now: datetime = NOON, limit: int = 100
) -> list[Notice]:
    async with database.read() as connection:
        return await list_notices(connection, owner, groups, since, now, limit)


async def messages(database: Database, owner: str, *groups: str, **more: Any) -> list[str]:
    return [notice.message for notice in await read(database, owner, *groups, **more)]


async def test_a_notice_is_read_as_it_was_written(database: Database) -> None:
    stop = NewNotice(
        key="idle:1",
        topic=Topic.IDLE,
        severity="error",
        message="Your server is stopped at 13:00.",
        owner="ana",
        lease_id="1" * 32,
        keep_minutes=30,
        expires=NOON + HOUR,
        author="root",
    )
    assert await add(database, stop) == [True]
    [notice] = await read(database, "ana")
    assert notice == Notice(
        id=notice.id,
        created=NOON,
        expires=NOON + HOUR,
        severity="error",
        topic=Topic.IDLE,
        message="Your server is stopped at 13:00.",
        lease="1" * 32,
        keep_minutes=30,
    )


async def test_a_key_is_said_once_and_stays_as_it_was_said_first(database: Database) -> None:
    first, second = about("low", owner="ana", message="first"), about("low", owner="ana", message="second")
    assert await add(database, first, second) == [True, False]
    assert await add(database, second, now=NOON + HOUR) == [False]
    assert await messages(database, "ana") == ["first"]


async def test_a_key_of_any_length_is_told_from_others(database: Database) -> None:
    long = "quota:" + "ä" * 300
    keys = [long, long + "x", long + "y", "q" * 255, "q" * 256]
    assert await add(database, *(about(key, owner="ana", message="m") for key in keys)) == [True] * 5
    assert await add(database, *(about(key, owner="ana", message="m") for key in keys)) == [False] * 5


async def test_people_read_what_is_theirs_their_groups_and_everybodys(database: Database) -> None:
    await add(
        database,
        about("mine", owner="ana"),
        about("others", owner="bob"),
        about("all"),
        about("staff", groups=("staff", "euclid")),
        about("pupils", groups=("class:physics",)),
    )
    assert await messages(database, "ana") == ["Mine", "All"]
    assert await messages(database, "ana", "euclid", "x") == ["Mine", "All", "Staff"]
    assert await messages(database, "bob", "class:physics") == ["Others", "All", "Pupils"]
    assert await messages(database, "eva") == ["All"]


async def test_what_is_over_is_not_read(database: Database) -> None:
    await add(database, about("short", owner="ana", expires=NOON + HOUR), about("always", owner="ana"), about("gone"))
    assert await messages(database, "ana") == ["Short", "Always", "Gone"]
    async with database.write() as connection:
        await connection.execute(update(notices).where(notices.c.key == "gone").values(withdrawn=NOON))
    assert await messages(database, "ana", now=NOON + HOUR - timedelta(seconds=1)) == ["Short", "Always"]
    assert await messages(database, "ana", now=NOON + HOUR) == ["Always"]


async def test_pages_go_on_from_the_last_id_and_miss_none(database: Database) -> None:
    await add(database, *(about(f"n{number}", owner=("ana", None)[number % 2]) for number in range(7)))
    seen: list[str] = []
    since = 0
    while page := await read(database, "ana", since=since, limit=2):
        assert len(page) <= 2
        seen += [notice.message for notice in page]
        since = page[-1].id
    assert seen == [f"N{number}" for number in range(7)]


async def test_a_reader_who_is_ahead_of_a_restored_ledger_is_told_everything_anew(database: Database) -> None:
    assert await messages(database, "ana", since=7) == []
    await add(database, about("first", owner="ana"), about("second", owner="bob"))
    [second] = [notice.id for notice in await read(database, "bob")]
    assert await messages(database, "ana", since=second) == []
    assert await messages(database, "ana", since=second + 1) == ["First"]
    assert await messages(database, "ana", since=2**62) == ["First"]


async def test_a_transaction_that_is_undone_has_said_nothing(database: Database) -> None:
    async def undone() -> None:
        async with database.write() as connection:
            assert await add_notice(connection, about("undone", owner="ana"), NOON) is True
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await messages(database, "ana") == []
    assert await add(database, about("undone", owner="ana")) == [True]


async def test_a_reader_misses_nothing_of_a_writer_that_commits_late(database: Database) -> None:
    written, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.write() as connection:
            await add_notice(connection, about("slow", owner="ana"), NOON)
            written.set()
            await go_on.wait()

    late = asyncio.create_task(slow())
    await written.wait()
    quick = asyncio.create_task(add(database, about("quick", owner="ana")))
    # time for the quick one to overtake, if it could
    await asyncio.wait({quick}, timeout=0.2)
    seen = await read(database, "ana")
    go_on.set()
    await asyncio.gather(late, quick)
    seen += await read(database, "ana", since=seen[-1].id if seen else 0)
    assert [notice.message for notice in seen] == ["Slow", "Quick"]


async def test_parallel_writers_of_one_key_say_it_once(database: Database) -> None:
    said = await asyncio.gather(*(add(database, about("once", owner="ana")) for _ in range(8)))
    assert sorted(said) == [[False]] * 7 + [[True]]
    assert await messages(database, "ana") == ["Once"]
