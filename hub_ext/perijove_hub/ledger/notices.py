"""Notices: what the platform says to one person, to some groups, or to everybody."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Literal

from sqlalchemy import ColumnElement, RowMapping, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Notice, Topic
from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.schema import notices

#: What the column of keys holds; a longer key is cut, and told apart by its digest.
LONGEST_KEY = 255


@dataclass(frozen=True)
class NewNotice:
    """A notice that is to be written.

    ``key`` says what it is about: a second notice with the same key is not written. ``owner`` is who gets it; None:
    the members of ``groups``, or everybody when there are none. ``keep_minutes`` is set when the owner can put off what
    it announces for ``lease_id``. It is shown until ``expires``; None: always.
    """

    key: str
    topic: Topic
    severity: Literal["info", "warning", "error"]
    message: str
    owner: str | None = None
    groups: tuple[str, ...] = ()
    lease_id: str | None = None
    keep_minutes: int | None = None
    expires: datetime | None = None
    author: str | None = None


async def add_notice(connection: AsyncConnection, notice: NewNotice, now: datetime) -> bool:
    """Write a notice in the caller's transaction, unless its key is there; True when it is new.

    Best as the last step of a transaction: on PostgreSQL those that write notices go one after the other from here to
    their ends.
    """
    key = _short(notice.key)
    if (await connection.execute(select(notices.c.id).where(notices.c.key == key))).first() is not None:
        return False
    # readers go on from the last id that they saw, so no id may appear after a higher one
    await lock_subjects(connection, ["notices"])
    values = {
        "key": key,
        "owner": notice.owner,
        "groups": list(notice.groups),
        "lease_id": notice.lease_id,
        "topic": notice.topic,
        "severity": notice.severity,
        "message": notice.message,
        "keep_minutes": notice.keep_minutes,
        "author": notice.author,
        "created": now,
        "expires": notice.expires,
    }
    return await insert_once(connection, notices, values)


async def list_notices(
    connection: AsyncConnection, owner: str, groups: Collection[str], since: int, now: datetime, limit: int
) -> list[Notice]:
    """The notices for one person that are in force, with ids above ``since``, oldest first.

    A ``since`` above every id was read before the ledger was restored from a backup: all is told anew.
    """
    if since > 0:
        last = (await connection.execute(select(func.max(notices.c.id)))).scalar_one_or_none() or 0
        since = since if since <= last else 0
    fresh = and_(notices.c.id > since, in_force(now))
    mine = select(notices).where(fresh, notices.c.owner == owner).order_by(notices.c.id).limit(limit)
    # those for several people are few, and neither database searches the other's lists
    shared = select(notices).where(fresh, notices.c.owner.is_(None)).order_by(notices.c.id)
    rows = list((await connection.execute(mine)).mappings())
    for row in (await connection.execute(shared)).mappings():
        if not row["groups"] or not set(groups).isdisjoint(row["groups"]):
            rows.append(row)
    return [_notice(row) for row in sorted(rows, key=lambda row: int(row["id"]))[:limit]]


def in_force(now: datetime) -> ColumnElement[bool]:
    """The condition under which a notice is shown."""
    return and_(notices.c.withdrawn.is_(None), or_(notices.c.expires.is_(None), notices.c.expires > now))


def _short(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    digest = blake2b(key.encode(), digest_size=16).hexdigest()
    return f"{key[: LONGEST_KEY - len(digest) - 1]}:{digest}"


def _notice(row: RowMapping) -> Notice:
    return Notice(
        id=row["id"],
        created=row["created"],
        expires=row["expires"],
        severity=row["severity"],
        topic=row["topic"],
        message=row["message"],
        lease=row["lease_id"],
        keep_minutes=row["keep_minutes"],
    )
