"""What one decision costs: policy alone, and with its committed transaction, beside the peer's check."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from benchmarks.credits import PEER, Peer
from benchmarks.measure import Samples, alternate, milliseconds
from benchmarks.recorded import NoDatabase, Recording
from benchmarks.report import Figure, Goal, Section
from benchmarks.world import Size, fill, groups_of, make_platform, user, wish
from perijove.models import LeasePatch, SessionWish
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.database import Database
from perijove_hub.policy.models import Platform

if TYPE_CHECKING:
    from benchmarks.run import Bench

POLICY_P95_MS = 2.0
COMMITTED_P95_MS = 15.0


@dataclass
class _Ours:
    """Admission on its ledger, and on recorded answers."""

    service: AdmissionService
    platform: Platform
    size: Size

    async def ask(self, number: int, samples: Samples) -> None:
        """A start of this user is admitted and committed; its lease ends again, off the clock."""
        request = wish(number, self.size)
        with milliseconds(samples):
            offer = await self.service.ask(request)
        await self.service.move(offer.id, LeasePatch(state="ended", reason="measured"))

    async def policy_alone(self, numbers: list[int]) -> Samples:
        """The same decision for each user, over what the ledger's queries answered when they were asked before."""
        samples, recording, moment = Samples("ms"), Recording(), datetime.now(UTC)
        asking = AdmissionService(self.service._database, lambda: self.platform, lambda: moment)
        alone = AdmissionService(cast(Database, NoDatabase()), lambda: self.platform, lambda: moment)
        for number in numbers:
            groups = frozenset(groups_of(number, self.size))
            said = wish(number, self.size).model_dump(include=set(SessionWish.model_fields))
            with recording.taken():
                await asking.place(user(number), groups, SessionWish.model_validate(said))
            with recording.given():
                await alone.place(user(number), groups, SessionWish.model_validate(said))
                with milliseconds(samples):
                    answer = await alone.place(user(number), groups, SessionWish.model_validate(said))
            if not answer.allowed:
                raise AssertionError(f"the decision of {user(number)} was no: {answer.reason}")
        return samples


async def measure(bench: Bench) -> Section:
    """Measure."""
    size = Size(users=1000, active=200, history_days=5) if bench.quick else Size()
    rounds = 60 if bench.quick else 400
    platform, server = make_platform(size), bench.postgres
    address = server.ledger()
    database = Database(address)
    service = AdmissionService(database, lambda: platform, lambda: datetime.now(UTC))
    ours = _Ours(service, platform, size)
    with server.connect(address) as admin:
        await fill(service, admin, platform, size)
    peer = Peer(server, size)
    round_seconds = await peer.settle()
    numbers = random.Random(1).sample(range(size.active, size.users), rounds + 20)  # noqa: S311 - no secret
    for number in numbers:
        peer.know(number)
    committed, checked, warm = Samples("ms"), Samples("ms"), Samples("ms")

    async def ask(turn: int) -> None:
        await ours.ask(numbers[turn], committed)

    async def check(turn: int) -> None:
        with milliseconds(checked):
            await peer.check(numbers[turn])

    for number in numbers[rounds:]:
        await ours.ask(number, warm)
        await peer.check(number)
    await alternate(rounds, ask, check)
    alone = await ours.policy_alone(numbers)
    peer.close()
    await database.close()
    server.drop_databases()
    return Section(
        "A decision",
        f"{size.users} users, {size.active} active sessions, {size.sites} sites, {size.rules} rules, "
        f"{size.history_days} days of use; PostgreSQL with fsync; {rounds} users in random order, one after the other.",
        [
            Figure("policy alone: limits, arithmetic, placement; no I/O", alone, Goal(POLICY_P95_MS)),
            Figure(
                "a start admitted, with its committed transaction", committed, Goal(COMMITTED_P95_MS), PEER, checked
            ),
        ],
        [
            f"{PEER} only reads: its check holds nothing, so that several servers of one user pass it together, and it "
            "commits nothing. Ours counts every limit, ranks the sites, writes the lease and waits for the disk.",
            "The peer's check blocks the hub's own loop; ours runs in control's process. So does its round over all "
            f"users, which grants and bills once a minute: {round_seconds:.1f} s here, with no server running.",
        ],
    )
