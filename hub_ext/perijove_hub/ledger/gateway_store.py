"""The queries of what gateways run: the last inventory of each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Kind, SeenAttempt
from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.models import SiteRow
from perijove_hub.ledger.schema import IS_OPEN, gateways, leases
from perijove_hub.ledger.store import CHUNK


async def find_gateways(connection: AsyncConnection, only: str | None = None) -> dict[str, SiteRow]:
    """The last inventory of each gateway that has ever sent one, or of one of them, by site.

    A gateway that does not answer sends none: what is here was seen.
    """
    query = select(gateways) if only is None else select(gateways).where(gateways.c.site == only)
    return {
        row["site"]: SiteRow(
            row["site"],
            row["observed_at"],
            row["received_at"],
            reachable=True,
            attempts=tuple(SeenAttempt.model_validate(seen) for seen in row["attempts"]),
        )
        for row in (await connection.execute(query)).mappings()
    }


async def attempts_to_stop(connection: AsyncConnection, attempt_ids: Sequence[str]) -> list[str]:
    """Those of these attempts whose clusters are to be stopped: an active lease has a reason when it was asked to."""
    found: list[str] = []
    for start in range(0, len(attempt_ids), CHUNK):
        these = attempt_ids[start : start + CHUNK]
        query = select(leases.c.attempt_id).where(
            leases.c.attempt_id.in_(these), leases.c.kind == Kind.CLUSTER, IS_OPEN, leases.c.reason.is_not(None)
        )
        found += (await connection.execute(query)).scalars()
    return found


async def save_gateway(connection: AsyncConnection, row: SiteRow) -> None:
    """Write the last inventory of a gateway; the caller holds its site's lock."""
    values = {
        "observed_at": row.observed_at,
        "received_at": row.received_at,
        "attempts": [seen.model_dump() for seen in row.attempts],
    }
    if not await insert_once(connection, gateways, {"site": row.name, **values}):
        await connection.execute(gateways.update().where(gateways.c.site == row.name).values(**values))
