"""Which replica to ask first. Pure policy over plain data.

Control's order (site, region, egress price) holds, with two corrections. A replica that has failed of late comes after
all that have not. And one that was measured to be slow gives way to a replica that is no dearer and at least twice as
fast. A dearer copy is never taken because it is faster: only because the cheaper ones do not answer. A price that
nobody knows is dearer than any that is known; of two such control's order is kept, which may know which is cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: What the times of two replicas are compared for: one piece of a large read.
TYPICAL_READ_BYTES = 8 << 20
#: A replica that was never measured is taken to be as good as this, so that a slow one makes us try it.
EXPECTED_LATENCY_SECONDS = 0.1
EXPECTED_BYTES_PER_SECOND = 10e6
#: How many times faster a replica must be to be asked before one that control ranks nearer.
FASTER = 2.0


@dataclass(frozen=True)
class Candidate:
    """A replica as the choice sees it.

    ``rank`` is control's, 0 the nearest; ``egress_cost`` what moving all of the dataset costs, None: nobody knows;
    ``latency_seconds`` and ``bytes_per_second`` are measured, None: not of late.
    """

    id: str
    rank: int
    egress_cost: float | None
    is_down: bool = False
    latency_seconds: float | None = None
    bytes_per_second: float | None = None

    @property
    def read_seconds(self) -> float:
        """What a typical read takes, as far as is known."""
        latency = EXPECTED_LATENCY_SECONDS if self.latency_seconds is None else self.latency_seconds
        speed = EXPECTED_BYTES_PER_SECOND if self.bytes_per_second is None else self.bytes_per_second
        return latency + TYPICAL_READ_BYTES / max(speed, 1.0)


def in_order(candidates: Sequence[Candidate]) -> list[str]:
    """The ids of ``candidates``, the one to ask first at the front. The same input gives the same order."""
    order: list[Candidate] = []
    for each in sorted(candidates, key=lambda one: (one.is_down, one.rank, one.id)):
        place = len(order)
        while place > 0 and _overtakes(each, order[place - 1]):
            place -= 1
        order.insert(place, each)
    return [each.id for each in order]


def _overtakes(later: Candidate, earlier: Candidate) -> bool:
    return (
        later.is_down == earlier.is_down
        and _is_no_dearer(later, earlier)
        and later.read_seconds * FASTER <= earlier.read_seconds
    )


def _is_no_dearer(later: Candidate, earlier: Candidate) -> bool:
    if later.egress_cost is None:
        return False
    return earlier.egress_cost is None or later.egress_cost <= earlier.egress_cost
