"""Copies of a ledger in PostgreSQL, by PostgreSQL's own programs ``pg_dump``, ``pg_restore`` and ``psql``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from perijove_hub.ledger.checking import judge_revision
from perijove_hub.ledger.engines import DatabaseError, plain_engine, spoken_address, spoken_error
from perijove_hub.ledger.files import complete_or_nothing
from perijove_hub.ledger.guards import SessionGuard
from perijove_hub.ledger.schema import metadata

#: Where Debian has PostgreSQL's programs, below a version.
DEBIAN = Path("/usr/lib/postgresql")

TABLES = ("alembic_version", *metadata.tables)

#: Other processes of ours on the same database; they are known by the name that all of them give.
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name = current_setting('application_name')"
)

#: How long a table that somebody uses is waited for, in milliseconds.
LOCK_TIMEOUT = 10_000


def dump(url: URL, file: Path) -> None:
    """Write the tables of a ledger as they are at one moment.

    Raises:
        DatabaseError: a program is missing, or says why not.
    """
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--file={file}"]
    _run(url, "pg_dump", *arguments, *(f"--table={name}" for name in TABLES))


def restore(url: URL, file: Path, kept: Path) -> Path | None:
    """Put a dump in the place of the ledger, in one transaction, after what is there was dumped to ``kept``.

    Raises:
        DatabaseError: a process uses the ledger, the file is no dump of one, a program is missing or says why not.
    """
    found = _revision(url, file)
    verdict = judge_revision(found)
    if not verdict.is_good:
        raise DatabaseError(f"{file} is not put back: {verdict.sentence}")
    guard = SessionGuard(url, "controller")
    try:
        present = _tables_that_nobody_uses(url)
        if present:
            with complete_or_nothing(kept) as unfinished:
                dump(url, unfinished)
        with TemporaryDirectory() as directory:
            drop, script = Path(directory) / "drop.sql", Path(directory) / "restore.sql"
            drop.write_text("".join(f"DROP TABLE {name};\n" for name in present))
            _run(None, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file))
            once = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
            _run(url, "psql", *once, f"--file={drop}", f"--file={script}")
        return kept if present else None
    finally:
        guard.release()


def _revision(url: URL, file: Path) -> str | None:
    """The revision of the tables in a dump; None when they are none of ours."""
    listed = _run(None, "pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(file)).splitlines()
    begin = next((number for number, line in enumerate(listed) if line.startswith("COPY ")), None)
    return None if begin is None else listed[begin + 1]


def _tables_that_nobody_uses(url: URL) -> list[str]:
    try:
        with plain_engine(url).connect() as connection:
            others = int(connection.scalar(_OTHERS) or 0) - 1  # the guard's own session
            if others > 0:
                raise DatabaseError(
                    f"{others} session{'s' if others > 1 else ''} of control or its like use {spoken_address(url)}; "
                    "stop them, then restore"
                )
            schema = connection.scalar(select(func.current_schema()))
            there = set(inspect(connection).get_table_names(schema=schema))
    except DBAPIError as error:
        raise DatabaseError(f"{spoken_address(url)} cannot be used: {spoken_error(error)}") from error
    return [name for name in TABLES if name in there]


def _run(url: URL | None, program: str, *arguments: str) -> str:
    """What a program of PostgreSQL answers. A password goes by its environment, which no other user can read."""
    command, env = [_find(program), *arguments], dict(os.environ)
    if url is not None:
        said = dict(url.get_dialect()().create_connect_args(url)[1])
        if password := said.pop("password", None):
            env["PGPASSWORD"] = str(password)
        env["PGOPTIONS"] = f"-c lock_timeout={LOCK_TIMEOUT} {said.pop('options', '')}".strip()
        command.append(f"--dbname={make_conninfo(**said)}")
    # S603: the command is ours, and no shell reads it
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise DatabaseError(f"{program} failed: {' '.join(done.stderr.split())[:1000]}")
    return done.stdout


def _find(program: str) -> str:
    """Where a program is: on the path, or where Debian has it, of the newest version.

    Raises:
        DatabaseError: it is nowhere.
    """
    newest = max(DEBIAN.glob(f"*/bin/{program}"), key=lambda path: float(path.parts[-3]), default=None)
    found = shutil.which(program) or newest
    if found is None:
        raise DatabaseError(
            f"{program} is missing: install PostgreSQL's client programs (Debian's package postgresql-client), "
            "of the server's version or a newer one"
        )
    return str(found)
