from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from perijove_hub.ledger import schema, store
from perijove_hub.ledger.database import MIGRATIONS, Database, DatabaseError


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


def test_migrating_makes_the_tables_of_the_schema_and_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    for _ in range(2):
        Database(url(path)).migrate()
    assert tables(path) == {"alembic_version", *schema.metadata.tables}
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_migrations_go_down_again(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Database(url(path)).migrate()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    assert tables(path) == {"alembic_version"}
    Database(url(path)).migrate()
    assert tables(path) == {"alembic_version", *schema.metadata.tables}


def test_a_file_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    Database(url(path)).migrate()
    with sqlite3.connect(path) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(DatabaseError) as caught:
        Database(url(path)).migrate()
    assert str(caught.value) == (
        f"{path} was written by a newer Perijove (this one knows its tables up to 0002); "
        "upgrade Perijove or restore an older copy"
    )
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match=r"c\.db cannot be used: file is not a database$"):
        Database(url(path)).migrate()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be used: No such file or directory"):
        Database(url(tmp_path / "none" / "c.db")).migrate()


@pytest.mark.parametrize("address", ["nonsense", "sqlite:///c.db", "oracle+nobody://me:canary@host/db", "://"])
def test_an_address_that_cannot_be_used_is_told_without_its_password(address: str) -> None:
    with pytest.raises(
        DatabaseError, match=r"^the (database address cannot be used: |ledger is kept in SQLite)"
    ) as caught:
        Database(address)
    assert "canary" not in str(caught.value)


def test_a_folder_with_a_percent_sign_is_fine(tmp_path: Path) -> None:
    (tmp_path / "100%s").mkdir()
    Database(url(tmp_path / "100%s" / "c.db")).migrate()
    assert (tmp_path / "100%s" / "c.db").stat().st_size > 0


LOCKER = """
import sys, time
from perijove_hub.ledger.database import Database, DatabaseError
try:
    Database(sys.argv[1]).lock(sys.argv[2])
except DatabaseError as error:
    print(error, flush=True)
else:
    print("locked", flush=True)
    time.sleep(60)
"""


def lock_elsewhere(path: Path, role: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", LOCKER, url(path), role], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_process_of_one_role_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    first, told = lock_elsewhere(path, "control")
    try:
        assert told == "locked"
        with pytest.raises(DatabaseError) as caught:
            Database(url(path)).lock("control")
        assert str(caught.value) == (f"another control process uses {path}; one control serves one ledger")
        Database(url(path)).lock("controller")  # one of each role may run
        second, told = lock_elsewhere(path, "controller")
        assert told.startswith("another controller process uses")
        end(second)
    finally:
        end(first)
    third, told = lock_elsewhere(path, "control")
    end(third)
    assert told == "locked"


async def test_a_writer_sees_what_the_writer_before_it_wrote(tmp_path: Path) -> None:
    one, two = Database(url(tmp_path / "c.db")), Database(url(tmp_path / "c.db"))
    one.migrate()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    read_late = asyncio.Event()

    async def slow() -> None:
        async with one.write() as connection:
            assert await store.find_home(connection, "ana") is None
            read_late.set()
            await asyncio.sleep(0.2)
            await store.save_home(connection, "ana", "esac", now)

    async def next_one() -> str | None:
        await read_late.wait()
        async with two.write() as connection:
            return await store.find_home(connection, "ana")

    _, found = await asyncio.gather(slow(), next_one())
    assert found == "esac"
    await one.close()
    await two.close()


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(url(tmp_path / "c.db"))
    database.migrate()

    async def fail_in_the_middle() -> None:
        async with database.write() as connection:
            await store.save_home(connection, "ana", "esac", datetime(2026, 3, 1, tzinfo=UTC))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await fail_in_the_middle()
    async with database.read() as connection:
        assert await store.find_home(connection, "ana") is None
    await database.close()


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        schema.UtcDateTime().process_bind_param(datetime(2026, 3, 1), None)


def test_a_database_that_would_not_hold_the_quotas_is_refused_without_its_password() -> None:
    with pytest.raises(DatabaseError) as caught:
        Database("postgresql+psycopg://perijove:canary@db.example/ledger")
    assert "canary" not in str(caught.value)
    assert "sqlite+aiosqlite:///PATH" in str(caught.value)
