"""How the replicas of a dataset have answered of late. Arithmetic only: the time comes with each call.

Averages move: a new sample counts for three tenths, so that the last five or so tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: The weight of a new sample.
NEW_SHARE = 0.3
#: A replica that failed is asked last for so long.
DOWN_SECONDS = 60.0
#: What was measured longer ago than this tells nothing any more.
FRESH_SECONDS = 600.0
#: An answer up to this size tells of latency, one from the other size on of bandwidth; between them, of neither.
LATENCY_UP_TO_BYTES = 64 << 10
BANDWIDTH_FROM_BYTES = 1 << 20

State = Literal["ready", "down", "unknown"]


@dataclass
class ReplicaHealth:
    """One replica: moving averages of latency and of bandwidth per stream, and since when it may be trusted again.

    ``now`` is any clock in seconds that only goes forward, the same one in all calls.
    """

    latency_seconds: float | None = None
    bytes_per_second: float | None = None
    answered_at: float | None = None
    down_until: float | None = None

    def answered(self, size_bytes: int, seconds: float, now: float) -> None:
        """It gave ``size_bytes`` within ``seconds`` (0 bytes: only told of an object)."""
        if self.answered_at is not None and now - self.answered_at > FRESH_SECONDS:
            self.latency_seconds = self.bytes_per_second = None
        self.answered_at, self.down_until = now, None
        if size_bytes <= LATENCY_UP_TO_BYTES:
            self.latency_seconds = _moved(self.latency_seconds, seconds)
        elif size_bytes >= BANDWIDTH_FROM_BYTES:
            sending = max(seconds - (self.latency_seconds or 0.0), seconds / 10, 1e-6)
            self.bytes_per_second = _moved(self.bytes_per_second, size_bytes / sending)

    def failed(self, now: float) -> None:
        """It did not answer, or not with what was asked for, after all retries."""
        self.down_until = now + DOWN_SECONDS

    def state(self, now: float) -> State:
        """``down`` for a while after a failure; ``ready`` when it has answered of late."""
        if self.down_until is not None and now < self.down_until:
            return "down"
        return "ready" if self.is_fresh(now) else "unknown"

    def is_fresh(self, now: float) -> bool:
        """Whether what was measured still tells something."""
        return self.answered_at is not None and now - self.answered_at <= FRESH_SECONDS


def _moved(average: float | None, sample: float) -> float:
    return sample if average is None else average + NEW_SHARE * (sample - average)
