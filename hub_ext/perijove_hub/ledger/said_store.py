"""The queries of what admins say, and of the starts that came to nothing. Each takes its caller's connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    Announcement,
    Closure,
    Explanation,
    FailedStart,
    LeaseOffer,
    LeaseState,
    Override,
    Topic,
)
from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.notices import in_force
from perijove_hub.ledger.removal import REMOVED
from perijove_hub.ledger.schema import UtcDateTime, closures, leases, notices, overrides, refusals

#: The states of a lease that is over.
OVER = (LeaseState.ENDED, LeaseState.FAILED, LeaseState.EXPIRED)

# Made once, since a start waits for them; each takes ``now``.
_NOW = bindparam("now", type_=UtcDateTime)
ACTIVE_OVERRIDES = (
    select(overrides).where(overrides.c.revoked.is_(None), overrides.c.expires > _NOW).order_by(overrides.c.id.desc())
)
ACTIVE_CLOSURES = (
    select(closures)
    .where(closures.c.withdrawn.is_(None), or_(closures.c.reopens.is_(None), closures.c.reopens > _NOW))
    .order_by(closures.c.starts, closures.c.id)
)


# --- overrides ----------------------------------------------------------------------------------------------------


async def active_overrides(connection: AsyncConnection, now: datetime) -> list[Override]:
    """The overrides that are neither revoked nor expired, newest first; at most one for a quota and a subject."""
    return [_override(row) for row in (await connection.execute(ACTIVE_OVERRIDES, {"now": now})).mappings()]


async def list_overrides(connection: AsyncConnection, limit: int) -> list[Override]:
    """All overrides, newest first, those that are over among them."""
    query = select(overrides).order_by(overrides.c.id.desc()).limit(limit)
    return [_override(row) for row in (await connection.execute(query)).mappings()]


async def find_override(connection: AsyncConnection, override_id: int) -> Override | None:
    """The override of this id, or None."""
    query = select(overrides).where(overrides.c.id == override_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return _override(row) if row else None


async def insert_override(connection: AsyncConnection, **values: Any) -> int:
    """Write a new override; its id."""
    return int((await connection.execute(insert(overrides).values(**values).returning(overrides.c.id))).scalar_one())


async def revoke_override(connection: AsyncConnection, override_id: int, author: str, now: datetime) -> None:
    """End an override, unless it was revoked before."""
    query = update(overrides).where(overrides.c.id == override_id, overrides.c.revoked.is_(None))
    await connection.execute(query.values(revoked=now, revoked_by=author))


# --- closures -----------------------------------------------------------------------------------------------------


async def active_closures(connection: AsyncConnection, now: datetime) -> list[Closure]:
    """The closures that are neither withdrawn nor over, by their start; also those that start later."""
    return [_closure(row) for row in (await connection.execute(ACTIVE_CLOSURES, {"now": now})).mappings()]


async def list_closures(connection: AsyncConnection, limit: int) -> list[Closure]:
    """All closures, newest first, those that are over among them."""
    query = select(closures).order_by(closures.c.id.desc()).limit(limit)
    return [_closure(row) for row in (await connection.execute(query)).mappings()]


async def find_closure(connection: AsyncConnection, closure_id: int) -> Closure | None:
    """The closure of this id, or None."""
    query = select(closures).where(closures.c.id == closure_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return _closure(row) if row else None


async def insert_closure(connection: AsyncConnection, **values: Any) -> int:
    """Write a new closure; its id."""
    return int((await connection.execute(insert(closures).values(**values).returning(closures.c.id))).scalar_one())


async def withdraw_closure(connection: AsyncConnection, closure_id: int, author: str, now: datetime) -> None:
    """Withdraw a closure, unless it was withdrawn before."""
    query = update(closures).where(closures.c.id == closure_id, closures.c.withdrawn.is_(None))
    await connection.execute(query.values(withdrawn=now, withdrawn_by=author))


# --- announcements ------------------------------------------------------------------------------------------------

_IS_ANNOUNCEMENT = and_(notices.c.owner.is_(None), notices.c.topic == Topic.ANNOUNCEMENT)


async def active_announcements(connection: AsyncConnection, now: datetime) -> list[Announcement]:
    """The announcements that are in force, newest first."""
    query = select(notices).where(_IS_ANNOUNCEMENT, in_force(now)).order_by(notices.c.id.desc())
    return [_announcement(row) for row in (await connection.execute(query)).mappings()]


async def find_announcement(
    connection: AsyncConnection, announcement_id: int | None = None, key: str | None = None
) -> Announcement | None:
    """The announcement of this id or this key, or None; other notices are none."""
    same = notices.c.id == announcement_id if key is None else notices.c.key == key
    row = (await connection.execute(select(notices).where(_IS_ANNOUNCEMENT, same))).mappings().one_or_none()
    return _announcement(row) if row else None


async def withdraw_announcement(connection: AsyncConnection, announcement_id: int, now: datetime) -> None:
    """Withdraw an announcement, unless it was withdrawn before."""
    query = update(notices).where(notices.c.id == announcement_id, _IS_ANNOUNCEMENT, notices.c.withdrawn.is_(None))
    await connection.execute(query.values(withdrawn=now))


# --- starts that came to nothing ----------------------------------------------------------------------------------


async def save_refusal(connection: AsyncConnection, refused: FailedStart) -> None:
    """Keep a start that was not admitted; the same attempt once."""
    explanation = refused.explanation.model_dump(mode="json") if refused.explanation else None
    values = {
        "attempt_id": refused.attempt_id,
        "owner": refused.owner,
        "name": refused.name,
        "profile": refused.profile,
        "title": refused.title,
        "detail": refused.detail,
        "explanation": explanation,
        "at": refused.at,
    }
    await insert_once(connection, refusals, values)


async def list_failures(connection: AsyncConnection, owner: str | None, limit: int) -> list[FailedStart]:
    """Starts that were refused, and leases that ended before they were active; of one owner or of all, newest first.

    Nobody asks about the starts of people who were removed.
    """
    refused = select(refusals).order_by(refusals.c.at.desc(), refusals.c.attempt_id).limit(limit)
    ended = (
        select(leases)
        .where(leases.c.started.is_(None), leases.c.state.in_(OVER), leases.c.owner != REMOVED)
        .order_by(leases.c.created.desc(), leases.c.id.desc())
        .limit(limit)
    )
    if owner is not None:
        refused = refused.where(refusals.c.owner == owner)
        ended = ended.where(leases.c.owner == owner)
    found = [_refused(row) for row in (await connection.execute(refused)).mappings()]
    found += [_not_started(row) for row in (await connection.execute(ended)).mappings()]
    found.sort(key=lambda failed: (failed.at, failed.attempt_id), reverse=True)
    return found[:limit]


# --- rows ---------------------------------------------------------------------------------------------------------


def _override(row: RowMapping) -> Override:
    return Override.model_validate(dict(row))


def _closure(row: RowMapping) -> Closure:
    return Closure.model_validate(dict(row))


def _announcement(row: RowMapping) -> Announcement:
    return Announcement(
        id=row["id"],
        message=row["message"],
        severity=row["severity"],
        groups=row["groups"],
        author=row["author"] or "",
        created=row["created"],
        expires=row["expires"],
        withdrawn=row["withdrawn"],
    )


def _refused(row: RowMapping) -> FailedStart:
    return FailedStart(
        attempt_id=row["attempt_id"],
        owner=row["owner"],
        name=row["name"],
        at=row["at"],
        title=row["title"],
        detail=row["detail"],
        profile=row["profile"],
        site=None,
        explanation=Explanation.model_validate(row["explanation"]) if row["explanation"] else None,
        log_tail=None,
    )


def _not_started(row: RowMapping) -> FailedStart:
    return FailedStart(
        attempt_id=row["attempt_id"],
        owner=row["owner"],
        name=row["name"],
        at=row["ended"] or row["changed"],
        title="Not started",
        detail=row["reason"] or "It ended before it was ready; nobody has said why.",
        profile=row["profile"],
        site=row["site"],
        explanation=LeaseOffer.model_validate(row["offer"]).explanation,
        log_tail=row["log_tail"],
    )


async def remove_old(connection: AsyncConnection, before: datetime) -> int:
    """Remove the refusals of before a moment and the notices that were over by then; how many rows went.

    Both grow with what people try, and nobody asks for them after a while.
    """
    told = delete(notices).where(func.coalesce(notices.c.expires, notices.c.created) < before)
    refused = delete(refusals).where(refusals.c.at < before)
    return sum([(await connection.execute(statement)).rowcount for statement in (told, refused)])
