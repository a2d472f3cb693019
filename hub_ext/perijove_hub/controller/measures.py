"""What the ledger holds now, as gauges for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from perijove.models import QuotaView, UsageRow
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger import life_store, store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import SiteRow
from perijove_hub.ledger.usage import UsageService
from perijove_hub.metrics import gauge
from perijove_hub.placement import SiteFacts
from perijove_hub.policy.models import Platform

#: A limit of which this share is used is counted as near.
NEAR_SHARE = 0.8

#: How many limits near their end are counted one by one.
MOST_NEAR = 10_000

RESOURCES = ("cpu", "memory_gib", "gpu")
USED = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")


class Measures:
    """Reads the gauges.

    Args:
        database: the ledger's.
        platform: gives the platform file in force.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock
        self._admission = AdmissionService(database, platform, clock)
        self._usage = UsageService(database, platform, clock)

    async def read(self) -> list[GaugeMetricFamily]:
        """The gauges as of now.

        Raises:
            SQLAlchemyError: the ledger cannot be used.
        """
        now = self._clock()
        async with self._database.read() as connection:
            counted = await life_store.count_open(connection)
            rows = await store.find_sites(connection, with_attempts=False)
        today = now.astimezone(self._platform().zone).date()
        return [
            gauge("perijove_leases_open", "Open leases", ["site", "kind", "state"], counted),
            *site_gauges((await self._admission.sites()).values(), rows, now),
            used_gauge(await self._usage.rows(today, today, ["site"])),
            near_gauge(await self._admission.near(NEAR_SHARE, MOST_NEAR)),
        ]


def site_gauges(sites: Iterable[SiteFacts], rows: dict[str, SiteRow], now: datetime) -> list[GaugeMetricFamily]:
    """What each site of the platform file holds and could hold, and when it was heard of last."""
    capacity, held, age, up = [], [], [], []
    for facts in sites:
        for resource in RESOURCES:
            labels = (facts.name, resource)
            capacity.append((labels, float(getattr(facts.policy.capacity, resource))))
            held.append((labels, float(getattr(facts, f"held_{resource}"))))
        up.append(((facts.name,), float(facts.health.value == "up")))
        received_at = rows.get(facts.name, SiteRow(facts.name)).received_at
        if received_at is not None:
            age.append(((facts.name,), (now - received_at).total_seconds()))
    by_resource = ["site", "resource"]
    return [
        gauge("perijove_site_capacity", "What open leases may hold at a site", by_resource, capacity),
        gauge("perijove_site_held", "What open leases hold at a site", by_resource, held),
        gauge("perijove_site_up", "1 when a site is up", ["site"], up),
        gauge("perijove_inventory_age_seconds", "Since the last inventory of a site came", ["site"], age),
    ]


def used_gauge(rows: Iterable[UsageRow]) -> GaugeMetricFamily:
    """What was used today at each site."""
    values = [((row.site or "", name), float(getattr(row, name))) for row in rows for name in USED]
    return gauge(
        "perijove_used_today", "Used today, in the platform's time zone: hours, and cost", ["site", "resource"], values
    )


def near_gauge(views: Iterable[QuotaView]) -> GaugeMetricFamily:
    """How many subjects are near each limit, or beyond it."""
    counted = Counter((view.name, view.state) for view in views)
    values = [(labels, float(number)) for labels, number in sorted(counted.items())]
    return gauge("perijove_limits_near", "Subjects that are near a limit, or beyond", ["limit", "state"], values)
