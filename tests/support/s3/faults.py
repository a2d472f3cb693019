"""Faults that a test orders from the bed: what object stores and the networks before them do on bad days."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong."""

    #: answers the error ``code``
    ERROR = "error"
    #: closes the connection without an answer
    DROP = "drop"
    #: never answers
    HANG = "hang"
    #: answers ``delay_seconds`` late
    DELAY = "delay"
    #: sends the body at ``bytes_per_second``
    SLOW_BODY = "slow_body"
    #: resets the connection after ``after_bytes`` of the body
    RESET = "reset"
    #: sends ``after_bytes`` of the body and a Content-Length that says this is all
    SHORT_BODY = "short_body"
    #: says the full Content-Length, sends ``after_bytes`` and closes in good order
    WRONG_LENGTH = "wrong_length"
    #: answers a range request with another range of the same length, and says so
    WRONG_RANGE = "wrong_range"
    #: answers a range request with 200 and the whole object
    IGNORE_RANGE = "ignore_range"
    #: flips every bit of the first byte of the body; all headers are right
    CORRUPT = "corrupt"
    #: before it answers, replaces the object by another of the same size (new bytes, new ETag)
    REPLACE = "replace"
    #: a sign-in page in HTML with status 200, as captive portals send
    HTML = "html"


_OF_BODIES = frozenset(
    {
        FaultKind.SLOW_BODY,
        FaultKind.RESET,
        FaultKind.SHORT_BODY,
        FaultKind.WRONG_LENGTH,
        FaultKind.WRONG_RANGE,
        FaultKind.IGNORE_RANGE,
        FaultKind.CORRUPT,
        FaultKind.REPLACE,
    }
)
#: A listing is a body too, without ranges; these act on one whose operation is named.
OF_LISTINGS = frozenset({FaultKind.SLOW_BODY, FaultKind.RESET, FaultKind.SHORT_BODY, FaultKind.WRONG_LENGTH})

#: Whoever reads can tell by the answer itself that it is not what was asked for.
BAD_ANSWERS = sorted(set(FaultKind) - {FaultKind.DELAY, FaultKind.CORRUPT, FaultKind.REPLACE})


@dataclass(slots=True)
class Fault:
    """One rule. It acts on requests that match, after ``skip`` of them and at most ``times`` times (None: always).

    ``op`` is a glob over the names of S3 operations, such as ``GetObject`` or ``List*``; ``key`` one over the object's
    key. Faults of a body act on ``GetObject``, some on listings that ``op`` names. For operations on a bucket the key
    is empty, which ``*`` matches. ``where`` may narrow further by the range asked for (``bytes=0-99``, or empty).
    """

    kind: FaultKind
    op: str = "*"
    bucket: str = "*"
    key: str = "*"
    skip: int = 0
    times: int | None = 1
    code: str = "SlowDown"
    after_bytes: int = 0
    delay_seconds: float = 0.0
    bytes_per_second: float = 1024.0
    where: Callable[[str], bool] | None = None
    hits: int = field(default=0, init=False)

    def matches(self, op: str, bucket: str, key: str, byte_range: str) -> bool:
        """Whether this rule speaks about such a request."""
        return (
            fnmatch.fnmatchcase(op, self.op)
            and (self.kind not in _OF_BODIES or op == "GetObject" or self._is_of_listing(op))
            and fnmatch.fnmatchcase(bucket, self.bucket)
            and fnmatch.fnmatchcase(key, self.key)
            and (self.where is None or self.where(byte_range))
        )

    def _is_of_listing(self, op: str) -> bool:
        return op.startswith("ListObjects") and self.op != "*" and self.kind in OF_LISTINGS

    def take(self) -> bool:
        """Counts a matching request; says whether the fault acts on it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        self.hits += 1
        return True


def breaks_long_answers() -> Fault:
    """Whoever reads a large object by one answer has to go on in parts."""
    return Fault(FaultKind.RESET, op="GetObject", times=None, after_bytes=1 << 20, where=is_long_range)


def is_long_range(byte_range: str) -> bool:
    """Whether a Range header asks for more than any one of parts that are read in parallel."""
    first, _, last = byte_range.removeprefix("bytes=").partition("-")
    return not last or int(last) - int(first) > 16 << 20


class Faults:
    """The rules in force, in the order in which they were added; the first that acts wins."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Puts a rule in force and returns it, so that a test may ask for its ``hits``."""
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """All is well again."""
        self.rules.clear()

    def pick(self, op: str, bucket: str, key: str, byte_range: str) -> Fault | None:
        """The fault that this request meets, if any."""
        for fault in self.rules:
            if fault.matches(op, bucket, key, byte_range) and fault.take():
                return fault
        return None
