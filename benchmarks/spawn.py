"""What Perijove adds to a hub: time of its one thread per start, memory, commits, and calls to control."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.hubs import EchoServers, Hub, bare_hub, perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import Processes
from benchmarks.report import Figure, Goal, Section
from perijove_hub.policy.models import Platform

if TYPE_CHECKING:
    from benchmarks.run import Bench

PEER = "stock hub, bare delegate"
ADDED_CPU_MS = 1.5
ADDED_MEMORY_MIB = 60.0
CALLS = 3.0
#: How many servers are started together.
AT_ONCE = 10
#: How long a delegate takes, or a site: long enough for the hub to turn to something else, as it does in every start.
START_SECONDS = 0.1

PLATFORM = Platform.model_validate(
    {
        "sites": {
            name: {
                "kind": "local", "title": name, "region": name, "capacity": {"cpu": 10_000, "memory_gib": 10_000},
                "mounts_homes_of": [other],
            }
            for name, other in (("near", "far"), ("far", "near"))
        },
        "profiles": {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}},
        "quotas": [{"name": "two-each", "resource": "sessions", "limit": 2}],
    }
)  # fmt: skip


class _Measured:
    """One hub and what it cost, with starts that take ``start_seconds``."""

    def __init__(self, hub: Hub, echo: EchoServers, start_seconds: float) -> None:
        self.hub, self._echo, self._start_seconds = hub, echo, start_seconds
        self.cpu, self.commits, self.calls = Samples("ms"), Samples("commits"), Samples("calls")

    async def round(self, names: list[str]) -> None:
        """Start a server for each of these users; they are stopped again off the record."""
        self._echo.take_seconds(self._start_seconds)
        before = await self.hub.figures()
        await self.hub.spawn(names)
        after = await self.hub.figures()
        await self.hub.stop(names)
        self.cpu.add((after["cpu_seconds"] - before["cpu_seconds"]) * 1000 / len(names))
        self.commits.add((after["commits"] - before["commits"]) / len(names))
        self.calls.add((after["calls"] - before["calls"]) / len(names))

    async def memory(self, kind: str) -> Samples:
        """Its memory now, in MiB."""
        return Samples("MiB", [(await self.hub.figures())[f"{kind}_bytes"] / 2**20])


async def _round(hub: _Measured, names: list[str], number: int) -> None:
    first = number * AT_ONCE % len(names)
    await hub.round(names[first : first + AT_ONCE])


def _added(hub: _Measured, bare: _Measured) -> Samples:
    return Samples("ms", [its - bares for its, bares in zip(hub.cpu.values, bare.cpu.values, strict=True)])


async def measure(bench: Bench) -> Section:
    """Measure."""
    # short and many: this machine's pace changes from second to second by more than what is measured
    users, rounds = (20, 6) if bench.quick else (50, 100)
    names = [f"user-{number:03}" for number in range(users)]
    with Processes(bench.new_directory("spawn")) as processes, Processes(bench.new_directory("calls")) as others:
        echo, ledger, another = EchoServers(processes), bench.postgres.ledger(), bench.postgres.ledger()
        hubs = [
            bare_hub(processes, echo, dark_share=2),
            perijove_hub(processes, echo, PLATFORM, ledger, dark=[]),
            perijove_hub(others, echo, PLATFORM, another, dark=[], is_control_elsewhere=True),
        ]
        for hub in hubs:
            hub.start()
            await hub.add_users(names)
            await hub.spawn(names)
            await hub.stop(names)
        bare, ours, elsewhere = (_Measured(hub, echo, START_SECONDS) for hub in hubs)
        bare_at_once, ours_at_once, elsewhere_at_once = (_Measured(hub, echo, 0) for hub in hubs)
        measured = (bare, ours, elsewhere, bare_at_once, ours_at_once, elsewhere_at_once)
        await alternate(rounds, *(partial(_round, each, names) for each in measured))
        memory = {kind: [await each.memory(kind) for each in (ours, bare)] for kind in ("rss", "uss")}
        for hub in hubs:
            await hub.close()
    bench.postgres.drop_databases()
    goal = Goal(ADDED_CPU_MS, "median")
    return Section(
        "What a start costs the hub",
        f"Hubs with their proxies; a spawner and sites that start nothing and take {START_SECONDS * 1000:g} ms for it; "
        f"{users} users; {rounds} rounds of {AT_ONCE} starts at once for each, by turns; what is added is told round "
        "by round. CPU time of the hub's process.",
        [
            Figure("CPU of the hub per start", ours.cpu, None, PEER, bare.cpu),
            Figure("CPU added per start", _added(ours, bare), goal),
            Figure("CPU added per start, control on another machine", _added(elsewhere, bare), goal),
            Figure("CPU of the hub per start that takes no time", ours_at_once.cpu, None, PEER, bare_at_once.cpu),
            Figure("CPU added per start that takes no time", _added(ours_at_once, bare_at_once), goal),
            Figure("CPU added per start that takes no time, control on another machine",
                   _added(elsewhere_at_once, bare_at_once), goal),
            Figure("commits to the hub's database per start", ours.commits, Goal(1, "ratio"), PEER, bare.commits),
            Figure("calls to control per start", ours.calls, Goal(CALLS, "greatest")),
            *(
                Figure(f"memory added ({kind.upper()})", Samples("MiB", [mine.median - its.median]),
                       Goal(ADDED_MEMORY_MIB, "greatest"))
                for kind, (mine, its) in memory.items()
            ),
        ],
        [
            "Starts that take no time are measured beside those that take some, as all do: while one waits, the hub "
            "turns to others.",
            "Control, its database, the proxies and the hub share this machine, and what one of them does makes the "
            "others slower. For control on another machine stands a server that answers what control has answered, "
            "after as long: the hub does all that it does otherwise.",
            *(
                f"Memory after the same starts: {kind.upper()} {mine.median:.0f} MiB, the stock hub "
                f"{its.median:.0f} MiB."
                for kind, (mine, its) in memory.items()
            ),
        ],
    )  # fmt: skip
