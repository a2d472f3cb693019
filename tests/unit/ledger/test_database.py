from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove_hub.ledger import engines, schema, store
from perijove_hub.ledger.database import MOST_RUNS, Database, DatabaseError, is_unavailable
from tests.support.ledgers import ledger_url
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)

Work = Callable[[AsyncConnection], Awaitable[None]]


@pytest.fixture
async def database(ledger: str) -> AsyncIterator[Database]:
    database = Database(ledger)
    yield database
    await database.close()


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.ledger()


@pytest.fixture
async def remote(address: str) -> AsyncIterator[Database]:
    """A database on PostgreSQL."""
    database = Database(address)
    yield database
    await database.close()


async def homes(database: Database) -> dict[str, str]:
    async with database.read() as connection:
        found = await connection.execute(text("select owner, site from homes"))
        return {owner: site for owner, site in found}  # noqa: C416 - a row is no pair for dict's types


def saves_home(owner: str) -> Work:
    async def work(connection: AsyncConnection) -> None:
        await store.save_home(connection, owner, "esac", NOW)

    return work


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "the database address cannot be used: "),
        ("://", "the database address cannot be used: "),
        ("sqlite+aiosqlite://", "the database address cannot be used: it names no database"),
        ("sqlite+aiosqlite:///:memory:", "the database address cannot be used: it names no database"),
        ("postgresql://me:canary@host", "the database address cannot be used: it names no database"),
        ("sqlite:///c.db", "the ledger is kept in SQLite or PostgreSQL, not in sqlite: "),
        ("postgresql+asyncpg://me:canary@host/db", "the ledger is kept in SQLite or PostgreSQL, not in postgresql+asy"),
        ("oracle+nobody://me:canary@host/db", "the ledger is kept in SQLite or PostgreSQL, not in oracle+nobody: use "),
        ("postgresql://me:canary@host:port/db", "the database address cannot be used: "),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(address: str, told: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        Database(address)
    assert str(caught.value).startswith(told)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match=r"c\.db cannot be used: file is not a database$"):
        Database(f"sqlite+aiosqlite:///{path}").migrate()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be used: No such file or directory"):
        Database(f"sqlite+aiosqlite:///{tmp_path}/none/c.db").migrate()


def test_a_folder_with_a_percent_sign_is_fine(tmp_path: Path) -> None:
    (tmp_path / "100%s").mkdir()
    Database(f"sqlite+aiosqlite:///{tmp_path}/100%s/c.db").migrate()
    assert (tmp_path / "100%s" / "c.db").stat().st_size > 0


def test_a_wrong_password_is_one_sentence_that_does_not_hold_it(address: str) -> None:
    wrong = address.replace("perijove:", "perijove:secret-")
    with pytest.raises(DatabaseError, match="password authentication failed for user") as caught:
        Database(wrong).migrate()
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_what_the_address_says_itself_wins(address: str) -> None:
    said = Database(f"{address}?application_name=mine&options=-c%20lock_timeout%3D77")
    async with said.read() as connection:
        shown = [
            (await connection.execute(text(f"show {name}"))).scalar_one()
            for name in ("application_name", "lock_timeout", "timezone")
        ]
    await said.close()
    assert shown == ["mine", "77ms", "UTC"]


# --- transactions -----------------------------------------------------------------------------------------------------


async def test_a_moment_comes_back_as_it_went_in(database: Database) -> None:
    moment = datetime.fromisoformat("2026-03-29T02:30:00.123456+02:00")
    async with database.write() as connection:
        await connection.execute(schema.homes.insert().values(owner="ana", site="esac", since=moment))
    async with database.read() as connection:
        found = (await connection.execute(schema.homes.select())).mappings().one()
    assert found["since"] == moment
    assert found["since"].tzinfo is UTC


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        schema.UtcDateTime().process_bind_param(datetime(2026, 3, 1), None)


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fail_in_the_middle(connection: AsyncConnection) -> None:
        await saves_home("ana")(connection)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await database.transact(fail_in_the_middle)
    assert await homes(database) == {}


async def test_a_reader_sees_one_moment(database: Database) -> None:
    count = text("select count(*) from homes")
    async with database.read() as connection:
        before = (await connection.execute(count)).scalar_one()
        await database.transact(saves_home("ana"))
        assert (await connection.execute(count)).scalar_one() == before == 0
    assert await homes(database) == {"ana": "esac"}


async def test_a_fault_of_ours_is_raised_at_once_and_is_not_that_the_database_is_away(database: Database) -> None:
    runs = []

    async def twice_the_same(connection: AsyncConnection) -> None:
        runs.append(1)
        values = {"owner": "ana", "site": "esac", "since": NOW}
        await connection.execute(schema.homes.insert(), [values])
        await connection.execute(schema.homes.insert(), [values])

    with pytest.raises(IntegrityError) as caught:
        await database.transact(twice_the_same)
    assert len(runs) == 1
    assert not is_unavailable(caught.value)
    assert "esac" not in str(caught.value), "what is written is not for the log"
    assert await homes(database) == {}


# --- SQLite -----------------------------------------------------------------------------------------------------------


async def test_a_writer_sees_what_the_writer_of_another_process_wrote(tmp_path: Path) -> None:
    one, two = Database(ledger_url(tmp_path)), Database(ledger_url(tmp_path))
    read_late = asyncio.Event()

    async def slow() -> None:
        async with one.write() as connection:
            assert await store.find_home(connection, "ana") is None
            read_late.set()
            await asyncio.sleep(0.2)
            await store.save_home(connection, "ana", "esac", NOW)

    async def next_one() -> str | None:
        await read_late.wait()
        async with two.write() as connection:
            return await store.find_home(connection, "ana")

    _, found = await asyncio.gather(slow(), next_one())
    assert found == "esac"
    await one.close()
    await two.close()


