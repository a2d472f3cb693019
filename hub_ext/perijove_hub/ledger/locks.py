"""Locks on subjects: who counts and writes about a user, a group or a site does so alone."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

# The function is volatile, so PostgreSQL calls it after it has sorted.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(number) FROM unnest(:numbers) WITH ORDINALITY AS key (number, place) ORDER BY place"
).bindparams(bindparam("numbers", type_=ARRAY(BigInteger)))


def lock_number(key: str) -> int:
    """The number, of 64 bits and signed, under which PostgreSQL locks a key."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8, person=b"perijove").digest(), signed=True)


async def lock_subjects(connection: AsyncConnection, keys: Iterable[str]) -> None:
    """Wait until no other transaction holds one of these keys, and hold them until this one ends.

    Everybody takes them in the same order, so two transactions never wait for each other. A transaction that locks does
    so once, before it reads anything that it decides by. On SQLite a transaction that writes is alone anyway.

    Args:
        connection: of a transaction that writes.
        keys: of subjects, as ``user:ana``, ``group:euclid`` or ``platform``.

    Raises:
        OperationalError: another transaction held one of them for too long.
    """
    numbers = sorted({lock_number(key) for key in keys})
    if numbers and connection.dialect.name == "postgresql":
        await connection.execute(_LOCK, {"numbers": numbers})
