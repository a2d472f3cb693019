"""What a decision about somebody looks at before anything else, in one statement: a start waits for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Closure, Override
from perijove_hub.ledger import said_store
from perijove_hub.ledger.schema import homes
from perijove_hub.ledger.usage_store import GIB


@dataclass(frozen=True)
class Beforehand:
    """The owner's home, and what admins have said that is in force or comes later.

    ``home_site`` is None before the first session, and ``home_gib`` 0 where nobody has measured the home.
    """

    home_site: str | None
    home_gib: float
    overrides: tuple[Override, ...]
    closures: tuple[Closure, ...]


_OF_HOME = (select(column).where(homes.c.owner == bindparam("owner")) for column in (homes.c.site, homes.c.used_bytes))
_LOOK: Select[Any] = select(
    *(each.scalar_subquery() for each in _OF_HOME),
    said_store.ACTIVE_OVERRIDES.exists(),
    said_store.ACTIVE_CLOSURES.exists(),
)


async def look_beforehand(connection: AsyncConnection, owner: str, now: datetime) -> Beforehand:
    """Look.

    What admins have said is read only where there is any, which is rare.
    """
    found = await connection.execute(_LOOK, {"owner": owner, "now": now})
    home_site, home_bytes, are_overrides, are_closures = found.one()
    return Beforehand(
        home_site,
        (home_bytes or 0) / GIB,
        tuple(await said_store.active_overrides(connection, now)) if are_overrides else (),
        tuple(await said_store.active_closures(connection, now)) if are_closures else (),
    )
