"""Use over time: how leases are metered, and the sums that people and pages ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import LeaseState, UsageRow
from perijove_hub.ledger import store, usage_store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.metering import Amounts, amounts
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.usage_store import Entry
from perijove_hub.ledger.windows import days_span, split_by_day
from perijove_hub.policy.models import Platform

By = Literal["day", "site", "kind", "user", "group"]

#: The columns of the days, by the words of the API.
COLUMNS = {"day": "day", "site": "site", "kind": "kind", "user": "owner", "group": "charge_to"}


async def meter(
    connection: AsyncConnection, lease: LeaseRow, until: datetime, platform: Platform, now: datetime, why: str = ""
) -> LeaseRow:
    """Write what an active lease has used up to ``until``; the lease with ``metered_until`` moved there.

    A lease that turns out to have ended before it was last metered is put right by an entry with the opposite sign:
    entries are never changed.

    Args:
        connection: of the transaction that changes the lease too, so that nothing is metered twice or not at all.
        lease: as it was read for update.
        until: the end of the interval.
        platform: the platform file in force.
        now: when this is written.
        why: it is corrected, if it is.
    """
    metered = lease.metered_until or lease.started
    if lease.started is None or metered is None:
        return lease
    until = max(until, lease.started)
    if until >= metered:
        entry = Entry(lease, metered, until)
    else:
        entry = Entry(lease, until, metered, sign=-1, reason=why or "it had ended before", author="controller")
    await usage_store.add_entry(connection, entry, platform.zone, platform.currency, now)
    return replace(lease, metered_until=until)


class UsageService:
    """Sums of the ledger, with what runs now added up to the moment.

    Args:
        database: the ledger's.
        platform: gives the platform file in force.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock

    async def rows(
        self,
        since: date,
        until: date,
        by: Sequence[By],
        owner: str | None = None,
        group: str | None = None,
        *,
        most: int | None = None,
    ) -> list[UsageRow]:
        """The use of the days from ``since`` to ``until``, both included, summed by the keys of ``by``.

        ``owner`` and ``group`` narrow it. Days are those of the platform's time zone. Who gets ``most`` rows or more
        has asked for too many, and has not got them all.
        """
        keys = tuple(dict.fromkeys(by))
        conditions = {name: value for name, value in (("owner", owner), ("charge_to", group)) if value is not None}
        async with self._database.read() as connection:
            columns = [COLUMNS[key] for key in keys]
            found = await usage_store.sum_days(connection, since, until, columns, conditions, most)
            running = await store.open_leases(connection, owner, group, with_offers=False)
        sums = {tuple(values[column] for column in columns): used for values, used in found}
        for values, used in self._running(running, since, until):
            key = tuple(values[column] for column in columns)
            sums[key] = sums.get(key, Amounts()) + used
        return [_row(keys, key, sums[key]) for key in sorted(sums, key=lambda values: tuple(map(str, values)))]

    def _running(
        self, running: Iterable[LeaseRow], since: date, until: date
    ) -> Iterable[tuple[dict[str, Any], Amounts]]:
        """What open leases have used that no entry holds yet, cut into days."""
        zone, now = self._platform().zone, self._clock()
        span = days_span(since, until, zone)
        for lease in running:
            begun = lease.metered_until or lease.started
            if lease.state is not LeaseState.ACTIVE or begun is None:
                continue
            ends = min(now, span.end) if span.end else now
            for day, hours in split_by_day(max(begun, span.start), ends, zone):
                values = {
                    "day": day, "site": lease.site, "kind": lease.kind.value, "owner": lease.owner,
                    "charge_to": lease.charge_to or "",
                }  # fmt: skip
                yield values, amounts(lease.resources, lease.price, hours)


def _row(keys: Sequence[str], values: tuple[Any, ...], used: Amounts) -> UsageRow:
    said = {key: str(value) for key, value in zip(keys, values, strict=True)}
    return UsageRow.model_validate(
        {
            **said,
            "cpu_hours": round(used.cpu_hours, 6),
            "memory_gib_hours": round(used.memory_gib_hours, 6),
            "gpu_hours": round(used.gpu_hours, 6),
            "session_hours": round(used.session_hours, 6),
            "cost": round(used.credits, 6),
        }
    )
