"""Telling control what each site runs, for ever, and removing what control says has no business there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import NamedTuple

from perijove.models import Inventory, InventoryAnswer, SeenAttempt
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.policy.secrets import SecretError
from perijove_hub.sites import Handle, SiteError, SiteInterface
from perijove_hub.spawner import PerijoveSpawner

log = logging.getLogger(__name__)

#: Every so many inventories tell of each session all that control would need to take it up. Control knows them as a
#: rule; it does not after its ledger was restored from a backup, of which nobody tells the hub.
FACTS_EVERY = 10


class Ours(NamedTuple):
    """What the hub has on a site: all of it, and what the site need not show.

    That is what is only being started, and what is being stopped: an inventory that lacks it, and comes before the
    hub's word for its end, would prove to control that it failed. And what has no lease that the hub knows of: control
    may have it on record at any site, since its answer is on its way or was lost.
    """

    attempts: frozenset[str]
    unseen: frozenset[str]


class SiteReporter:
    """Reports one site.

    Args:
        name: of the site.
        site: the site.
        inventory_seconds: how often it is reported.
    """

    def __init__(self, name: str, site: SiteInterface, inventory_seconds: float) -> None:
        self._name = name
        self._site = site
        self._inventory_seconds = inventory_seconds
        self._until_facts = 0
        self._is_heard = True

    async def report_for_ever(self) -> None:
        """Report again and again; whatever goes wrong, the next one comes."""
        while True:
            try:
                await self.report()
            except Exception:  # whatever it was, the loop goes on: without inventories nothing is ever reconciled
                log.exception("an inventory of %s failed", self._name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._inventory_seconds):
                    await PerijoveSpawner.homes.news(self._name)

    async def report(self) -> None:
        """Take and send an inventory, and do what control answers. Logs what goes wrong."""
        answer = await self._send(await self._take())
        if answer is None:
            return
        # together, so that one that does not end keeps none of the others alive
        stops = [self._site.stop(Handle(self._name, attempt, "")) for attempt in answer.remove]
        for attempt, fault in zip(answer.remove, await asyncio.gather(*stops, return_exceptions=True), strict=True):
            log.warning("attempt %s at %s has no lease: %s", attempt, self._name, fault or "removed")
        if stops:
            # what is gone now is told at once, so that the next sweep closes its leases
            await self._send(await self._take())

    async def _take(self) -> Inventory:
        # what is ours is looked at before and after: what begins or ends meanwhile is no orphan
        observed_at, before = datetime.now(UTC), self._ours()
        homes = PerijoveSpawner.homes.take(self._name)
        try:
            seen = await self._site.list()
        except SiteError as error:
            if self._is_heard:  # once for each change, and not each minute
                log.warning("site %s does not tell what it runs: %s", self._name, error)
            self._is_heard = False
            return Inventory(observed_at=observed_at, reachable=False, homes=homes)
        if not self._is_heard:
            log.warning("site %s tells what it runs again", self._name)
        self._is_heard = True
        after = self._ours()
        owned = before.attempts | after.attempts
        attempts = [self._seen(attempt, attempt in owned) for attempt in {*seen, *after.unseen}]
        return Inventory(observed_at=observed_at, reachable=True, attempts=attempts, homes=homes)

    def _ours(self) -> Ours:
        ours, unseen = set(), set()
        for attempt, spawner in PerijoveSpawner.owned.items():
            if self._name in spawner.sites:
                ours.add(attempt)
                if not spawner.is_up or spawner.is_ending:
                    unseen.add(attempt)
            elif not spawner.has_lease:
                ours.add(attempt)
                unseen.add(attempt)
        return Ours(frozenset(ours), frozenset(unseen))

    def _seen(self, attempt: str, owned: bool) -> SeenAttempt:
        spawner = PerijoveSpawner.owned.get(attempt) if owned else None
        if spawner is None or spawner.site != self._name or (self._until_facts != 0 and spawner.has_lease):
            return SeenAttempt(attempt_id=attempt, owned=owned)
        return SeenAttempt(attempt_id=attempt, owned=owned, facts=spawner.facts())

    async def _send(self, inventory: Inventory) -> InventoryAnswer | None:
        try:
            answer = await PerijoveSpawner.house.control.report(self._name, inventory)
        except (ControlRefused, ControlUnreachable, SecretError) as error:
            log.warning("the inventory of %s was not settled: %s", self._name, error)
            PerijoveSpawner.homes.put_back(self._name, inventory.homes)
            # control was away: it may come back with another ledger
            self._until_facts = 0
            return None
        if inventory.reachable:
            self._until_facts = (self._until_facts or FACTS_EVERY) - 1
        for attempt, lease_id in answer.adopted.items():
            log.warning("attempt %s at %s was taken up by control under lease %s", attempt, self._name, lease_id)
            if spawner := PerijoveSpawner.owned.get(attempt):
                spawner.take_lease(lease_id)
        return answer
