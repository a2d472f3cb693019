"""The queries of the ledger. Each takes the connection of a transaction that its caller has begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, bindparam, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    Explanation,
    HomeSize,
    Kind,
    LeaseOffer,
    LeaseState,
    Price,
    Resources,
    SeenAttempt,
    SpawnSpec,
)
from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.models import LeaseRow, SiteRow
from perijove_hub.ledger.schema import IS_OPEN, homes, leases, sites

#: SQLite takes a bounded number of variables in one statement.
CHUNK = 500

#: Stands where a lease was read without its offer.
NO_OFFER = LeaseOffer(
    id="",
    attempt_id="",
    candidates=[],
    spawn=SpawnSpec(resources=Resources(cpu=1, memory_gib=1), policy_version=""),
    explanation=Explanation(summary=""),
)

#: Columns of a lease that are kept as they are.
_PLAIN = (
    "charge_to", "metered_until", "reserved_until", "ends_at", "idle_minutes", "keeps_left", "kept_until",
    "last_activity", "busy", "quota_stop_at", "quota_stop_name", "allowed_stop_at", "log_tail", "resized",
    "cost_before",
)  # fmt: skip

# Made once, since a start waits for them: to make a statement of so many columns takes longer than to run it.
_UPDATE_LEASE = leases.update().where(leases.c.id == bindparam("lease_id"))
_FIND_LEASE = select(leases).where(leases.c.id == bindparam("lease_id"))
_FIND_LEASE_TO_CHANGE = _FIND_LEASE.with_for_update()
_FIND_ATTEMPT = select(leases).where(leases.c.attempt_id == bindparam("attempt_id"))
_FIND_HOME = select(homes.c.site).where(homes.c.owner == bindparam("owner"))
_ALL_SITES = select(sites)
_ALL_SITES_WITHOUT_ATTEMPTS = select(*(column for column in sites.columns if column is not sites.c.attempts))


async def insert_lease(connection: AsyncConnection, row: LeaseRow) -> bool:
    """Write a new lease; False when there is one of this attempt already, which stays as it is."""
    return await insert_once(connection, leases, _values(row))


async def update_lease(connection: AsyncConnection, row: LeaseRow) -> None:
    """Write a lease that has moved.

    Raises:
        ValueError: it was read without its offer, which would be lost.
    """
    if row.offer is NO_OFFER:
        raise ValueError(f"lease {row.id} was read without its offer: read it with find_lease before it is written")
    await connection.execute(_UPDATE_LEASE, {"lease_id": row.id, **_values(row)})


async def find_lease(connection: AsyncConnection, lease_id: str, *, for_update: bool = False) -> LeaseRow | None:
    """The lease of this id, or None. ``for_update`` keeps other transactions from changing it until this one ends."""
    query = _FIND_LEASE_TO_CHANGE if for_update else _FIND_LEASE
    found = (await connection.execute(query, {"lease_id": lease_id})).mappings().one_or_none()
    return lease_of(found) if found else None


async def find_attempt(connection: AsyncConnection, attempt_id: str) -> LeaseRow | None:
    """The lease of this attempt, or None."""
    found = (await connection.execute(_FIND_ATTEMPT, {"attempt_id": attempt_id})).mappings().one_or_none()
    return lease_of(found) if found else None


async def list_leases(
    connection: AsyncConnection,
    owner: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
    *,
    open_only: bool = False,
) -> list[LeaseRow]:
    """Leases from the newest on, of one owner or of all; ``before`` is (created, id) of the last one seen."""
    query = select(leases).order_by(leases.c.created.desc(), leases.c.id.desc()).limit(limit)
    if open_only:
        query = query.where(IS_OPEN)
    if owner is not None:
        query = query.where(leases.c.owner == owner)
    if before is not None:
        query = query.where(tuple_(leases.c.created, leases.c.id) < before)
    return [lease_of(row) for row in (await connection.execute(query)).mappings()]


async def open_leases(
    connection: AsyncConnection,
    owner: str | None = None,
    charge_to: str | None = None,
    *,
    with_offers: bool = True,
) -> list[LeaseRow]:
    """All leases in an open state, offers past their time among them; of one owner or of what one group pays.

    An offer takes longer to read than all the rest of its lease. Without offers, each row has :data:`NO_OFFER`: such
    rows are for looking at, and :func:`update_lease` refuses them.
    """
    columns = [column for column in leases.columns if with_offers or column is not leases.c.offer]
    query = select(*columns).where(IS_OPEN)
    if owner is not None:
        query = query.where(leases.c.owner == owner)
    if charge_to is not None:
        query = query.where(leases.c.charge_to == charge_to)
    read = lease_of if with_offers else _without_offer
    return [read(row) for row in (await connection.execute(query)).mappings()]


async def has_open_leases(connection: AsyncConnection, site: str) -> bool:
    """Whether anything is on record as running at a site."""
    query = select(leases.c.id).where(leases.c.site == site, IS_OPEN)
    return (await connection.execute(query.limit(1))).first() is not None


async def groups_of_owners(connection: AsyncConnection, owners: Iterable[str]) -> dict[str, frozenset[str]]:
    """The groups with which each of these owners was admitted last; who never was is absent."""
    found: dict[str, frozenset[str]] = {}
    for chunk in _chunks(owners):
        newest = (
            select(leases.c.owner, func.max(leases.c.created).label("created"))
            .where(leases.c.owner.in_(chunk))
            .group_by(leases.c.owner)
            .subquery()
        )
        query = select(leases.c.owner, leases.c.groups).join(
            newest, and_(leases.c.owner == newest.c.owner, leases.c.created == newest.c.created)
        )
        found |= {owner: frozenset(groups) for owner, groups in await connection.execute(query)}
    return found


async def states_of_attempts(
    connection: AsyncConnection, attempt_ids: Sequence[str]
) -> dict[str, tuple[LeaseState, datetime]]:
    """State and time of the last change of the leases behind these attempts; an unknown attempt is absent."""
    found: dict[str, tuple[LeaseState, datetime]] = {}
    for chunk in _chunks(attempt_ids):
        query = select(leases.c.attempt_id, leases.c.state, leases.c.changed).where(leases.c.attempt_id.in_(chunk))
        for attempt_id, state, changed in await connection.execute(query):
            found[attempt_id] = (LeaseState(state), changed)
    return found


async def mark_seen(connection: AsyncConnection, attempt_ids: Sequence[str], seen_at: datetime) -> None:
    """Remember when these attempts were last seen on their site."""
    for chunk in _chunks(attempt_ids):
        these = leases.c.attempt_id.in_(chunk)
        # in the order in which the sweep takes them too: two that lock the same rows must not wait crosswise
        await connection.execute(select(leases.c.id).where(these).order_by(leases.c.id).with_for_update())
        await connection.execute(leases.update().where(these).values(last_seen=seen_at))


async def find_sites(
    connection: AsyncConnection, only: str | None = None, *, with_attempts: bool = True
) -> dict[str, SiteRow]:
    """What is known of each site that has ever been heard of, or of one of them.

    Without their attempts, of which there may be thousands, the rows are for reading and :func:`save_breaker`.
    """
    query = _ALL_SITES if with_attempts else _ALL_SITES_WITHOUT_ATTEMPTS
    if only is not None:
        query = query.where(sites.c.name == only)
    return {row["name"]: _site(row) for row in (await connection.execute(query)).mappings()}


async def save_site(connection: AsyncConnection, row: SiteRow) -> None:
    """Write what is known of a site."""
    values = {
        "observed_at": row.observed_at,
        "received_at": row.received_at,
        "reachable": row.reachable,
        "attempts": [seen.model_dump() for seen in row.attempts],
    }
    await _save_site(connection, row, values)


async def save_breaker(connection: AsyncConnection, row: SiteRow) -> None:
    """Write how the last starts at a site went, and leave its last inventory alone."""
    await _save_site(connection, row, {})


async def _save_site(connection: AsyncConnection, row: SiteRow, inventory: Mapping[str, Any]) -> None:
    values = {**inventory, "failed_owners": list(row.failed_owners), "out_until": row.out_until}
    updated = await connection.execute(sites.update().where(sites.c.name == row.name).values(**values))
    if updated.rowcount == 0:
        await connection.execute(sites.insert().values(**{"name": row.name, "attempts": [], **values}))


async def find_home(connection: AsyncConnection, owner: str) -> str | None:
    """The site that holds the owner's home, or None before the first session."""
    return (await connection.execute(_FIND_HOME, {"owner": owner})).scalar_one_or_none()


