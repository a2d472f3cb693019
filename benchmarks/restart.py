"""A hub that comes back to two thousand servers, some of them at sites that do not answer, beside the stock hub."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.hubs import EchoServers, Hub, bare_hub, perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import Processes
from benchmarks.report import Figure, Goal, Section
from perijove_hub.policy.models import Platform

if TYPE_CHECKING:
    from benchmarks.run import Bench

DARK_PEER = "stock hub, the same share dark, where its spawner's poll raises as KubeSpawner's does"
PEER = "stock hub, bare delegate, all of its servers answering"
RATIO = 1.5

SITES = 20
DARK = ["site-03", "site-17"]

#: How often it is asked how far it is; being asked costs both hubs the same.
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 300

#: Longer than the hub waits for a server that it could not reach at its start (``http_timeout``).
LONG_SECONDS = 45.0


def _platform() -> Platform:
    names = [f"site-{number:02}" for number in range(SITES)]
    return Platform.model_validate(
        {
            "sites": {
                name: {
                    "kind": "local", "title": name, "region": name, "capacity": {"cpu": 1000, "memory_gib": 1000},
                    "mounts_homes_of": [other for other in names if other != name],
                }
                for name in names
            },
            "profiles": {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}},
        }
    )  # fmt: skip


@dataclass
class Restarted:
    """A hub, and how long it took to come back."""

    hub: Hub
    answers: Samples = field(default_factory=lambda: Samples("s"))
    checked: Samples = field(default_factory=lambda: Samples("s"))

    async def restart(self, bright: int) -> None:
        """Kill it, start it, and wait until it has looked at every server that it can reach."""
        self.hub.kill()
        seconds = self.hub.start()
        self.answers.add(seconds)
        self.checked.add(seconds + await self.until_ready(bright))

    async def until_ready(self, servers: int) -> float:
        """Wait until so many servers are ready; the seconds that took.

        Raises:
            RuntimeError: it takes too long.
        """
        begun = time.monotonic()
        while (found := await self.hub.figures())["ready"] < servers:
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise RuntimeError(f"{self.hub.name} has {found} and {servers} were expected")
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - begun


async def measure(bench: Bench) -> Section:
    """Measure."""
    servers, rounds = (60, 1) if bench.quick else (2000, 5)
    names = [f"user-{number:04}" for number in range(servers)]
    with Processes(bench.new_directory("restart")) as processes:
        echo = EchoServers(processes)
        stock = Restarted(bare_hub(processes, echo, dark_share=SITES // len(DARK)))
        ledger = bench.postgres.ledger()
        ours = Restarted(perijove_hub(processes, echo, _platform(), ledger, DARK))
        for each in (stock, ours):
            each.hub.start()
            await each.hub.add_users(names)
            await each.hub.spawn(names)
        with bench.postgres.connect(ledger) as admin:
            query = "SELECT count(*) FROM leases WHERE state = 'active' AND site = ANY(%s)"
            at_dark_sites = int(admin.execute(query, [DARK]).fetchall()[0][0])

        async def restart_stock(turn: int) -> None:
            await stock.restart(servers)

        async def restart_ours(turn: int) -> None:
            echo.darken()
            await ours.restart(servers - at_dark_sites)
            echo.lighten()

        await alternate(rounds, restart_stock, restart_ours)
        kept, light_again = await in_the_dark(ours, echo, servers, at_dark_sites)
        forgotten_by_stock = await _stock_in_the_dark(stock, echo, servers)
        for each in (stock, ours):
            await each.hub.close()
    bench.postgres.drop_databases()
    return Section(
        "A restart",
        f"{servers} servers at {SITES} sites, of which {len(DARK)} with {at_dark_sites} servers hang when they are "
        f"asked; hubs killed and started by turns, {rounds} times each. The stock hub has no dark site.",
        [
            Figure("until the API answers", ours.answers, Goal(RATIO, "ratio"), PEER, stock.answers),
            Figure("until every server of a bright site is ready", ours.checked, Goal(RATIO, "ratio"), PEER,
                   stock.checked),
            Figure(f"servers forgotten after {LONG_SECONDS:.0f} s of darkness", Samples("servers", [servers - kept]),
                   Goal(0, "each"), DARK_PEER,
                   Samples("servers", [forgotten_by_stock])),
            Figure("until all are ready once the dark sites answer again", light_again),
        ],
    )  # fmt: skip


async def in_the_dark(ours: Restarted, echo: EchoServers, servers: int, dark: int) -> tuple[int, Samples]:
    """How many servers it still knows after a long darkness, and how long it takes until all of them are ready."""
    echo.darken()
    await ours.restart(servers - dark)
    await asyncio.sleep(LONG_SECONDS)
    kept = (await ours.hub.figures())["known"]
    echo.lighten()
    return kept, Samples("s", [await ours.until_ready(kept)])


async def _stock_in_the_dark(stock: Restarted, echo: EchoServers, servers: int) -> int:
    """How many servers the stock hub forgets when a share of them does not answer for as long."""
    echo.darken()
    stock.hub.kill()
    stock.hub.start()
    await asyncio.sleep(LONG_SECONDS)
    known: int = (await stock.hub.figures())["known"]
    echo.lighten()
    return servers - known
