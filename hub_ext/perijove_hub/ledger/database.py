"""The database of control and controller: transactions, migrations, and the guard of each role."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove_hub.ledger import engines
from perijove_hub.ledger.engines import DatabaseError, gave_way, is_unavailable, spoken_address, spoken_error
from perijove_hub.ledger.guards import Guard, take_guard
from perijove_hub.ledger.locks import lock_number

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

#: How often a transaction is run that the database makes give way to others.
MOST_RUNS = 4

T = TypeVar("T")


class Database:
    """One engine with two kinds of transactions.

    Args:
        address: ``sqlite+aiosqlite:///PATH`` or ``postgresql+psycopg://USER@HOST/DATABASE``. What libpq takes from its
            environment and its password file counts too, so no password has to be in it.

    Raises:
        DatabaseError: the address cannot be used.
    """

    def __init__(self, address: str) -> None:
        self._url = engines.parse_address(address)
        self._engine = engines.async_engine(self._url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._writer = asyncio.Lock()
        self._guard: Guard | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees one moment from its first statement to its last."""
        async with self._engine.connect() as connection:
            if not self._is_sqlite:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, and commits at the end.

        On SQLite it holds the writer's place from its first statement: what is read inside it cannot be changed by
        another writer before the commit. On PostgreSQL that is so for the subjects that it has locked by
        :func:`perijove_hub.ledger.locks.lock_subjects`. Admission counts and writes in one such transaction, so that N
        parallel asks for one unit admit exactly one.
        """
        async with self._turn(), self._engine.connect() as connection:
            await connection.execution_options(perijove_write=True)
            async with connection.begin():
                yield connection

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction that writes, and once more on a fresh connection when this one was lost.

        When the database made it give way to another transaction, it is run again up to :data:`MOST_RUNS` times in all.
        The answer to a commit may be lost after the commit, so ``work`` must be good to run again on what it has
        written itself.

        Args:
            work: takes the connection; what it returns is the result.

        Raises:
            OperationalError: the database cannot be used now; so do its other errors for which ``is_unavailable``.
        """
        run = 1
        while True:
            try:
                async with self.write() as connection:
                    return await work(connection)
            except DBAPIError as error:
                is_second = gave_way(error)
                if run >= (MOST_RUNS if is_second else 2 if error.connection_invalidated else 1):
                    raise
                log.warning("a transaction is run again", extra={"error": spoken_error(error)})
            if is_second:
                # at once, it could take again the lock that the other one is just waking up to take
                await asyncio.sleep(random.uniform(0.05, 0.15) * run)  # noqa: S311 - no secret
            run += 1

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Writers of this process queue here for SQLite's one writer, and leave the connections to readers."""
        if not self._is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(engines.TURN_SECONDS):
                await self._writer.acquire()
        except TimeoutError as error:
            raise PoolTimeout("too many transactions wait for their turn to write") from error
        try:
            yield
        finally:
            self._writer.release()

    def lock(self, role: str) -> None:
        """Refuse a second process of the same role on one ledger. Held until :meth:`close` or the process's end.

        On PostgreSQL any number of ``control`` processes may run, but one ``controller``.

        Raises:
            DatabaseError: another process holds it.
        """
        self._guard = take_guard(self._url, role)

    async def confirm_lock(self) -> None:
        """Make sure that the role is still ours: on PostgreSQL it goes with a connection, which may be lost.

        Raises:
            DatabaseError: another process has taken it meanwhile.
            DBAPIError: the database cannot be asked now.
        """
        if self._guard is not None:
            await asyncio.to_thread(self._guard.confirm)

    def migrate(self) -> None:
        """Bring the tables to the version of this program. Blocks; run it before serving.

        Raises:
            DatabaseError: the ledger is from a newer program, or cannot be written.
        """
        self._move(lambda config: command.upgrade(config, "head"))

    def downgrade(self, revision: str) -> None:
        """Bring the tables back to an older revision, ``base`` for none; what it did not know is lost. Blocks.

        Raises:
            DatabaseError: the ledger is from a newer program, or cannot be written.
        """
        self._move(lambda config: command.downgrade(config, revision))

    def _move(self, step: Callable[[Config], None]) -> None:
        config, spoken = migration_config(), spoken_address(self._url)
        engine = engines.plain_engine(self._url).execution_options(perijove_write=True)
        try:
            # processes start together on a new ledger: one makes the tables, the others wait for it
            with self._alone_on_file(), engine.begin() as connection:
                _wait_for_migration(connection)
                config.attributes["connection"] = connection
                step(config)
        except CommandError as error:
            raise DatabaseError(
                f"{spoken} was written by a newer Perijove (this one knows its tables up to {newest_revision()}); "
                "upgrade Perijove or restore an older copy"
            ) from error
        except DBAPIError as error:
            raise DatabaseError(f"{spoken} cannot be used: {spoken_error(error)}") from error
        except OSError as error:
            raise DatabaseError(f"{spoken} cannot be used: {error.strerror}") from error

    @contextmanager
    def _alone_on_file(self) -> Iterator[None]:
        if not self._is_sqlite:
            yield
            return
        # the writer's place alone would do, but a long migration outlasts the patience of who waits for it
        with Path(f"{self._url.database}.migration.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    async def close(self) -> None:
        """Give the connections and the role back."""
        await self._engine.dispose()
        if self._guard is not None:
            self._guard.release()
            self._guard = None


def migration_config() -> Config:
    """Alembic's configuration, without a connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def newest_revision() -> str | None:
    """The revision of the tables of this program."""
    return ScriptDirectory.from_config(migration_config()).get_current_head()


def _wait_for_migration(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    connection.execute(select(func.pg_advisory_xact_lock(lock_number("migration"))))
    # a change of a table that waits for a long report makes everybody else wait behind it
    connection.execute(text(f"SET LOCAL lock_timeout = {int(engines.BUSY_SECONDS * 1000)}"))


__all__ = ["MIGRATIONS", "Database", "DatabaseError", "is_unavailable", "migration_config", "newest_revision"]