async def save_home(connection: AsyncConnection, owner: str, site: str, since: datetime) -> None:
    """Remember where an owner's home is, in place of what was remembered before."""
    values = {"site": site, "since": since}
    updated = await connection.execute(homes.update().where(homes.c.owner == owner).values(**values))
    if updated.rowcount == 0:
        # two sites that take up sessions of one owner may both come here: the first to say so has the home
        await insert_once(connection, homes, {"owner": owner, **values})


async def save_home_size(connection: AsyncConnection, size: HomeSize, site: str) -> None:
    """Remember what a home at this site holds; an older measurement, or one of another site, changes nothing."""
    is_newer = or_(homes.c.measured_at.is_(None), homes.c.measured_at < size.measured_at)
    await connection.execute(
        homes.update()
        .where(homes.c.owner == size.owner, homes.c.site == site, is_newer)
        .values(used_bytes=size.used_bytes, measured_at=size.measured_at)
    )


async def is_home_used(connection: AsyncConnection, owner: str, excluding: str) -> bool:
    """Whether a session of the owner, but for the lease ``excluding``, has run in the home or is starting there."""
    query = select(leases.c.id).where(
        leases.c.owner == owner,
        leases.c.without_home.is_(False),
        leases.c.id != excluding,
        or_(leases.c.started.is_not(None), leases.c.state == LeaseState.STARTING),
    )
    return (await connection.execute(query.limit(1))).first() is not None


