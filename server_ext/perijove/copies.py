"""The replicas of one dataset as this process has found them, and the order to ask them in."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .choice import Candidate, in_order
from .errors import StoreUnavailable
from .health import ReplicaHealth
from .models import Copy, Replica

Result = TypeVar("Result")


class Copies:
    """Measures what replicas answer, and ranks them by it. Belongs to one event loop.

    Args:
        replicas: as control ranks them.
        clock: seconds that only go forward.
    """

    def __init__(self, replicas: Sequence[Replica], clock: Callable[[], float] = time.monotonic) -> None:
        self.replicas = list(replicas)
        self._clock = clock
        self._health: dict[str, ReplicaHealth] = {}
        self._used: str | None = None

    def renewed(self, replicas: Sequence[Replica]) -> Copies:
        """The same knowledge about what control says now."""
        copies = Copies(replicas, self._clock)
        copies._health, copies._used = self._health, self._used
        return copies

    def ordered(self) -> list[Replica]:
        """All replicas, the one to ask first at the front."""
        if len(self.replicas) == 1:
            return list(self.replicas)
        by_id = {replica.id: replica for replica in self.replicas}
        return [by_id[replica_id] for replica_id in in_order([self._candidate(one) for one in self.replicas])]

    def find(self, replica_id: str) -> Replica | None:
        """The replica of that id, if control still names it."""
        return next((replica for replica in self.replicas if replica.id == replica_id), None)

    def is_down(self, replica_id: str) -> bool:
        """Whether it has failed of late."""
        return self._of(replica_id).state(self._clock()) == "down"

    def bytes_per_second(self, replica_id: str) -> float | None:
        """How fast one stream of it was of late, if that is known."""
        health = self._of(replica_id)
        return health.bytes_per_second if health.is_fresh(self._clock()) else None

    async def measured(
        self, replica: Replica, ask: Awaitable[Result], size_bytes: Callable[[Result], int] = lambda _: 0
    ) -> Result:
        """What ``ask`` gives, which asks ``replica``; how it answers is remembered.

        Args:
            replica: that is asked.
            ask: the request.
            size_bytes: of the body that came with its result.

        Raises:
            StoreUnavailable: ``ask`` did; the replica is asked last for a while.
        """
        began = self._clock()
        try:
            result = await ask
        except StoreUnavailable:
            self.mark_down(replica.id)
            raise
        now = self._clock()
        self._of(replica.id).answered(size_bytes(result), now - began, now)
        self._used = replica.id
        return result

    def is_enough_alone(self, replica_id: str) -> bool:
        """Whether one stream of it may be as fast as several, see :mod:`straight`."""
        return self._of(replica_id).is_enough_alone(self._clock())

    def mark_slow_alone(self, replica_id: str) -> None:
        """Let it be read in parallel for a while."""
        self._of(replica_id).was_slow_alone(self._clock())

    def mark_down(self, replica_id: str) -> None:
        """Let other replicas be asked first for a while."""
        self._of(replica_id).failed(self._clock())

    def views(self) -> list[Copy]:
        """All replicas in the order in which they are asked, with what is known of each."""
        now = self._clock()
        return [self._view(replica, now) for replica in self.ordered()]

    def _view(self, replica: Replica, now: float) -> Copy:
        health = self._of(replica.id)
        state = health.state(now)
        fresh = health if health.is_fresh(now) else ReplicaHealth()
        return Copy(
            id=replica.id,
            site=replica.site,
            region=replica.region,
            rank=replica.rank,
            state="used" if state == "ready" and replica.id == self._used else state,
            latency_ms=None if fresh.latency_seconds is None else fresh.latency_seconds * 1e3,
            megabytes_second=None if fresh.bytes_per_second is None else fresh.bytes_per_second / 1e6,
            egress_cost=replica.egress_cost,
        )

    def _candidate(self, replica: Replica) -> Candidate:
        health, now = self._of(replica.id), self._clock()
        fresh = health if health.is_fresh(now) else ReplicaHealth()
        return Candidate(
            replica.id,
            replica.rank,
            replica.egress_cost,
            is_down=health.state(now) == "down",
            latency_seconds=fresh.latency_seconds,
            bytes_per_second=fresh.bytes_per_second,
        )

    def _of(self, replica_id: str) -> ReplicaHealth:
        health = self._health.get(replica_id)
        if health is None:
            health = self._health[replica_id] = ReplicaHealth()
        return health
