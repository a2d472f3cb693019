"""Starts at healthy clusters while others are dark."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.clusters_bed import Cluster, dark_urls, echo_at, platform, pod_addresses
from benchmarks.hubs import Hub, perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import Processes
from benchmarks.report import Figure, Goal

if TYPE_CHECKING:
    from benchmarks.run import Bench

PEER = "the same hub, all sites bright"
RATIO = 1.10

SITES = 20
#: The first of these take connections and never answer, the other two take none.
DARK = ["site-01", "site-05", "site-09", "site-13", "site-17"]
REFUSING = DARK[3:]
AT_ONCE = 5


@dataclass
class _Measured:
    """One hub, and how long its starts took."""

    hub: Hub
    site_of: dict[str, str]
    seconds: Samples = field(default_factory=lambda: Samples("s"))

    async def begin(self) -> None:
        """Start it, and each server once."""
        names = list(self.site_of)
        self.hub.start()
        await self.hub.add_users(names)
        await self.hub.spawn(names, options=self._options)
        await self.hub.stop(names)

    async def start_one(self, name: str) -> None:
        """How long a start takes."""
        begun = time.perf_counter()
        await self.hub.spawn([name], options=self._options)
        self.seconds.add(time.perf_counter() - begun)

    def _options(self, name: str) -> dict[str, str]:
        return {"site": self.site_of[name]}


async def _round(measured: _Measured, number: int) -> None:
    """Some starts, one after the other."""
    names = list(measured.site_of)
    first = number * AT_ONCE % len(names)
    chosen = names[first : first + AT_ONCE]
    for name in chosen:
        await measured.start_one(name)
    await measured.hub.stop(chosen)


async def measure_dark(bench: Bench) -> tuple[str, list[Figure]]:
    """Measure; on which data, and the figures."""
    rounds = 6 if bench.quick else 60
    sites = [f"site-{number:02}" for number in range(SITES)]
    healthy = [name for name in sites if name not in DARK]
    site_of = {f"user-{number:02}": healthy[number % len(healthy)] for number in range(2 * len(healthy))}
    with (
        pod_addresses(2) as addresses,
        dark_urls() as (silent, refusing),
        Processes(bench.new_directory("clusters-bright")) as processes,
        Processes(bench.new_directory("clusters-dark")) as others,
    ):
        echo = echo_at(processes, addresses)
        spaces = [f"{kind}-{name}" for kind in ("bright", "dark") for name in sites]
        cluster = Cluster(processes, "cluster", addresses[0], spaces)
        light = cluster.kubeconfig.read_text()
        ways = {name: cluster.kubeconfig_at(refusing if name in REFUSING else silent) for name in DARK}
        all_bright = platform(processes, {name: (light, f"bright-{name}") for name in sites})
        some_dark = platform(others, {name: (ways.get(name, light), f"dark-{name}") for name in sites})
        bright, dark = (
            _Measured(perijove_hub(where, echo, each, bench.postgres.ledger(), []), site_of)
            for where, each in ((processes, all_bright), (others, some_dark))
        )
        for measured in (bright, dark):
            await measured.begin()
        await alternate(rounds, partial(_round, bright), partial(_round, dark))
        for measured in (bright, dark):
            await measured.hub.close()
    bench.postgres.drop_databases()
    data = (
        f"Dark sites: {SITES} sites, of which {len(DARK)} cannot be reached ({len(DARK) - len(REFUSING)} take "
        f"connections and never answer, {len(REFUSING)} take none), beside a hub that reaches all; {rounds} rounds of "
        f"{AT_ONCE} starts, one after the other."
    )
    figure = Figure(f"a start at a healthy site, {len(DARK)} of {SITES} dark", dark.seconds, Goal(RATIO, "ratio"), PEER,
                    bright.seconds)  # fmt: skip
    return data, [figure]
