"""The guard of a role: a second process of it on the same ledger refuses to start."""

from __future__ import annotations

import fcntl
import os
from threading import RLock
from typing import Protocol

from sqlalchemy import URL, Connection, func, select
from sqlalchemy.exc import DBAPIError

from perijove_hub.ledger.engines import DatabaseError, plain_engine, spoken_address, spoken_error
from perijove_hub.ledger.locks import lock_number

#: On PostgreSQL any number of control processes serve one ledger; of these there is one.
ALONE_ON_POSTGRESQL = frozenset({"controller"})


class Guard(Protocol):
    """Something that one process holds."""

    def confirm(self) -> None:
        """Make sure that it is still ours."""

    def release(self) -> None:
        """Let the next one have it."""


def take_guard(url: URL, role: str) -> Guard | None:
    """Hold the role of a ledger; None when any number may have it.

    Raises:
        DatabaseError: another process holds it, or the database cannot be asked.
    """
    if url.get_backend_name() == "sqlite":
        return FileGuard(str(url.database), role)
    return SessionGuard(url, role) if role in ALONE_ON_POSTGRESQL else None


class FileGuard:
    """A lock on a file beside SQLite's, which the kernel gives back when the process ends, however it does."""

    def __init__(self, database: str, role: str) -> None:
        path = f"{database}.{role}.lock"
        try:
            self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise DatabaseError(f"another {role} process uses {database}; one {role} serves one ledger") from error

    def confirm(self) -> None:
        """A lock on a file is never lost."""

    def release(self) -> None:
        """Give it back."""
        os.close(self._file)


class SessionGuard:
    """An advisory lock of PostgreSQL, which the server gives back when our connection ends.

    A connection may be lost while we run: :meth:`confirm` notices, and takes the lock again. Any thread may call.
    """

    def __init__(self, url: URL, role: str) -> None:
        self._url, self._role = url, role
        self._engine = plain_engine(url).execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None
        self._one_at_a_time = RLock()
        try:
            self._take()
        except DBAPIError as error:
            raise DatabaseError(f"{spoken_address(url)} cannot be used: {spoken_error(error)}") from error

    def confirm(self) -> None:
        """Make sure that the lock is still ours, or take it again when its connection was lost.

        Raises:
            DatabaseError: another process has taken it meanwhile.
            DBAPIError: the database cannot be asked now.
        """
        with self._one_at_a_time:
            if self._connection is not None:
                try:
                    self._connection.execute(select(1))
                except DBAPIError:
                    self.release()
                else:
                    return
            self._take()

    def release(self) -> None:
        """Give it back."""
        with self._one_at_a_time:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None

    def _take(self) -> None:
        connection = self._engine.connect()
        if not connection.scalar(select(func.pg_try_advisory_lock(lock_number(f"role:{self._role}")))):
            connection.close()
            raise DatabaseError(
                f"another {self._role} process uses {spoken_address(self._url)}; one {self._role} serves one ledger"
            )
        self._connection = connection
