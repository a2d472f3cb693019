"""What reality and a restored ledger did not agree on: the difference that reconciling has put right since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from perijove.models import LeaseState
from perijove_hub.ledger import store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import TAKEN_UP, LeaseRow
from perijove_hub.ledger.schema import leases, usage_entries


@dataclass(frozen=True)
class Difference:
    """Leases that were written for what ran already, leases that were closed since nothing ran, hours corrected."""

    taken_up: tuple[LeaseRow, ...]
    closed: tuple[LeaseRow, ...]
    corrected_hours: float

    def sentences(self) -> Iterator[str]:
        """One line for each, and a last one with the sums."""
        for lease in self.taken_up:
            yield f"taken up: {_named(lease)} at {lease.site}, since {lease.started:%Y-%m-%d %H:%M} UTC"
        for lease in self.closed:
            yield f"closed: {_named(lease)} at {lease.site}, at {lease.ended:%Y-%m-%d %H:%M} UTC: {lease.reason}"
        yield (
            f"{len(self.taken_up)} taken up, {len(self.closed)} closed, {self.corrected_hours:.2f} hours taken back. "
            "What began and ended between the copy and its restoring is in no record."
        )


async def difference_since(database: Database, since: datetime) -> Difference:
    """What was reconciled from ``since`` on: when a copy was put back, say."""
    columns = leases.c
    query = (
        select(leases)
        .where(or_(columns.created >= since, and_(columns.state == LeaseState.FAILED, columns.changed >= since)))
        .order_by(columns.created, columns.id)
    )
    hours = select(usage_entries.c.begins, usage_entries.c.ends).where(
        usage_entries.c.entry == "correction", usage_entries.c.created >= since
    )
    async with database.read() as connection:
        rows = [store.lease_of(row) for row in (await connection.execute(query)).mappings()]
        corrected = sum((ends - begins).total_seconds() for begins, ends in await connection.execute(hours)) / 3600
    return Difference(
        taken_up=tuple(row for row in rows if row.offer.explanation.summary.endswith(TAKEN_UP)),
        closed=tuple(row for row in rows if row.state is LeaseState.FAILED and row.changed >= since),
        corrected_hours=corrected,
    )


def _named(lease: LeaseRow) -> str:
    return f"{lease.owner}'s {lease.kind.value} {lease.name}".rstrip()
