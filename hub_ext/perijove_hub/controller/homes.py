"""Homes that fill up: their owners are told before they are full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, Topic
from perijove_hub import metrics
from perijove_hub.admission.limits import home_limit
from perijove_hub.ledger import said_store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.quota import Limit, Use, passed_thresholds
from perijove_hub.ledger.schema import IS_OPEN, homes, leases
from perijove_hub.ledger.windows import days_span
from perijove_hub.ledger.words import spoken_amount
from perijove_hub.policy.models import Platform

GIB = 2**30


class Homes:
    """Tells the owners of open sessions once a day for each threshold of the limit that their home has reached.

    Args:
        database: the ledger's.
        platform: gives the platform file in force.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock
        self._told: frozenset[str] = frozenset()

    async def tell(self) -> int:
        """Look at every home that was measured and whose owner has a session; how many owners were told."""
        platform, now = self._platform(), self._clock()
        if not any(quota.resource == "home_gib" for quota in platform.quotas):
            return 0
        async with self._database.read() as connection:
            found = await _find(connection, platform, now)
        fresh = [notice for notice in found if notice.key not in self._told]

        async def write(connection: AsyncConnection) -> int:
            return sum([await add_notice(connection, notice, now) for notice in fresh])

        count = await self._database.transact(write) if fresh else 0
        self._told = frozenset(notice.key for notice in found)
        metrics.NOTICES.labels(Topic.STORAGE.value).inc(count)
        return count


async def _find(connection: AsyncConnection, platform: Platform, now: datetime) -> list[NewNotice]:
    overrides = await said_store.active_overrides(connection, now)
    query = (
        select(leases.c.owner, leases.c.groups, homes.c.used_bytes)
        .join(homes, homes.c.owner == leases.c.owner)
        .where(IS_OPEN, leases.c.kind == Kind.SESSION, homes.c.used_bytes.is_not(None))
        .order_by(leases.c.created, leases.c.id)
    )
    # the groups with which an owner was admitted last
    newest = {owner: (frozenset(groups), used) for owner, groups, used in await connection.execute(query)}
    notices = []
    for owner, (groups, used_bytes) in newest.items():
        limit = home_limit(platform, owner, groups, now, overrides)
        if limit is not None and (notice := home_notice(owner, limit, used_bytes / GIB, platform, now)) is not None:
            notices.append(notice)
    return notices


def home_notice(owner: str, limit: Limit, used_gib: float, platform: Platform, now: datetime) -> NewNotice | None:
    """What the owner of a home is told today for the highest threshold that is reached; None: nothing."""
    reached = passed_thresholds(limit, Use(used_gib))
    if not reached:
        return None
    today = now.astimezone(platform.zone).date()
    return NewNotice(
        key=f"home:{owner}:{limit.name}:{limit.limit}:{reached[-1]}:{today}",
        topic=Topic.STORAGE,
        severity="warning",
        message=f"Your home holds {spoken_amount(used_gib)} of {spoken_amount(limit.limit)} GiB (limit {limit.name}): "
        "clean up. Once it is full, new sessions start without kernels.",
        owner=owner,
        expires=days_span(today, today, platform.zone).end,
    )
