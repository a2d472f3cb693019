"""The database of control and controller: engine, transactions, migrations, and the lock that guards SQLite."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

MIGRATIONS = Path(__file__).parent / "migrations"

#: How long a transaction waits for SQLite's one writer before it gives up.
BUSY_SECONDS = 10


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do, in one sentence."""


class Database:
    """One engine with two kinds of transactions.

    Args:
        url: ``sqlite+aiosqlite:///PATH``.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            backend = self._url.get_backend_name()
            if backend != "sqlite":
                # admission counts and writes under SQLite's one writer; elsewhere nothing would hold the quotas yet
                raise DatabaseError(f"the ledger is kept in SQLite, not in {backend}: use sqlite+aiosqlite:///PATH")
            self._engine = create_async_engine(self._url)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            # the address may hold a password, so it is not repeated
            raise DatabaseError(f"the database address cannot be used: {error}") from error
        self._lock: int | None = None
        event.listen(self._engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: it holds the writer's place from its first statement, and commits at the end.

        What is read inside it cannot be changed by another writer before the commit: admission counts and writes in
        one such transaction, so that N parallel asks for one unit admit exactly one.
        """
        async with self._engine.connect() as connection:
            await connection.execution_options(perijove_write=True)
            async with connection.begin():
                yield connection

    def lock(self, role: str) -> None:
        """Refuse a second process of the same role on one SQLite file. Held until the process ends.

        Raises:
            DatabaseError: another process holds it.
        """
        if self._url.database in (None, "", ":memory:"):
            return
        path = f"{self._url.database}.{role}.lock"
        try:
            self._lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseError(
                f"another {role} process uses {self._url.database}; one {role} serves one ledger"
            ) from error
        except OSError as error:
            raise DatabaseError(f"{path} cannot be opened: {error.strerror}") from error

    @contextmanager
    def _exclusive(self, what: str) -> Iterator[None]:
        if self._url.database in (None, "", ":memory:"):
            yield
            return
        with Path(f"{self._url.database}.{what}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def migrate(self) -> None:
        """Bring the tables to the version of this program. Blocks; run it before serving.

        Raises:
            DatabaseError: the file is from a newer program, or cannot be written.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        sync_url = self._url.set(drivername=self._url.get_backend_name())
        engine = create_engine(sync_url)
        try:
            # control and controller start together on a new file: one makes the tables, the other waits for it
            with self._exclusive("migration"), engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            newest = ScriptDirectory.from_config(config).get_current_head()
            raise DatabaseError(
                f"{self._url.database} was written by a newer Perijove (this one knows its tables up to {newest}); "
                "upgrade Perijove or restore an older copy"
            ) from error
        except DBAPIError as error:
            raise DatabaseError(f"{self._url.database} cannot be used: {error.orig}") from error
        except OSError as error:
            raise DatabaseError(f"{self._url.database} cannot be used: {error.strerror}") from error
        finally:
            engine.dispose()

    async def close(self) -> None:
        """Give the connections back."""
        await self._engine.dispose()


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # pysqlite's own BEGIN comes too late to hold the writer's place; we begin ourselves, see _begin_sqlite
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # WAL with FULL: a committed lease survives a power cut, not only a killed process
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("perijove_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
