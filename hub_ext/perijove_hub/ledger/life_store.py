"""The queries of a lease's life between its start and its end: activity, what puts it off, and what was announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import LeaseState, Topic
from perijove_hub.ledger.schema import IS_OPEN, UtcDateTime, leases, notices
from perijove_hub.ledger.store import CHUNK

#: Reports of one and the same moment differ by the time that they are on their way.
SAME_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True)
class Announcement:
    """An announcement of a stop that stands: ``stops_at`` is the moment that its owner was told.

    One that is not ``is_final`` is followed by another shortly before.
    """

    lease_id: str
    topic: Topic
    stops_at: datetime
    created: datetime
    is_final: bool = True


async def record_activity(
    connection: AsyncConnection, lease_id: str, owner: str, at: datetime, now: datetime, *, busy: bool
) -> None:
    """Remember when an active lease of an owner was last used, and whether it runs code.

    What is older than what is known changes nothing, unless what is known lies in the future: then a clock was wrong.
    """
    known = leases.c.last_activity
    newer = or_(known.is_(None), known < literal(at - SAME_MOMENT, UtcDateTime()), known > literal(now, UtcDateTime()))
    await connection.execute(
        leases.update()
        .where(leases.c.id == lease_id, leases.c.owner == owner, leases.c.state == LeaseState.ACTIVE)
        # a session in which nothing happens costs no write
        .where(or_(newer, leases.c.busy != busy))
        .values(last_activity=case((newer, literal(at, UtcDateTime())), else_=known), busy=busy)
    )


async def withdraw_announcements(
    connection: AsyncConnection, lease_id: str, owner: str, topics: Iterable[Topic], now: datetime
) -> None:
    """Take back what was announced for a lease, since it is put off."""
    await connection.execute(
        notices.update()
        .where(
            notices.c.owner == owner,
            notices.c.lease_id == lease_id,
            notices.c.topic.in_(list(topics)),
            notices.c.withdrawn.is_(None),
            notices.c.expires > now,
        )
        .values(withdrawn=now)
    )


def closure_mark(closure_id: int) -> str:
    """How the keys of the notices end that announce the stops of a closure."""
    return f"closure-{closure_id}"


async def withdraw_closure_notices(connection: AsyncConnection, closure_id: int, site: str, now: datetime) -> None:
    """Take back what a closure has announced to those who have something at its site."""
    here = select(leases.c.owner).where(leases.c.site == site, IS_OPEN)
    await connection.execute(
        notices.update()
        .where(
            # the owner is what the table is searched by
            notices.c.owner.in_(here),
            notices.c.topic == Topic.CLOSURE,
            notices.c.key.endswith(f":{closure_mark(closure_id)}", autoescape=True),
            notices.c.withdrawn.is_(None),
            notices.c.expires > now,
        )
        .values(withdrawn=now)
    )


async def standing_announcements(connection: AsyncConnection, owners_of: Mapping[str, str]) -> list[Announcement]:
    """What was announced for these leases and not taken back, by lease id and owner; past moments among it."""
    columns, found, ids = notices.c, [], sorted(owners_of)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        query = select(columns.lease_id, columns.topic, columns.expires, columns.created, columns.severity).where(
            # the owner is what the table is searched by
            columns.owner.in_({owners_of[lease_id] for lease_id in chunk}),
            columns.lease_id.in_(chunk),
            columns.withdrawn.is_(None),
            columns.expires.is_not(None),
        )
        found += [
            Announcement(lease_id, Topic(topic), stops_at, created, severity != "info")
            for lease_id, topic, stops_at, created, severity in await connection.execute(query)
        ]
    return found


async def set_allowed_stop(
    connection: AsyncConnection, lease_id: str, expected: datetime | None, stop_at: datetime | None
) -> bool:
    """Set or clear when a lease stops because of a lost group; False when it changed meanwhile."""
    updated = await connection.execute(
        leases.update()
        .where(
            leases.c.id == lease_id,
            leases.c.state == LeaseState.ACTIVE,
            leases.c.allowed_stop_at.is_(None) if expected is None else leases.c.allowed_stop_at == expected,
        )
        .values(allowed_stop_at=stop_at)
    )
    return updated.rowcount > 0


async def set_reason(connection: AsyncConnection, lease_id: str, expected: str | None, reason: str | None) -> bool:
    """Say why an active lease is being stopped, or take it back; False when it changed meanwhile."""
    updated = await connection.execute(
        leases.update()
        .where(
            and_(leases.c.id == lease_id, leases.c.state == LeaseState.ACTIVE),
            leases.c.reason.is_(None) if expected is None else leases.c.reason == expected,
        )
        .values(reason=reason)
    )
    return updated.rowcount > 0


async def count_open(connection: AsyncConnection) -> list[tuple[tuple[str, str, str], float]]:
    """How many leases are open, by site, kind and state."""
    by = (leases.c.site, leases.c.kind, leases.c.state)
    query = select(*by, func.count()).where(IS_OPEN).group_by(*by).order_by(*by)
    return [((site or "", kind, state), float(count)) for site, kind, state, count in await connection.execute(query)]
