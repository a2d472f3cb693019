"""What a start in a cluster costs the hub, beside stock KubeSpawner in the same cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.clusters_bed import Cluster, echo_at, platform, pod_addresses, stock_hub
from benchmarks.hubs import Hub, perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import Processes
from benchmarks.report import Figure, Goal
from benchmarks.spawn import ADDED_CPU_MS, AT_ONCE

if TYPE_CHECKING:
    from benchmarks.run import Bench

PEER = "stock hub, KubeSpawner"


@dataclass
class _Measured:
    """One hub and what its starts cost."""

    hub: Hub
    cpu: Samples = field(default_factory=lambda: Samples("ms"))
    rate: Samples = field(default_factory=lambda: Samples("starts/s"))
    changes: Samples = field(default_factory=lambda: Samples("requests"))
    starts: int = 0
    before: dict[str, Any] = field(default_factory=dict)

    async def begin(self, names: list[str]) -> None:
        """Start it, and each server once: what the first start of a user makes is not measured."""
        self.hub.start()
        await self.hub.add_users(names)
        await self.hub.spawn(names)
        await self.hub.stop(names)
        self.before = await self.hub.figures()

    async def round(self, names: list[str]) -> None:
        """Start a server for each of these users, and stop them again."""
        before, begun = await self.hub.figures(), time.perf_counter()
        await self.hub.spawn(names, at_once=AT_ONCE)
        self.rate.add(len(names) / (time.perf_counter() - begun))
        after = await self.hub.figures()
        await self.hub.stop(names)
        self.cpu.add((after["cpu_seconds"] - before["cpu_seconds"]) * 1000 / len(names))
        self.changes.add(((await self.hub.figures())["changes"] - before["changes"]) / len(names))
        self.starts += len(names)

    async def requests(self) -> Samples:
        """All that it has asked the cluster for since it began, for each start."""
        asked = (await self.hub.figures())["requests"] - self.before["requests"]
        return Samples("requests", [asked / self.starts])


async def _round(measured: _Measured, names: list[str], number: int) -> None:
    first = number * AT_ONCE % len(names)
    await measured.round(names[first : first + AT_ONCE])


async def measure_starts(bench: Bench) -> tuple[str, list[Figure]]:
    """Measure; on which data, and the figures."""
    users, rounds = (20, 6) if bench.quick else (50, 100)
    names = [f"user-{number:03}" for number in range(users)]
    with (
        pod_addresses(2) as addresses,
        Processes(bench.new_directory("clusters")) as processes,
        Processes(bench.new_directory("clusters-elsewhere")) as others,
    ):
        echo = echo_at(processes, addresses)
        cluster = Cluster(processes, "cluster", addresses[0], ["stock", "ours", "elsewhere"])
        kubeconfig, ledgers = cluster.kubeconfig.read_text(), [bench.postgres.ledger() for _ in range(2)]
        stock, ours, elsewhere = measured = [
            _Measured(stock_hub(processes, echo, cluster, "stock")),
            _Measured(
                perijove_hub(processes, echo, platform(processes, {"near": (kubeconfig, "ours")}), ledgers[0], [])
            ),
            _Measured(
                perijove_hub(
                    others, echo, platform(others, {"near": (kubeconfig, "elsewhere")}), ledgers[1], [],
                    is_control_elsewhere=True,
                )
            ),
        ]  # fmt: skip
        for each in measured:
            await each.begin(names)
        await alternate(rounds, *(partial(_round, each, names) for each in measured))
        asked = [await each.requests() for each in measured]
        for each in measured:
            await each.hub.close()
    bench.postgres.drop_databases()
    data = (
        f"Starts: {users} users, {rounds} rounds of {AT_ONCE} starts at once for each hub, by turns; one namespace for "
        "each hub; what is added is told round by round. CPU time of the hub's process."
    )
    goal = Goal(ADDED_CPU_MS, "median")
    return data, [
        Figure("starts per second", ours.rate, None, PEER, stock.rate),
        Figure("CPU of the hub per start", ours.cpu, None, PEER, stock.cpu),
        Figure("CPU added per start", _added(ours, stock), goal),
        Figure("CPU added per start, control on another machine", _added(elsewhere, stock), goal),
        Figure("requests that make or delete something, per start and its end", ours.changes, Goal(1, "ratio"), PEER,
               stock.changes),
        Figure("all requests to the cluster per start, watching and inventories with them", asked[1], Goal(1, "ratio"),
               PEER, asked[0]),
    ]  # fmt: skip


def _added(ours: _Measured, stock: _Measured) -> Samples:
    return Samples("ms", [its - stocks for its, stocks in zip(ours.cpu.values, stock.cpu.values, strict=True)])
