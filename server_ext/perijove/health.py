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
#: A replica that is read in parallel, because one stream of it was slow, is tried so much later with one.
PARTS_SECONDS = 60.0
#: What was measured longer ago than this tells nothing any more.
FRESH_SECONDS = 600.0
#: An answer up to this size tells of latency, one from the other size on of bandwidth; between them, of neither.
LATENCY_UP_TO_BYTES = 64 << 10
BANDWIDTH_FROM_BYTES = 1 << 20

State = Literal["ready", "down", "unknown"]


@dataclass
class ReplicaHealth:
    """One replica: moving averages of latency and of bandwidth per stream, and from when on it may be trusted again.

    ``now`` is any clock in seconds that only goes forward, the same one in all calls.
    """

    latency_seconds: float | None = None
    bytes_per_second: float | None = None
    answered_at: float | None = None
    down_until: float | None = None
    parts_until: float | None = None

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

    def was_slow_alone(self, now: float) -> None:
        """One stream that had the way for itself was slower than several would be, or did not come."""
        self.parts_until = now + PARTS_SECONDS

    def is_enough_alone(self, now: float) -> bool:
        """Whether one stream may be as fast as several: it was, or it has not been tried of late."""
        return self.parts_until is None or now >= self.parts_until

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
