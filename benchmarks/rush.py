"""A hundred starts at once against a limit of ten, over HTTP, at two control processes on one PostgreSQL."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import httpx

from benchmarks.measure import Samples
from benchmarks.processes import ControlService, Processes
from benchmarks.report import Figure, Goal, Section
from perijove_hub.policy.models import Platform

if TYPE_CHECKING:
    from benchmarks.run import Bench

STARTS = 100
LIMIT = 10

PLATFORM = Platform.model_validate(
    {
        "sites": {
            name: {"kind": "local", "title": name, "region": "here", "capacity": {"cpu": 10_000, "memory_gib": 10_000}}
            for name in ("near", "far")
        },
        "profiles": {"small": {"title": "Small", "cpu": 1, "memory_gib": 1}},
        "quotas": [
            {"name": "ten-each", "resource": "sessions", "limit": LIMIT},
            {
                "name": "ten-together", "applies_to": {"groups": ["pool"]}, "per": "group",
                "resource": "sessions", "limit": LIMIT,
            },
        ],
    }
)  # fmt: skip


async def measure(bench: Bench) -> Section:
    """Measure."""
    rounds = 2 if bench.quick else 10
    address = bench.postgres.ledger()
    one, many, seconds = Samples("admitted"), Samples("admitted"), Samples("s")
    with Processes(bench.new_directory("rush")) as processes:
        control = ControlService(processes, PLATFORM, address, count=2)
        async with control.client(0) as first, control.client(1) as second:
            for turn in range(rounds):
                begun = time.perf_counter()
                one.add(await _rush([first, second], [(f"one-{turn}", []) for _ in range(STARTS)]))
                seconds.add(time.perf_counter() - begun)
                many.add(await _rush([first, second], [(f"of-pool-{turn}-{i}", ["pool"]) for i in range(STARTS)]))
                _end_all(bench, address)
    bench.postgres.drop_databases()
    return Section(
        "A rush",
        f"{STARTS} `POST leases` at once, half of them at each of two control processes on one PostgreSQL.",
        [
            Figure(f"one user's starts admitted under a limit of {LIMIT}", one, Goal(LIMIT, "each")),
            Figure(f"starts of {STARTS} users admitted under a limit of {LIMIT} for their group", many,
                   Goal(LIMIT, "each")),
            Figure(f"until all {STARTS} were answered", seconds),
        ],
    )  # fmt: skip


async def _rush(clients: list[httpx.AsyncClient], who: list[tuple[str, list[str]]]) -> int:
    """Ask for all of them at once; how many were admitted.

    Raises:
        RuntimeError: one was neither admitted nor refused by a limit.
    """

    async def ask(number: int, owner: str, groups: list[str]) -> httpx.Response:
        attempt = uuid.uuid4().hex
        body = {"owner": owner, "groups": groups, "kind": "session", "name": f"s{number}", "attempt_id": attempt}
        return await clients[number % len(clients)].post("leases", json=body, headers={"Idempotency-Key": attempt})

    answers = await asyncio.gather(*(ask(number, *each) for number, each in enumerate(who)))
    odd = [answer for answer in answers if answer.status_code not in (201, 403)]
    if odd:
        raise RuntimeError(f"{len(odd)} starts were neither admitted nor refused: {odd[0].status_code} {odd[0].text}")
    return sum(answer.status_code == 201 for answer in answers)


def _end_all(bench: Bench, address: str) -> None:
    """Nothing of this round counts in the next one."""
    with bench.postgres.connect(address) as admin:
        admin.execute("UPDATE leases SET state = 'ended', ended = now() WHERE state = 'offered'")
