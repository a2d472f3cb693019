"""What Perijove adds to a hub: time of its one thread per start, memory, commits, and calls to control."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.hubs import EchoServers, Hub, bare_hub, perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import ControlService, Processes
from benchmarks.report import Figure, Goal, Section
from perijove.models import Kind, LeasePatch, LeaseRequest
from perijove_hub.admission.client import ControlClient
from perijove_hub.policy.models import Platform

if TYPE_CHECKING:
    from benchmarks.run import Bench

PEER = "stock hub, bare delegate"
ADDED_CPU_MS = 1.5
ADDED_MEMORY_MIB = 60.0
CALLS = 3.0

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


class _Calls:
    """The calls of a start, made by no hub: control is as busy as with one, on the same machine."""

    def __init__(self, control: ControlService) -> None:
        self._client = ControlClient(f"{control.urls[0]}/services/perijove", lambda: control.secret)
        self._leases: list[str] = []

    async def start(self, name: str) -> None:
        """As the hub asks for a session, and says that it is up."""
        request = LeaseRequest(owner=name, kind=Kind.SESSION, attempt_id=uuid4().hex, starting=True)
        offer = await self._client.ask(request)
        await self._client.move(offer.id, LeasePatch(state="active"))
        self._leases.append(offer.id)

    async def stop(self) -> None:
        """End all of them."""
        while self._leases:
            await self._client.move(self._leases.pop(), LeasePatch(state="ended"))

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.close()


class _Measured:
    """One hub and what it cost; the calls of ``beside`` are made by us while it starts servers."""

    def __init__(self, hub: Hub, beside: _Calls | None = None) -> None:
        self.hub, self.beside = hub, beside
        self.cpu, self.commits, self.calls = Samples("ms"), Samples("commits"), Samples("calls")

    async def round(self, names: list[str]) -> None:
        """Start a server for each of these users; they are stopped again off the record."""
        before = await self.hub.figures()
        await self.hub.spawn(names, beside=self.beside.start if self.beside else None)
        after = await self.hub.figures()
        await self.hub.stop(names)
        if self.beside:
            await self.beside.stop()
        self.cpu.add((after["cpu_seconds"] - before["cpu_seconds"]) * 1000 / len(names))
        self.commits.add((after["commits"] - before["commits"]) / len(names))
        self.calls.add((after["calls"] - before["calls"]) / len(names))

    async def memory(self, kind: str) -> Samples:
        """Its memory now, in MiB."""
        return Samples("MiB", [(await self.hub.figures())[f"{kind}_bytes"] / 2**20])


async def _round(hub: _Measured, names: list[str], _: int) -> None:
    await hub.round(names)


def _added(hub: _Measured, bare: _Measured) -> Samples:
    return Samples("ms", [its - bares for its, bares in zip(hub.cpu.values, bare.cpu.values, strict=True)])


async def measure(bench: Bench) -> Section:
    """Measure."""
    users, rounds = (20, 3) if bench.quick else (50, 20)
    names = [f"user-{number:03}" for number in range(users)]
    with Processes(bench.new_directory("spawn")) as processes, Processes(bench.new_directory("calls")) as others:
        echo, ledger, another = EchoServers(processes), bench.postgres.ledger(), bench.postgres.ledger()
        hubs = [
            bare_hub(processes, echo, dark_share=2),
            perijove_hub(processes, echo, PLATFORM, ledger, dark=[]),
            perijove_hub(others, echo, PLATFORM, another, dark=[], answers_at_hand=True),
        ]
        for hub in hubs:
            hub.start()
            await hub.add_users(names)
            await hub.spawn(names)
            await hub.stop(names)
        bare, ours, without_calls = map(_Measured, hubs)
        controls = [hub.control for hub in hubs if hub.control]
        calls = _Calls(controls[-1])
        bare_beside = _Measured(hubs[0], calls)
        await alternate(rounds, *(partial(_round, each, names) for each in (bare, ours, without_calls, bare_beside)))
        memory = {kind: [await each.memory(kind) for each in (ours, bare)] for kind in ("rss", "uss")}
        await calls.close()
        for hub in hubs:
            await hub.close()
    bench.postgres.drop_databases()
    added, rest, neighbour = (_added(hub, bare) for hub in (ours, without_calls, bare_beside))
    return Section(
        "What a start costs the hub",
        f"Hubs with their proxies; a spawner that starts nothing, and sites that start nothing; {users} users, "
        f"{rounds} rounds each by turns, ten starts at once; CPU time of the hub's process.",
        [
            Figure("CPU of the hub per start", ours.cpu, None, PEER, bare.cpu),
            Figure("CPU added per start", added, Goal(ADDED_CPU_MS, "median")),
            Figure("of that, without the calls to control (their answers at hand)", rest),
            Figure("of that, what the stock hub uses, too, while control answers as many calls beside it", neighbour),
            Figure("commits to the hub's database per start", ours.commits, Goal(1, "ratio"), PEER, bare.commits),
            Figure("calls to control per start", ours.calls, Goal(CALLS, "greatest")),
            *(
                Figure(f"memory added ({kind.upper()})", Samples("MiB", [mine.median - its.median]),
                       Goal(ADDED_MEMORY_MIB, "greatest"))
                for kind, (mine, its) in memory.items()
            ),
        ],
        [
            f"Memory after the same starts: {kind.upper()} {mine.median:.0f} MiB, the stock hub {its.median:.0f} MiB."
            for kind, (mine, its) in memory.items()
        ],
    )  # fmt: skip