def _values(row: LeaseRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "attempt_id": row.attempt_id,
        "owner": row.owner,
        "kind": row.kind,
        "name": row.name,
        "profile": row.profile,
        "state": row.state,
        "site": row.site,
        "cpu": row.resources.cpu,
        "memory_gib": row.resources.memory_gib,
        "gpu": row.resources.gpu,
        "without_home": row.without_home,
        "offer": row.offer.model_dump(mode="json"),
        "price": row.price.model_dump() if row.price else None,
        "cost_hour": row.cost_hour,
        "created": row.created,
        "expires": row.expires,
        "changed": row.changed,
        "started": row.started,
        "last_seen": row.last_seen,
        "ended": row.ended,
        "reason": row.reason,
        "groups": list(row.groups),
        **{name: getattr(row, name) for name in _PLAIN},
    }


def lease_of(row: RowMapping) -> LeaseRow:
    """A row of the table with types."""
    return _lease(row, LeaseOffer.model_validate(row["offer"]))


def _without_offer(row: RowMapping) -> LeaseRow:
    return _lease(row, NO_OFFER)


def _lease(row: RowMapping, offer: LeaseOffer) -> LeaseRow:
    return LeaseRow(
        id=row["id"],
        attempt_id=row["attempt_id"],
        owner=row["owner"],
        kind=Kind(row["kind"]),
        name=row["name"],
        profile=row["profile"],
        state=LeaseState(row["state"]),
        site=row["site"],
        resources=Resources(cpu=row["cpu"], memory_gib=row["memory_gib"], gpu=row["gpu"]),
        without_home=row["without_home"],
        offer=offer,
        price=Price.model_validate(row["price"]) if row["price"] else None,
        created=row["created"],
        expires=row["expires"],
        changed=row["changed"],
        started=row["started"],
        last_seen=row["last_seen"],
        ended=row["ended"],
        reason=row["reason"],
        groups=tuple(row["groups"]),
        **{name: row[name] for name in _PLAIN},
    )


def _site(row: Mapping[str, Any] | RowMapping) -> SiteRow:
    return SiteRow(
        name=row["name"],
        observed_at=row["observed_at"],
        received_at=row["received_at"],
        reachable=row["reachable"],
        attempts=tuple(SeenAttempt.model_validate(seen) for seen in row.get("attempts", ())),
        failed_owners=tuple(row["failed_owners"]),
        out_until=row["out_until"],
    )


def _chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    listed = list(ids)
    return (listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK))
