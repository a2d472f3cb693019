"""Sessions that the controller watches: admission and the controller's steps on a real ledger, the hub a stand-in.

Time passes a minute at a time. The clocks of our hosts, of the hub and of a site may be set meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from perijove.models import Activity
from perijove_hub.admission.life import Life
from perijove_hub.admission.models import Refused
from perijove_hub.admission.renewals import Renewals
from perijove_hub.controller.hub_client import HubClient
from perijove_hub.controller.steady import SteadyClock
from perijove_hub.controller.stops import Stops
from perijove_hub.ledger import said_store, schema, store
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.policy.models import Platform

from .hub_api import FakeHub, running_hub
from .platforms import House, open_house


@dataclass
class Watch:
    """A house, the hub that has its sessions' servers, and the controller's steps.

    ``hub_off`` and ``site_off`` are how far those clocks are from ours. Sessions ``in_use`` say so each minute; the
    others say how long they have not been used.
    """

    house: House
    hub: FakeHub
    client: HubClient
    passed_seconds: float = 0.0
    hub_off: timedelta = timedelta(0)
    site_off: timedelta = timedelta(0)
    in_use: set[str] = field(default_factory=set)
    refused_inventories: int = 0

    def __post_init__(self) -> None:
        house = self.house
        self.life = Life(house.database, lambda: house.platform, house.clock)
        self.renewals = Renewals(house.database, lambda: house.platform, house.clock)
        self.restart_controller()

    def restart_controller(self) -> None:
        """Another process takes over, and knows nothing of how the seconds were counted."""
        steady = SteadyClock(self.house.clock, lambda: self.passed_seconds)
        self.stops = Stops(self.house.database, lambda: self.house.platform, steady, self.client)

    async def start(self, owner: str = "ana", *groups: str, **more: Any) -> LeaseRow:
        """An active session at ``esac``, with its server at the hub."""
        lease = await self.house.start(owner, "esac", groups=list(groups), **more)
        self.hub.add(owner, *groups)
        self.hub.servers.add((owner, lease.name))
        return lease

    def set_clock(self, by: timedelta) -> None:
        """Somebody sets the clock of our hosts; no time passes."""
        self.house.clock.now += by

    def let_pass(self, seconds: float) -> None:
        """Time passes, and nobody does anything."""
        self.house.clock.advance(seconds)
        self.passed_seconds += seconds

    async def after(self, minutes: float) -> list[str]:
        """Let so many minutes pass, with a round of the controller in each; the notices written meanwhile."""
        known, seconds = await self.notices(), minutes * 60
        while seconds > 0:
            self.let_pass(min(seconds, 60))
            seconds -= 60
            if self.house.clock.now.minute % 2 == 0:
                await self.inventory()
            await self.round()
        return (await self.notices())[len(known) :]

    async def round(self) -> None:
        """What the controller does between two sweeps, and what sessions report."""
        await self.report()
        await self.house.service.sweep()
        await self.renewals.renew()
        await self.stops.carry_out()

    async def report(self) -> None:
        """The sessions in use say so, each by the clock of its site."""
        there = self.house.clock.now + self.site_off
        for lease_id in sorted(self.in_use):
            await self.life.activity(lease_id, "ana", Activity(last_activity=there, sent_at=there, busy=False))

    async def inventory(self, *gone: str) -> None:
        """The hub tells what the site runs: everything but what is ``gone``, dated by its own clock."""
        async with self.house.database.read() as connection:
            attempts = [lease.attempt_id for lease in await store.open_leases(connection)]
        try:
            seen = [attempt for attempt in attempts if attempt not in gone]
            answer = await self.house.inventory("esac", *seen, seconds_ago=-self.hub_off.total_seconds())
            assert answer.remove == []
        except Refused:
            self.refused_inventories += 1

    async def notices(self) -> list[str]:
        """Everything that was told: topic, when it expires, and the message."""
        columns = schema.notices.c
        query = select(columns.topic, columns.expires, columns.message).order_by(columns.id)
        async with self.house.database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [f"{topic} {expires:%H:%M} {message}" for topic, expires, message in rows]

    async def lease(self, lease: LeaseRow) -> LeaseRow:
        """A lease as it is now."""
        found = await self.house.service.lease(lease.id)
        assert found is not None
        return found

    async def end(self, lease: LeaseRow) -> LeaseRow:
        """What the spawner's post-stop step says: it knows only that the server was stopped."""
        return await self.house.move(lease.id, "ended", reason="stopped")

    async def close_site(self, stops_at: datetime) -> int:
        """An admin drains ``esac``; the closure's number."""
        now = self.house.clock.now
        async with self.house.database.write() as connection:
            return await said_store.insert_closure(
                connection, site="esac", starts=now, stops_at=stops_at, reopens=None, reason="new disks", author="root",
                created=now,
            )  # fmt: skip

    def set_groups(self, name: str, *groups: str) -> None:
        """Change which groups a user is in."""
        for model in self.hub.tokens.values():
            if model["name"] == name:
                model["groups"] = list(groups)


@asynccontextmanager
async def open_watch(where: Path | str, policy: Platform) -> AsyncIterator[Watch]:
    """A watch on the ledger of an address, or in a directory."""
    async with open_house(where, policy) as house, running_hub() as hub:
        client = HubClient(hub.url, hub.own_token, request_seconds=0.3)
        try:
            yield Watch(house, hub, client)
        finally:
            await client.close()
