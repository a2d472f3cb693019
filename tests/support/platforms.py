"""Platforms for tests: policies in few words, a clock that a test moves, and admission on a database of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from perijove.models import Inventory, InventoryAnswer, LeasePatch, LeaseRequest, SeenAttempt
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.policy.models import Platform

from .ledgers import ledger_url

#: The smallest platform file that is right; `cpu` of its site is on line 6.
SMALL_FILE = """\
sites:
  esac:
    kind: local
    title: ESAC
    region: eu-es-madrid
    capacity: {cpu: 8, memory_gib: 16}
profiles:
  standard: {title: Standard, cpu: 1, memory_gib: 2}
"""

GIB = 2**30


def site(title: str = "ESAC", region: str = "eu-es-madrid", *, cpu: float = 8, **more: Any) -> dict[str, Any]:
    """A local site as the platform file says it."""
    memory_gib = more.pop("memory_gib", 2 * cpu)
    capacity = {"cpu": cpu, "memory_gib": memory_gib, "gpu": more.pop("gpu", 0)}
    return {"kind": "local", "title": title, "region": region, "capacity": capacity, **more}


def cluster(title: str = "Cluster", region: str = "eu-de-1", **more: Any) -> dict[str, Any]:
    """A site that is a cluster of Kubernetes, as the platform file says it."""
    said = {"kind": "kubernetes", "namespace": "users", "image": "lab:1", "hub_api_url": "http://hub.example/hub/api"}
    return site(title, region, **said | more)


def profile(title: str = "Standard", *, cpu: float = 1, memory_gib: float = 2, **more: Any) -> dict[str, Any]:
    """A profile as the platform file says it."""
    return {"title": title, "cpu": cpu, "memory_gib": memory_gib, **more}


def dataset(*replicas: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A dataset as the platform file says it."""
    return {"title": "Euclid", "licence": "CC-BY-4.0", "replicas": list(replicas), **more}


def replica(**more: Any) -> dict[str, Any]:
    """One copy of a dataset in a public store, as the platform file says it."""
    return {"url": "s3://data/euclid/", "credentials": {"kind": "anonymous"}, **more}


def platform(**parts: Any) -> Platform:
    """Two sites, two profiles and two quotas; ``parts`` take the place of the keys they name."""
    said = {
        "sites": {
            "esac": site(mounts_homes_of=["cloud-eu"]),
            "cloud-eu": site("Cloud EU", "eu-de-1", cpu=16, mounts_homes_of=["esac"]),
        },
        "profiles": {"standard": profile(), "large": profile("Large", cpu=4, memory_gib=8, groups=["euclid"])},
        "quotas": [{"name": "two-sessions", "resource": "sessions", "limit": 2}],
        "datasets": {"euclid-demo": dataset(replica(site="esac"), size_bytes=GIB)},
        **parts,
    }
    return Platform.model_validate(said)


@dataclass
class FakeClock:
    """A clock that stands still until a test moves it."""

    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        """Let time pass; the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now


def request(owner: str = "ana", **more: Any) -> LeaseRequest:
    """An ask for a session, with a fresh attempt id unless one is given."""
    return LeaseRequest.model_validate({"owner": owner, "kind": "session", "attempt_id": uuid.uuid4().hex, **more})


@dataclass
class House:
    """Admission on a ledger, a policy and a clock that a test may change between calls."""

    service: AdmissionService
    database: Database
    clock: FakeClock
    platform: Platform = field(default_factory=platform)

    async def start(self, owner: str = "ana", at: str | None = None, **more: Any) -> LeaseRow:
        """Ask, start on the best candidate (or ``at``), and be active."""
        offer = await self.service.ask(request(owner, **more))
        await self.move(offer.id, "starting", at or offer.candidates[0].site)
        return await self.move(offer.id, "active")

    async def move(self, lease_id: str, state: str, at: str | None = None, **more: Any) -> LeaseRow:
        """Move a lease."""
        return await self.service.move(lease_id, LeasePatch.model_validate({"state": state, "site": at, **more}))

    async def inventory(
        self, at: str, *attempts: str, orphans: tuple[str, ...] = (), reachable: bool = True, seconds_ago: float = 0
    ) -> InventoryAnswer:
        """Report what a site runs."""
        seen = [SeenAttempt(attempt_id=attempt, owned=True) for attempt in attempts]
        seen += [SeenAttempt(attempt_id=attempt, owned=False) for attempt in orphans]
        observed_at = self.clock.now - timedelta(seconds=seconds_ago)
        inventory = Inventory(observed_at=observed_at, reachable=reachable, attempts=seen)
        return await self.service.report(at, inventory)

    async def used(self, owner: str = "ana", quota: str = "two-sessions") -> float:
        """How much of a quota is used."""
        views = await self.service.quotas(owner, frozenset())
        return next(view.used for view in views if view.name == quota)


@asynccontextmanager
async def open_house(where: Path | str, policy: Platform | None = None) -> AsyncIterator[House]:
    """A house on the ledger of an address, or in a directory: on a new SQLite file, or on the one that is there."""
    database = Database(where if isinstance(where, str) else ledger_url(where))
    clock = FakeClock()
    house = House(AdmissionService(database, lambda: house.platform, clock), database, clock, policy or platform())
    try:
        yield house
    finally:
        await database.close()
