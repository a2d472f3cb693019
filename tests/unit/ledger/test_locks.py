from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from perijove_hub.ledger import engines, store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.locks import lock_number, lock_subjects
from tests.support.postgres import PostgresServer

KEYS = ["user:ana", "group:euclid", "class:astro", "site:esac", "platform"]


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.ledger()


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    database = Database(address)
    yield database
    await database.close()


async def held(database: Database) -> set[int]:
    """The numbers that are locked now in this database."""
    query = text(
        "select (classid::bigint << 32) | objid::bigint from pg_locks join pg_database on pg_database.oid = database "
        "where locktype = 'advisory' and granted and datname = current_database()"
    )
    async with database.read() as connection:
        return set((await connection.execute(query)).scalars())


@given(st.text())
def test_every_key_has_a_number_that_postgresql_can_hold(key: str) -> None:
    assert -(2**63) <= lock_number(key) < 2**63


def test_a_key_has_the_same_number_in_every_version() -> None:
    assert [lock_number(key) for key in ("user:ana", "platform")] == [1889020369908603873, 2626615569449600911]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(KEYS), taken=st.sampled_from(KEYS))
async def test_keys_are_locked_in_one_order_whatever_the_order_they_are_told_in(
    database: Database, order: list[str], taken: str
) -> None:
    before_it = {lock_number(key) for key in KEYS if lock_number(key) < lock_number(taken)}
    async with database.write() as first:
        await lock_subjects(first, [taken])

        async def take_all() -> None:
            async with database.write() as second:
                await lock_subjects(second, order)
                assert await held(database) == {lock_number(key) for key in KEYS}

        waiting = asyncio.create_task(take_all())
        async with asyncio.timeout(3):
            while await held(database) != before_it | {lock_number(taken)}:
                assert not waiting.done()
    await waiting
    assert await held(database) == set()


async def test_who_locks_sees_what_the_one_before_it_wrote(database: Database) -> None:
    locked = asyncio.Event()

    async def add_one(wait: float) -> None:
        async with database.write() as connection:
            await lock_subjects(connection, ["user:ana"])
            locked.set()
            count = (await connection.execute(text("select count(*) from homes"))).scalar_one()
            await asyncio.sleep(wait)
            await store.save_home(connection, f"user{count}", "esac", datetime.now(UTC))

    first = asyncio.create_task(add_one(0.2))
    await locked.wait()
    await asyncio.gather(first, *(add_one(0) for _ in range(15)))
    async with database.read() as connection:
        assert (await connection.execute(text("select count(distinct owner) from homes"))).scalar_one() == 16


async def test_a_lock_that_is_held_for_too_long_is_told(
    address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.1)
    async with database.write() as first:
        await lock_subjects(first, ["user:ana"])
        impatient = Database(address)
        with pytest.raises(OperationalError, match="lock timeout"):
            async with impatient.write() as second:
                await lock_subjects(second, ["user:ana"])
        await impatient.close()


async def test_nothing_is_locked_for_nobody_and_on_sqlite(database: Database, ledger: str) -> None:
    async with database.write() as connection:
        await lock_subjects(connection, [])
        assert await held(database) == set()
    other = Database(ledger)
    async with other.write() as connection:
        await lock_subjects(connection, iter(KEYS))
    await other.close()
