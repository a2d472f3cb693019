"""What the parts of admission share: the ledger, the policy, the clock, and the book-keeping of sites."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Closure
from perijove_hub.admission import breaker
from perijove_hub.admission.facts import MISSED_INVENTORIES
from perijove_hub.ledger import store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import LeaseRow, SiteRow
from perijove_hub.ledger.words import spoken_time
from perijove_hub.policy.models import Platform

log = logging.getLogger("perijove_hub.admission")


class AdmissionBase:
    """A part of admission.

    Args:
        database: the ledger's.
        platform: gives the platform file in force; asked anew for each call, so that a reload is seen.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock

    @property
    def _margin(self) -> timedelta:
        return timedelta(seconds=self._platform().admission.clock_margin_seconds)

    @property
    def _late(self) -> timedelta:
        """How old an inventory may be that was overtaken; an older one tells that the hub's clock was set back."""
        return MISSED_INVENTORIES * timedelta(seconds=self._platform().admission.inventory_seconds)

    async def _record(self, connection: AsyncConnection, lease: LeaseRow, now: datetime, *, works: bool) -> None:
        """Remember how a start went; the caller holds the site's lock."""
        if lease.site is None:
            return
        found = await store.find_sites(connection, lease.site, with_attempts=False)
        row = found.get(lease.site, SiteRow(lease.site))
        after = breaker.after_success(row) if works else breaker.after_failure(row, lease.owner, now)
        await store.save_breaker(connection, after)

    async def _take_site(
        self, connection: AsyncConnection, platform: Platform, lease: LeaseRow, home: str | None, now: datetime
    ) -> None:
        """Take what a start needs of its site before anything is created there; the caller holds the site's lock.

        Two first sessions at once cannot make two homes, since the first to begin claims it. Of a site that was out,
        this start is the probe.

        Args:
            connection: of the transaction that writes the lease.
            platform: the platform file in force.
            lease: as it begins.
            home: the site of the owner's home; None when this start makes it.
            now: the time of the decision.
        """
        site = lease.site or ""
        if home is None and platform.sites[site].homes and not lease.without_home:
            await store.save_home(connection, lease.owner, site, now)
        row = (await store.find_sites(connection, site, with_attempts=False)).get(site, SiteRow(site))
        if (probed := breaker.on_probe(row, now)) != row:
            await store.save_breaker(connection, probed)


def closed_sites(closures: Iterable[Closure], platform: Platform, now: datetime) -> Mapping[str, str]:
    """Why each site that is closed now takes no starts, in words that follow its title."""
    reasons = {}
    for closure in closures:
        if closure.starts <= now and (closure.reopens is None or now < closure.reopens):
            until = f" until {spoken_time(closure.reopens, platform.zone)}" if closure.reopens else ""
            reasons[closure.site] = f"takes no starts{until}: {closure.reason}"
    return reasons
