"""How SQLite and PostgreSQL are reached: addresses, engines, patience, and what their errors mean."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

#: How long a transaction waits for its turn in this process, and then for other processes. Both together are less than
#: the ten seconds that the hub waits for an answer, so that it hears what is wrong.
TURN_SECONDS: float = 5
BUSY_SECONDS: float = 4

#: How long PostgreSQL may take to let us in, one statement may take, and a transaction may stand still.
CONNECT_SECONDS = 4
STATEMENT_SECONDS = 30
STANDSTILL_SECONDS = 60

#: How many connections a process keeps, and how many more it opens when all of them are busy.
KEPT_CONNECTIONS = 10
MORE_CONNECTIONS = 10

DRIVERS = {"sqlite": "aiosqlite", "postgresql": "psycopg"}

#: SQLSTATE: of two transactions in each other's way one had to give way; run again it finds the other one done.
GAVE_WAY = frozenset({"40001", "40P01"})
#: SQLSTATE: the server takes no writes, as a primary that has become a standby.
READ_ONLY = "25006"
#: SQLSTATE: the server's last words in a session that it ends: it was told to, shuts down, or we stood still too long.
ENDED = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03"})


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do, in one sentence."""


def parse_address(address: str) -> URL:
    """The address of a ledger with its driver in it.

    Raises:
        DatabaseError: it is none that we can use. The address may hold a password, so it is not repeated.
    """
    try:
        url = make_url(address)
        backend, _, driver = url.drivername.partition("+")
        wanted = DRIVERS.get(backend)
        if wanted is None or driver not in ("", wanted) or (backend == "sqlite" and not driver):
            raise DatabaseError(
                f"the ledger is kept in SQLite or PostgreSQL, not in {url.drivername}: "
                "use sqlite+aiosqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"
            )
    except (SQLAlchemyError, ValueError) as error:
        raise DatabaseError(f"the database address cannot be used: {error}") from error
    if not url.database or url.database == ":memory:":
        raise DatabaseError("the database address cannot be used: it names no database")
    return url.set(drivername=f"{backend}+{wanted}")


def spoken_address(url: URL) -> str:
    """What messages call the database; never its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"database {url.database!r} at {url.host or url.query.get('host') or 'the local socket'}"


def spoken_error(error: BaseException) -> str:
    """What the database said, in one line; never a statement or its values."""
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())


def async_engine(url: URL) -> AsyncEngine:
    """The engine that requests and loops use.

    Raises:
        DatabaseError: the driver is not installed, or the address has what it does not know.
    """
    pool: dict[str, Any] = {"pool_timeout": TURN_SECONDS, "hide_parameters": True}
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_async_engine(url, **pool)
            _on_sqlite(engine.sync_engine)
            return engine
        engine = create_async_engine(
            url,
            pool_size=KEPT_CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            # a server that was restarted is noticed before the first statement, not by it
            pool_pre_ping=True,
            # whatever the server's default is: a statement after a lock must see what the one before us committed
            isolation_level="READ COMMITTED",
            connect_args=_postgres_arguments(url, STATEMENT_SECONDS, BUSY_SECONDS),
            **pool,
        )
        event.listen(engine.sync_engine, "handle_error", _notice_loss)
        return engine
    except (SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        raise DatabaseError(f"the database address cannot be used: {error}") from error


def plain_engine(url: URL) -> Engine:
    """An engine for one blocking task, such as a migration: no pool, and on PostgreSQL no limit to a statement."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool, hide_parameters=True)
        _on_sqlite(engine)
        return engine
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=_postgres_arguments(url, 0, 0))


def is_unavailable(error: BaseException | None) -> bool:
    """Whether this says that the database cannot be used now, and not that we asked it for something wrong."""
    return isinstance(error, (OperationalError, InterfaceError, PoolTimeout)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def gave_way(error: DBAPIError) -> bool:
    """Whether the database ended a transaction in favour of another one, so that it may well succeed when run again."""
    return getattr(error.orig, "sqlstate", None) in GAVE_WAY


def _postgres_arguments(url: URL, statement_seconds: float, lock_seconds: float) -> dict[str, Any]:
    """What libpq is told beside the address; what the address says itself wins."""
    settings = {
        "statement_timeout": int(statement_seconds * 1000),
        "lock_timeout": int(lock_seconds * 1000),
        "idle_in_transaction_session_timeout": STANDSTILL_SECONDS * 1000,
        "timezone": "UTC",
        # a client whose machine is gone must not keep its locks for hours
        "tcp_keepalives_idle": 30,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
    }
    said = url.query
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    arguments = {
        "application_name": "perijove",
        "connect_timeout": CONNECT_SECONDS,
        # of several hosts the one that takes writes
        "target_session_attrs": "read-write",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    return {name: value for name, value in arguments.items() if name not in said} | {
        "options": f"{options} {said.get('options', '')}".strip()
    }


def _notice_loss(context: ExceptionContext) -> None:
    """Leave a connection that is of no use any more, where the driver does not say so itself.

    It tells the server's last words before it sees that the connection is closed. And a server that became a standby
    answers and takes no writes: it is left as if it had gone.
    """
    asked = context.connection is not None and context.connection.get_execution_options().get("postgresql_readonly")
    state = getattr(context.original_exception, "sqlstate", None)
    if state in ENDED or (state == READ_ONLY and not asked):
        context.is_disconnect = True


def _on_sqlite(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # pysqlite's own BEGIN comes too late to hold the writer's place; we begin ourselves, see _begin_sqlite
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # WAL with FULL: a committed lease survives a power cut, not only a killed process
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("perijove_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
