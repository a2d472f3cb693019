"""Looks at several leases at once: what all of them hold for admins, how the last starts went for their owners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from perijove.models import FailedStart
from perijove_hub.ledger import open_use
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.quota import Held


async def held_by_site(database: Database, now: datetime) -> Mapping[str, Held]:
    """How many open leases each site has and what they hold; a site without any may be absent."""
    async with database.read() as connection:
        return (await open_use.holdings(connection, now)).held_by_site()


def last_failed(failures: Iterable[FailedStart], leases: Iterable[LeaseRow]) -> FailedStart | None:
    """The last start of somebody if it failed; None when none has failed, or when one has worked since.

    Args:
        failures: the somebody's, newest first.
        leases: the somebody's newest ones.
    """
    failed = next(iter(failures), None)
    worked = [lease.started for lease in leases if lease.started is not None]
    return failed if failed and not any(started > failed.at for started in worked) else None
