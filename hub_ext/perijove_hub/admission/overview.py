"""What an admin sees of all leases together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from perijove_hub.ledger import usage_store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.quota import Held


async def held_by_site(database: Database, now: datetime) -> Mapping[str, Held]:
    """How many open leases each site has and what they hold; a site without any may be absent."""
    async with database.read() as connection:
        return (await usage_store.holdings(connection, now)).sites
