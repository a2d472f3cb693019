"""What is kept of harvests, in the ledger's database: each function takes its caller's connection.

Several control processes may share the database. Whoever claims a catalogue that is due asks it; the others read what
came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.schema import catalogues


@dataclass(frozen=True)
class Row:
    """The row of a catalogue, without what was found."""

    name: str
    fingerprint: str
    serial: int
    due: datetime
    harvested: datetime | None
    failures: int
    error: str | None


async def rows(connection: AsyncConnection) -> dict[str, Row]:
    """All rows, by the names of their catalogues."""
    columns = [column for column in catalogues.c if column.name != "found"]
    return {row["name"]: Row(**row) for row in (await connection.execute(select(*columns))).mappings()}


async def found(connection: AsyncConnection, name: str) -> str | None:
    """What the last good harvest of a catalogue found, as JSON."""
    text: str | None = await connection.scalar(select(catalogues.c.found).where(catalogues.c.name == name))
    return text


async def claim(connection: AsyncConnection, name: str, fingerprint: str, now: datetime, until: datetime) -> bool:
    """Take a catalogue that is due, for as long as a harvest may take; False when somebody else has.

    A catalogue that is at another address than before begins anew.
    """
    fresh = {
        "fingerprint": fingerprint, "serial": 0, "due": until, "harvested": None, "failures": 0, "error": None,
        "found": None,
    }  # fmt: skip
    if await insert_once(connection, catalogues, {"name": name, **fresh}):
        return True
    change = update(catalogues).where(catalogues.c.name == name)
    changed = await connection.execute(change.where(catalogues.c.fingerprint != fingerprint).values(fresh))
    if changed.rowcount:
        return True
    taken = await connection.execute(change.where(catalogues.c.due <= now).values(due=until))
    return bool(taken.rowcount)


async def succeeded(
    connection: AsyncConnection, name: str, fingerprint: str, now: datetime, due: datetime, text: str
) -> None:
    """Keep what a harvest found."""
    values: Mapping[str, object] = {
        "serial": catalogues.c.serial + 1, "due": due, "harvested": now, "failures": 0, "error": None, "found": text,
    }  # fmt: skip
    await connection.execute(_of(name, fingerprint).values(**values))


async def failed(connection: AsyncConnection, name: str, fingerprint: str, due: datetime, error: str) -> None:
    """Keep that a harvest failed; what was found before stays."""
    values = {"due": due, "failures": catalogues.c.failures + 1, "error": error}
    await connection.execute(_of(name, fingerprint).values(**values))


def _of(name: str, fingerprint: str) -> Update:
    # the platform file may have changed meanwhile: what was heard at another address is not of this catalogue
    return update(catalogues).where(catalogues.c.name == name, catalogues.c.fingerprint == fingerprint)