async def test_writers_that_wait_do_not_keep_readers_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(engines, "TURN_SECONDS", 0.7)
    database = Database(ledger_url(tmp_path))
    await homes(database)
    with sqlite3.connect(tmp_path / "control.db", isolation_level=None) as other:
        other.execute("begin immediate")
        begun = monotonic()
        writers = [asyncio.create_task(database.transact(saves_home(f"user{number}"))) for number in range(40)]
        while not any(writer.done() for writer in writers):
            assert await homes(database) == {}
        answers = await asyncio.gather(*writers, return_exceptions=True)
        assert [answer for answer in answers if not (isinstance(answer, Exception) and is_unavailable(answer))] == []
        assert monotonic() - begun < 3, "each waited for its own turn and no longer"
        other.execute("rollback")
    await database.transact(saves_home("ana"))
    assert await homes(database) == {"ana": "esac"}
    await database.close()


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


async def end_own_session(connection: AsyncConnection, postgres: PostgresServer) -> None:
    number = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    with postgres.connect() as admin:
        admin.execute("select pg_terminate_backend(%s, 5000)", [number])


async def test_a_transaction_whose_connection_was_lost_is_run_once_more(
    postgres: PostgresServer, remote: Database, caplog: pytest.LogCaptureFixture
) -> None:
    runs = []

    async def work(connection: AsyncConnection) -> int:
        runs.append(1)
        await saves_home("ana")(connection)
        if len(runs) == 1:
            await end_own_session(connection, postgres)
            await saves_home("bob")(connection)
        return len(runs)

    assert await remote.transact(work) == 2
    assert await homes(remote) == {"ana": "esac"}
    assert [record.message for record in caplog.records] == ["a transaction is run again"]


async def test_a_transaction_whose_connection_is_lost_again_fails(postgres: PostgresServer, remote: Database) -> None:
    runs = []

    async def work(connection: AsyncConnection) -> None:
        runs.append(1)
        await saves_home("ana")(connection)
        await end_own_session(connection, postgres)

    with pytest.raises(DBAPIError) as caught:
        await remote.transact(work)
    assert is_unavailable(caught.value)
    assert len(runs) == 2
    assert await homes(remote) == {}


async def test_of_two_transactions_in_each_others_way_both_are_done(remote: Database) -> None:
    await asyncio.gather(*(remote.transact(saves_home(owner)) for owner in ("ana", "bob")))
    both_hold_one = asyncio.Barrier(2)
    runs = []

    async def update(connection: AsyncConnection, first: str, second: str) -> None:
        runs.append(first)
        statement = text("update homes set site = site || '+' where owner = :owner")
        await connection.execute(statement, {"owner": first})
        if len(runs) <= 2:
            await both_hold_one.wait()
        await connection.execute(statement, {"owner": second})

    await asyncio.gather(
        remote.transact(lambda connection: update(connection, "ana", "bob")),
        remote.transact(lambda connection: update(connection, "bob", "ana")),
    )
    assert len(runs) >= 3
    assert await homes(remote) == {"ana": "esac++", "bob": "esac++"}


async def test_a_transaction_that_has_to_give_way_every_time_fails(remote: Database) -> None:
    runs = []

    async def work(connection: AsyncConnection) -> None:
        runs.append(1)
        await saves_home("ana")(connection)
        raising = "begin raise exception 'x' using errcode = 'deadlock_detected'; end"
        await connection.execute(text(f"do $$ {raising} $$"))

    with pytest.raises(DBAPIError):
        await remote.transact(work)
    assert len(runs) == MOST_RUNS
    assert await homes(remote) == {}


async def test_a_statement_that_takes_too_long_is_ended(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "STATEMENT_SECONDS", 0.1)
    impatient = Database(address)
    with pytest.raises(DBAPIError, match="statement timeout") as caught:
        async with impatient.read() as connection:
            await connection.execute(text("select pg_sleep(20)"))
    assert is_unavailable(caught.value)
    await impatient.close()


async def test_a_server_that_was_killed_is_told_and_used_again_when_it_is_back(
    postgres: PostgresServer, remote: Database
) -> None:
    await remote.transact(saves_home("ana"))
    postgres.kill()
    for _ in range(2):
        with pytest.raises(DBAPIError) as caught:
            await homes(remote)
        assert is_unavailable(caught.value)
        with pytest.raises(DBAPIError) as caught:
            await remote.transact(saves_home("bob"))
        assert is_unavailable(caught.value)
    postgres.start()
    assert await homes(remote) == {"ana": "esac"}
    await remote.transact(saves_home("bob"))
    assert await homes(remote) == {"ana": "esac", "bob": "esac"}


async def test_a_server_that_became_a_standby_is_left_and_used_again_when_it_takes_writes(
    postgres: PostgresServer, address: str, remote: Database
) -> None:
    await remote.transact(saves_home("ana"))
    with postgres.standby(address):
        with pytest.raises(DBAPIError) as caught:
            await remote.transact(saves_home("bob"))
        assert is_unavailable(caught.value)
    await remote.transact(saves_home("bob"))
    assert await homes(remote) == {"ana": "esac", "bob": "esac"}


async def test_a_reader_that_writes_is_a_fault_of_ours(remote: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with pytest.raises(InternalError) as caught:
        async with remote.read() as connection:
            await saves_home("ana")(connection)
    assert not is_unavailable(caught.value)


async def test_more_transactions_than_connections_are_all_done(remote: Database) -> None:
    await asyncio.gather(*(remote.transact(saves_home(f"user{number}")) for number in range(100)))
    assert len(await homes(remote)) == 100
