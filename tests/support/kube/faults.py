"""Faults that a test orders from the bed: what cluster APIs and the networks before them do on bad days."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import ApiError
from .request import ApiRequest


class FaultKind(StrEnum):
    """What goes wrong. The kinds of ``WATCH_*`` act on the events of streams, those under way among them."""

    #: answers ``status``, with ``retry_after_seconds`` where that is given
    ERROR = "error"
    #: closes the connection without an answer; nothing has happened
    DROP = "drop"
    #: carries the request out and then closes the connection without an answer
    LOST_ANSWER = "lost_answer"
    #: never answers; nothing has happened
    HANG = "hang"
    #: carries the request out ``delay_seconds`` late, even when the client has given up by then
    DELAY = "delay"
    #: for ``gap_seconds`` the stream loses its events; then it does what ``then`` says
    WATCH_GAP = "watch_gap"
    #: ``batch`` events (or as many as come within ``gap_seconds``) come in the opposite order
    WATCH_DISORDER = "watch_disorder"
    #: an event comes twice, the second time after the next one
    WATCH_DUPLICATE = "watch_duplicate"
    #: the connection is cut before the event is sent
    WATCH_CUT = "watch_cut"


class GapEnd(StrEnum):
    """How a watch gap ends."""

    #: with an ERROR event of code 410, as after a compaction
    EXPIRED = "expired"
    #: the stream ends in good order, as at its timeout
    ENDS = "ends"
    #: the stream goes on, and what was lost is never sent
    GOES_ON = "goes_on"


#: The reason that goes with a status, and the sentence.
_SAID = {
    400: ("BadRequest", "the request is bad"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "{asked} is forbidden: ordered by the test"),
    404: ("NotFound", "{asked} not found"),
    409: ("Conflict", "Operation cannot be fulfilled on {asked}: ordered by the test"),
    410: ("Expired", "The provided resource version is too old."),
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: ordered by the test"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


@dataclass(slots=True)
class Fault:
    """One rule. It acts on what matches, after ``skip`` of them, on each ``every``-th, at most ``times`` times.

    ``verb`` and ``resource`` are globs over what rights are made of (``create``, ``watch``; ``pods``, ``pods/log``),
    ``namespace`` one over namespaces, and ``name`` a regular expression that the whole name of the object has to match;
    of an object that is to be made, the name in its manifest; empty for collections. ``times=None``: always. ``where``
    may narrow further. For the kinds ``WATCH_*``, the name is that of the event's object and each event counts.
    """

    kind: FaultKind
    verb: str = "*"
    resource: str = "*"
    namespace: str = "*"
    name: str = ".*"
    skip: int = 0
    every: int = 1
    times: int | None = 1
    status: int = 500
    message: str = ""
    retry_after_seconds: int | None = None
    delay_seconds: float = 0.0
    gap_seconds: float = 0.5
    batch: int = 2
    then: GapEnd = GapEnd.EXPIRED
    where: Callable[[ApiRequest], bool] | None = None
    hits: int = field(default=0, init=False)
    _met: int = field(default=0, init=False)

    @property
    def of_watch(self) -> bool:
        """Whether it acts on the events of a stream."""
        return self.kind.startswith("watch_")

    def matches(self, request: ApiRequest, name: str) -> bool:
        """Whether this rule speaks about such a request (or event of it, of an object by this name)."""
        return (
            (self.of_watch or fnmatch.fnmatchcase(request.verb, self.verb))
            and fnmatch.fnmatchcase(request.asked, self.resource)
            and fnmatch.fnmatchcase(request.namespace, self.namespace)
            and re.fullmatch(self.name, name) is not None
            and (self.where is None or self.where(request))
        )

    def take(self) -> bool:
        """Counts what matches; says whether the fault acts on it."""
        if self.times is not None and self.hits >= self.times:
            return False
        self._met += 1
        if self._met <= self.skip or (self._met - self.skip) % self.every:
            return False
        self.hits += 1
        return True

    def to_error(self, request: ApiRequest) -> ApiError:
        """What a fault of kind ``ERROR`` answers."""
        reason, sentence = _SAID.get(self.status, ("Unknown", "ordered by the test"))
        message = self.message or sentence.format(asked=f'{request.resource.qualified} "{request.target}"')
        return ApiError(self.status, reason, message, retry_after_seconds=self.retry_after_seconds)


class Faults:
    """The rules in force, in the order in which they were added; the first that acts wins.

    ``requests_per_second`` caps what the server takes altogether: what is above is told 429 and to come back in a
    second, as API Priority and Fairness does.
    """

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._rate: float | None = None
        self._tokens = 0.0
        self._filled_at = 0.0

    @property
    def requests_per_second(self) -> float | None:
        """How many the server takes; None: all of them."""
        return self._rate

    @requests_per_second.setter
    def requests_per_second(self, rate: float | None) -> None:
        self._rate, self._tokens, self._filled_at = rate, rate or 0.0, time.monotonic()

    def add(self, fault: Fault) -> Fault:
        """Puts a rule in force and returns it, so that a test may ask for its ``hits``."""
        self.rules.append(fault)
        return fault

    def error(self, status: int, verb: str = "*", resource: str = "*", **more: object) -> Fault:
        """Shorthand for a fault of kind ``ERROR``."""
        return self.add(Fault(FaultKind.ERROR, verb, resource, status=status, **more))  # type: ignore[arg-type]

    def clear(self) -> None:
        """All is well again."""
        self.rules.clear()
        self.requests_per_second = None

    def pick(self, request: ApiRequest) -> Fault | None:
        """The fault that this request meets, if any."""
        return self._first(request, request.target, of_watch=False)

    def pick_event(self, request: ApiRequest, name: str) -> Fault | None:
        """The fault that an event of a watch meets, if any."""
        return self._first(request, name, of_watch=True)

    def check_rate(self) -> None:
        """Counts a request. Raises :class:`ApiError` 429 when there are too many in a second."""
        rate = self._rate
        if rate is None:
            return
        now = time.monotonic()
        self._tokens = min(rate, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            reason, sentence = _SAID[429]
            raise ApiError(429, reason, sentence, retry_after_seconds=1)
        self._tokens -= 1

    def _first(self, request: ApiRequest, name: str, *, of_watch: bool) -> Fault | None:
        for fault in self.rules:
            if fault.of_watch is of_watch and fault.matches(request, name) and fault.take():
                return fault
        return None
