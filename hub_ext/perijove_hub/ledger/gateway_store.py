"""The queries of what gateways run: the last inventory of each."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import SeenAttempt
from perijove_hub.ledger.dialects import insert_once
from perijove_hub.ledger.models import SiteRow
from perijove_hub.ledger.schema import gateways


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


async def save_gateway(connection: AsyncConnection, row: SiteRow) -> None:
    """Write the last inventory of a gateway; the caller holds its site's lock."""
    values = {
        "observed_at": row.observed_at,
        "received_at": row.received_at,
        "attempts": [seen.model_dump() for seen in row.attempts],
    }
    if not await insert_once(connection, gateways, {"site": row.name, **values}):
        await connection.execute(gateways.update().where(gateways.c.site == row.name).values(**values))
