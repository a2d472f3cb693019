"""New ledgers, and fixtures for tests that hold on both databases: they give an address, once for each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import select

from perijove_hub.ledger import schema
from perijove_hub.ledger.database import Database

from .postgres import PostgresServer

DATABASES = ["sqlite", "postgresql"]


@cache
def _empty_ledger() -> bytes:
    """A file of all tables and no rows: migrating takes longer than most tests."""
    with TemporaryDirectory() as directory:
        Database(f"sqlite+aiosqlite:///{directory}/control.db").migrate()
        return (Path(directory) / "control.db").read_bytes()


def ledger_url(directory: Path) -> str:
    """The address of the SQLite ledger in ``directory``, which is made when it is not there."""
    path = directory / "control.db"
    if not path.exists():
        path.write_bytes(_empty_ledger())
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(params=DATABASES)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new ledger with all tables and no rows, in SQLite and then in PostgreSQL."""
    if request.param == "sqlite":
        return ledger_url(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.ledger()


@pytest.fixture(params=DATABASES)
def empty_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a ledger without tables, in SQLite and then in PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/control.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.empty_database()


async def dump_tables(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in the order of the keys."""
    found = {}
    async with database.read() as connection:
        for table in schema.metadata.sorted_tables:
            rows = await connection.execute(select(table).order_by(*table.primary_key))
            found[table.name] = [dict(row) for row in rows.mappings()]
    return found
