"""Copies of a ledger: taken while it is in use, and put back while it is not."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from perijove_hub.ledger import dumps
from perijove_hub.ledger.checking import judge_revision
from perijove_hub.ledger.engines import DatabaseError, parse_address
from perijove_hub.ledger.files import complete_or_nothing
from perijove_hub.ledger.guards import FileGuard

ROLES = ("control", "controller")


def back_up(address: str, file: Path) -> None:
    """Write a copy of the ledger as it is at one moment to a new file that only its owner may read.

    The file appears when the copy is complete. The ledger may be in use.

    Raises:
        DatabaseError: the ledger cannot be read, or the file exists or cannot be written.
    """
    url = parse_address(address)
    if file.exists():
        raise DatabaseError(f"{file} exists already; give the name of a new file")
    with complete_or_nothing(file) as unfinished:
        if url.get_backend_name() == "sqlite":
            _copy(Path(str(url.database)), unfinished)
        else:
            dumps.dump(url, unfinished)


def restore(address: str, file: Path, now: datetime) -> Path | None:
    """Put a copy in the place of the ledger, which nobody may use meanwhile.

    Either all of it is put back, or the ledger is left as it was.

    Args:
        address: of the ledger.
        file: as :func:`back_up` wrote it, from the same kind of database.
        now: the time; it names what was there.

    Returns:
        Where what was there before is kept; None when there was nothing.

    Raises:
        DatabaseError: a process uses the ledger, or the file is no copy of a ledger that this program knows.
    """
    url = parse_address(address)
    if not file.is_file():
        raise DatabaseError(f"{file} cannot be used: there is no such file")
    suffix = f"before-restore-{now:%Y%m%dT%H%M%S.%fZ}"
    if url.get_backend_name() == "sqlite":
        return _restore_file(Path(str(url.database)), file, suffix)
    return dumps.restore(url, file, file.with_name(f"{file.name}.{suffix}"))


def _restore_file(ledger: Path, file: Path, suffix: str) -> Path | None:
    guards = []
    try:
        for role in ROLES:
            guards.append(FileGuard(str(ledger), role))
        with complete_or_nothing(ledger) as unfinished:
            _copy(file, unfinished)
            _refuse_what_is_no_ledger(unfinished, file)
            return _set_aside(ledger, unfinished, suffix)
    finally:
        for guard in guards:
            guard.release()


def _copy(source: Path, target: Path) -> None:
    """SQLite's own copy: one moment of the source, which others may be writing to."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            # one file that needs no other beside it
            new.execute("PRAGMA journal_mode=DELETE")
            faults = [str(row[0]) for row in new.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        raise DatabaseError(f"{source} cannot be copied: {error}") from error
    if faults != ["ok"]:
        raise DatabaseError(f"{source} cannot be copied: it is damaged ({faults[0]})")


def _refuse_what_is_no_ledger(copy: Path, file: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        try:
            found = connection.execute("select version_num from alembic_version").fetchone()
        except sqlite3.Error:
            found = None
    verdict = judge_revision(found[0] if found else None)
    if not verdict.is_good:
        raise DatabaseError(f"{file} is not put back: {verdict.sentence}")


def _set_aside(ledger: Path, copy: Path, suffix: str) -> Path | None:
    if not ledger.exists():
        return None
    kept = ledger.with_name(f"{ledger.name}.{suffix}")
    status = ledger.stat()
    copy.chmod(status.st_mode & 0o777)
    if os.geteuid() == 0:
        os.chown(copy, status.st_uid, status.st_gid)  # or the service could not open what root put back
    os.link(ledger, kept)
    # the log of a process that was killed belongs to the old file, and must not be taken for a part of the new one
    for part in ("-wal", "-shm"):
        # who only looked at the ledger, and closes it now, takes them away
        with suppress(FileNotFoundError):
            ledger.with_name(ledger.name + part).rename(kept.with_name(kept.name + part))
    return kept
